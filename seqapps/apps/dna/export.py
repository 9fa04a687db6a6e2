"""The endpoints: strings of bases in, probabilities and effects of substitutions out.

Axis letters: B batch, L longest sequence in bp, F factors, W window in bp, N windows of all rows.
"""

from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf

from seqapps.app import Endpoints
from seqapps.apps.dna import preprocess
from seqapps.apps.dna.model import UNKNOWN_BASE, encode
from seqapps.apps.dna.params import Params

STEPS_PER_WINDOW = 4
"""Windows of a longer sequence start a quarter of a window apart, so that every site lies well
inside one of them; the last one ends with the sequence."""

BASES_AT_ONCE = 1 << 16
"""The network sees at most this many bases at a time (both strands of them), so that memory does
not grow with the request."""

Logits = Callable[[tf.Tensor], tf.Tensor]
"""int32 (N, W) -> float32 (N, F)."""


def endpoints(params: Params, model: keras.Model, assets: Path) -> Endpoints:
    """`serving_default` and `mutagenesis`, each with its signature.

    Both take `sequence`, strings (B,) of any lengths not below the window, in upper or lower case;
    what is not A, C, G or T is N. A sequence that is shorter raises InvalidArgumentError.

    `serving_default` returns `probability` float32 (B, F): logits averaged over both strands, their
    maximum over windows, its sigmoid.

    `mutagenesis` returns `effect` float32 (B, L, 4, F): by how much that maximal logit changes if
    the base at a place becomes A, C, G or T. It is exactly 0 for the base that stands there, and
    beyond the end of a shorter sequence.
    """
    del params
    window = preprocess.facts(assets)["window_bp"]
    signature = [tf.TensorSpec([None], tf.string, name="sequence")]

    def logits(bases: tf.Tensor) -> tf.Tensor:
        return in_chunks(lambda b: model({"bases": b}), bases, max(BASES_AT_ONCE // window, 1))

    def serving_default(sequence: tf.Tensor) -> dict[str, tf.Tensor]:
        row, _, bases = windows(sequence, window)
        highest = tf.math.unsorted_segment_max(logits(bases), row, tf.size(sequence))
        return {"probability": tf.sigmoid(highest)}

    def mutagenesis(sequence: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"effect": effects(logits, sequence, window)}

    return {
        "serving_default": (serving_default, signature),
        "mutagenesis": (mutagenesis, signature),
    }


def effects(logits: Logits, sequences: tf.Tensor, width: int) -> tf.Tensor:
    """Effects of substitutions float32 (B, L, 4, F), one row and one window at a time."""
    row, start, inside = windows(sequences, width)
    reference, bases = logits(inside), encode(sequences)
    longest, factors = tf.shape(bases)[1], reference.shape[-1]

    def of_row(number: tf.Tensor) -> tf.Tensor:
        mine = tf.where(row == number)[:, 0]
        before, begin, bases = (tf.gather(values, mine) for values in (reference, start, inside))
        highest = tf.fill([longest, 4, factors], before.dtype.min)

        def with_window(step: tf.Tensor, highest: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            changed = tf.reshape(logits(substitutions(bases[step])), [width, 4, factors])
            placed = _placed(changed, begin[step], length=longest, otherwise=before[step])
            return step + 1, tf.maximum(highest, placed)

        steps = tf.size(mine)
        _, highest = tf.while_loop(
            lambda step, _: step < steps, with_window, [0, highest], parallel_iterations=1
        )
        return highest - tf.reduce_max(before, axis=0)

    count = tf.size(sequences)
    effect = tf.map_fn(
        of_row,
        tf.range(tf.maximum(count, 1)),  # TensorFlow cannot stack the answers of an empty loop
        fn_output_signature=tf.TensorSpec([None, 4, factors], tf.float32),
        parallel_iterations=1,
    )[:count]
    inside_row = tf.range(longest) < tf.strings.length(sequences)[:, None]
    differs = inside_row[:, :, None] & (bases[:, :, None] != tf.range(4))
    return tf.where(differs[..., None], effect, 0.0)


def windows(sequences: tf.Tensor, width: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The windows of strings (B,): row int32 (N,), start int32 (N,), bases int32 (N, W).

    Raises:
        InvalidArgumentError: a sequence is shorter than a window.
    """
    lengths = tf.strings.length(sequences)
    wanted = f"a sequence is shorter than the model's window of {width} bp; send at least {width}"
    with tf.control_dependencies([tf.debugging.assert_greater_equal(lengths, width, wanted)]):
        spare = tf.identity(lengths) - width
    step = max(width // STEPS_PER_WINDOW, 1)
    counts = 1 + (spare + step - 1) // step
    row = tf.repeat(tf.range(tf.size(counts)), counts)
    number = tf.ragged.range(counts).flat_values
    start = tf.minimum(number * step, tf.gather(spare, row))
    places = start[:, None] + tf.range(width)
    bases = tf.gather_nd(encode(sequences), tf.stack([row[:, None] + 0 * places, places], axis=-1))
    return row, start, tf.ensure_shape(bases, [None, width])


def substitutions(bases: tf.Tensor) -> tf.Tensor:
    """All single substitutions of int32 (W,): int32 (4 W, W), by place, then by A, C, G, T."""
    width = bases.shape[0]
    here = tf.eye(width, dtype=tf.bool)[:, None, :]  # pyright: ignore[reportArgumentType] the static size is known
    changed = tf.where(here, tf.range(4)[None, :, None], bases)
    return tf.reshape(changed, [4 * width, width])  # pyright: ignore[reportOperatorIssue] the static size is known


def in_chunks(function: Logits, bases: tf.Tensor, most: int) -> tf.Tensor:
    """`function` of int32 (N, W) -> float32 (N, F), called on at most `most` rows at a time."""
    count, width = tf.shape(bases)[0], bases.shape[1]
    size = tf.maximum(tf.minimum(count, most), 1)
    chunks = tf.maximum((count + size - 1) // size, 1)
    padded = tf.pad(bases, [[0, chunks * size - count], [0, 0]], constant_values=UNKNOWN_BASE)  # pyright: ignore[reportArgumentType] stubs take no tensor in a list
    answers = tf.map_fn(
        function,
        tf.reshape(padded, [chunks, size, width]),
        fn_output_signature=tf.float32,
        parallel_iterations=1,
    )
    return tf.reshape(answers, [chunks * size, answers.shape[-1]])[:count]


def _placed(values: tf.Tensor, begin: tf.Tensor, *, length: tf.Tensor, otherwise: tf.Tensor):
    """(length, 4, F): `values` (W, 4, F) from place `begin` on, `otherwise` (F,) elsewhere."""
    ends = [begin, length - begin - values.shape[0]]  # pyright: ignore[reportOperatorIssue] the static size is known
    within = tf.pad(tf.ones([values.shape[0], 1, 1], tf.bool), [ends, [0, 0], [0, 0]])
    return tf.where(within, tf.pad(values, [ends, [0, 0], [0, 0]]), otherwise)
