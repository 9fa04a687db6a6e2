"""The endpoints: strings of bases in, probabilities and effects of substitutions out.

Axis letters: B batch, L longest sequence in bp, F factors, W window in bp, N windows of all rows,
P letters of all rows.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from seqapps.app import Endpoints
from seqapps.apps.dna import preprocess, sequences
from seqapps.apps.dna.model import CODES, UNKNOWN_BASE, Binding, encode
from seqapps.apps.dna.params import Params
from seqapps.kit import rows

STEPS_PER_WINDOW = 4
"""Windows of a longer sequence start at most a quarter of a window apart, so that every site lies
well inside one of them."""

BASES_AT_ONCE = 1 << 16
"""The network sees at most this many bases at a time (both strands of them), so that memory does
not grow with the request."""

FILLINGS = 8
"""A window with N is answered by the mean over this many fillings of them, a multiple of 4."""

MOST_BASES = 1 << 21
"""Of all rows of a request, padded to the longest."""

SAME_LOGIT = 1e-4
"""Windows this close to the best one are as good; the first of them is reported."""

LETTERS = np.zeros(256, bool)
LETTERS[[ord(letter) for c in "ACGTUN" + sequences.AMBIGUOUS for letter in (c, c.lower())]] = True
LETTER_NAMES = [repr(chr(code)) if 32 < code < 127 else f"byte {code}" for code in range(256)]
LETTER_NAMES[ord(" ")], LETTER_NAMES[ord("\n")] = "a space", "a line break"

Logits = Callable[[tf.Tensor], tf.Tensor]
"""int32 (N, W) -> float32 (N, 2, F): the logits of either strand."""


class Windows(NamedTuple):
    """The windows of strings (B,): their rows, their starts in them, their bases."""

    row: tf.Tensor
    """int32 (N,), in ascending order."""
    start: tf.Tensor
    """int32 (N,), in ascending order within a row."""
    bases: tf.Tensor
    """int32 (N, W)."""


def endpoints(params: Params, model: Binding, assets: Path) -> Endpoints:
    """`serving_default` and `mutagenesis`, each with its signature.

    Both take `sequence`, strings (B,) of any lengths not below the window, in upper or lower case:
    A, C, G, T or U, and N or an IUPAC code for a base that is not known. Other letters, a shorter
    sequence and one that is mostly N raise InvalidArgumentError, which names the row. A window with
    N gets the mean logits over fillings of them, so that N alone is no sign of anything.

    `serving_default` returns, for each sequence and factor (B, F):

    - `probability` float32: logits averaged over both strands, their maximum over windows, its
      sigmoid. A maximum over more windows is higher by chance alone, so it rises with the length.
    - `best_start` int32, `best_strand` int32: the place, from 0, where the window with that maximum
      begins (the first of equals), and the strand on which its logit is higher: 1 as written, -1
      the reverse complement.
    - `per_window` float32: the mean over windows of their probabilities. It does not rise with the
      length by chance; that of a lone site falls with it.
    - `factors` string: the factors' names.

    `mutagenesis` returns `effect` float32 (B, L, 4, F): by how much that maximal logit changes if
    the base at a place becomes A, C, G or T. It is exactly 0 for the base that stands there, and
    beyond the end of a shorter sequence. `factors` is as above.
    """
    del params
    facts = preprocess.facts(assets)
    window, names = facts["window_bp"], tf.constant(facts["factors"])

    def logits(bases: tf.Tensor) -> tf.Tensor:
        return filled(
            lambda b: in_chunks(model.by_strand, b, max(BASES_AT_ONCE // window, 1)), bases
        )

    def serving_default(sequence: tf.Tensor) -> dict[str, tf.Tensor]:
        inside = windows(sequence, window)
        return best(logits(inside.bases), inside, count=tf.size(sequence)) | factors(sequence)

    def mutagenesis(sequence: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"effect": effects(logits, sequence, window)} | factors(sequence)

    def factors(sequence: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"factors": tf.repeat(names[None], tf.size(sequence), axis=0)}

    signature = [tf.TensorSpec([None], tf.string, name="sequence")]
    return {
        "serving_default": (serving_default, signature),
        "mutagenesis": (mutagenesis, signature),
    }


def best(strands: tf.Tensor, inside: Windows, *, count: tf.Tensor) -> dict[str, tf.Tensor]:
    """The numeric answers of `serving_default`, each (B, F), see `endpoints`.

    Args:
        strands: logits float32 (N, 2, F).
        inside: the windows they belong to.
        count: B, a scalar.
    """
    logits = tf.reduce_mean(strands, axis=1)
    highest = tf.math.unsorted_segment_max(logits, inside.row, count)
    near = logits >= tf.gather(highest, inside.row) - SAME_LOGIT
    number = tf.range(tf.size(inside.row))[:, None]
    first = tf.math.unsorted_segment_min(
        tf.where(near, number, tf.size(inside.row)), inside.row, count
    )
    own_strands = tf.gather(tf.transpose(strands, [2, 0, 1]), tf.transpose(first), batch_dims=1)
    forward, backward = tf.unstack(tf.transpose(own_strands, [2, 1, 0]))
    return {
        "probability": tf.sigmoid(highest),
        "best_start": tf.gather(inside.start, first),
        "best_strand": tf.where(forward >= backward, 1, -1),
        "per_window": tf.math.unsorted_segment_mean(tf.sigmoid(logits), inside.row, count),
    }


def effects(logits: Logits, texts: tf.Tensor, width: int) -> tf.Tensor:
    """Effects of substitutions float32 (B, L, 4, F), one row and one window at a time."""
    row, start, inside = windows(texts, width)
    reference, bases = tf.reduce_mean(logits(inside), axis=1), encode(texts)
    longest, factors = tf.shape(bases)[1], reference.shape[-1]

    def of_row(number: tf.Tensor) -> tf.Tensor:
        mine = tf.where(row == number)[:, 0]
        before, begin, bases = (tf.gather(values, mine) for values in (reference, start, inside))
        highest = tf.fill([longest, 4, factors], before.dtype.min)

        def with_window(step: tf.Tensor, highest: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            changed = tf.reduce_mean(logits(substitutions(bases[step])), axis=1)
            changed = tf.reshape(changed, [width, 4, factors])
            placed = _placed(changed, begin[step], length=longest, otherwise=before[step])
            return step + 1, tf.maximum(highest, placed)

        steps = tf.size(mine)
        _, highest = tf.while_loop(
            lambda step, _: step < steps, with_window, [0, highest], parallel_iterations=1
        )
        return highest - tf.reduce_max(before, axis=0)

    count = tf.size(texts)
    effect = tf.map_fn(
        of_row,
        tf.range(tf.maximum(count, 1)),  # TensorFlow cannot stack the answers of an empty loop
        fn_output_signature=tf.TensorSpec([None, 4, factors], tf.float32),
        parallel_iterations=1,
    )[:count]
    inside_row = tf.range(longest) < tf.strings.length(texts)[:, None]
    differs = inside_row[:, :, None] & (bases[:, :, None] != tf.range(4))
    return tf.where(differs[..., None], effect, 0.0)


def windows(texts: tf.Tensor, width: int) -> Windows:
    """The windows of strings (B,), evenly spaced from a sequence's first base to its last.

    Their starts mirror, so that the windows of the reverse complement are the reverse complements
    of the windows.

    Raises:
        InvalidArgumentError: a row is refused, see `endpoints`, or the rows are too large.
    """
    lengths = tf.strings.length(texts)
    texts, lengths = rows.require_small(lengths, MOST_BASES, "bases", (texts, lengths))
    letters = tf.cast(tf.io.decode_raw(tf.strings.reduce_join(texts), tf.uint8), tf.int32)
    reason = refusals(texts, letters, width=width)
    letters, lengths = rows.require(reason == "", reason, (letters, lengths))
    spare = lengths - width
    row, start = starts(spare, max(width // STEPS_PER_WINDOW, 1))
    begin = tf.gather(tf.cumsum(lengths, exclusive=True), row) + start
    places = begin[:, None] + tf.range(width)
    bases = tf.gather(tf.gather(tf.constant(CODES), letters), places)
    return Windows(row, start, tf.ensure_shape(bases, [None, width]))


def starts(spare: tf.Tensor, step: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Row and start of windows, each int32 (N,), at most `step` apart.

    The starts of a row are 0, ..., spare and mirror: if s is one, spare - s is one. With an odd
    `spare` (B,) none can be in the middle, so the number of windows is even.
    """
    gaps = (spare + step - 1) // step
    gaps += tf.math.floormod(spare, 2) * tf.math.floormod(gaps + 1, 2)
    row = tf.repeat(tf.range(tf.size(gaps)), gaps + 1)
    number = tf.ragged.range(gaps + 1).flat_values
    gaps, spare = tf.gather(gaps, row), tf.gather(spare, row)
    nearer = tf.cast(tf.minimum(number, gaps - number), tf.int64)
    divisor = tf.cast(tf.maximum(gaps, 1), tf.int64)
    from_end = tf.cast((nearer * tf.cast(spare, tf.int64) + divisor - 1) // divisor, tf.int32)
    return row, tf.where(2 * number <= gaps, from_end, spare - from_end)


def refusals(texts: tf.Tensor, letters: tf.Tensor, *, width: int) -> tf.Tensor:
    """The reasons against strings (B,), string (B,); "" where there is none.

    Args:
        texts: strings (B,).
        letters: int32 (P,), the bytes of all of them.
        width: the window in bp.
    """
    lengths, count = tf.strings.length(texts), tf.size(texts)
    row = tf.repeat(tf.range(count), lengths)
    offset = tf.ragged.range(lengths).flat_values
    foreign = tf.where(tf.gather(tf.constant(LETTERS), letters), tf.int32.max, offset)
    first = tf.math.unsorted_segment_min(foreign, row, count)
    is_foreign = first < tf.int32.max
    first = tf.where(is_foreign, first, 0)
    letter = tf.strings.substr(tf.strings.join([texts, "N"]), first, tf.ones_like(first))
    code = tf.cast(tf.io.decode_raw(letter, tf.uint8, fixed_length=1)[:, 0], tf.int32)
    unknown = tf.cast(tf.gather(tf.constant(CODES), letters) == UNKNOWN_BASE, tf.int32)
    mostly_n = 2 * tf.math.unsorted_segment_sum(unknown, row, count) > lengths
    name = tf.gather(tf.constant(LETTER_NAMES), code)
    letter_reason = tf.strings.join(
        [name, " at place ", tf.strings.as_string(first + 1), "; wanted A, C, G, T, U or N"]
    )
    fasta = "the text is FASTA; send the bases alone, without the line '>name'"
    short = f"shorter than the model's window of {width} bp; send at least {width}"
    reason = tf.where(mostly_n, "more than half of it is N", tf.fill([count], ""))
    reason = tf.where(lengths < width, short, reason)
    reason = tf.where(is_foreign, letter_reason, reason)
    return tf.where(tf.strings.regex_full_match(texts, r"(?s)\s*>.*"), fasta, reason)


def fillings(width: int) -> np.ndarray:
    """Bases int32 (FILLINGS, W) to stand for N.

    In each four of them a place holds every base once, and the four are their own reverse
    complements: `r[i] + k` and `3 - (r[W - 1 - i] + 3 - k)` are the same modulo 4.
    """
    left = np.random.default_rng(0).integers(0, 4, [FILLINGS // 4, width // 2])
    middle = np.zeros([FILLINGS // 4, width % 2], int)
    offsets = np.concatenate([left, middle, -left[:, ::-1]], axis=1)
    return np.concatenate([(row + np.arange(4)[:, None]) % 4 for row in offsets]).astype(np.int32)


def filled(function: Logits, bases: tf.Tensor) -> tf.Tensor:
    """`function` of int32 (N, W) -> float32 (N, 2, F); with N, its mean over `fillings`."""
    unknown = tf.reduce_any(bases == UNKNOWN_BASE, axis=1)
    counts = tf.where(unknown, FILLINGS, 1)
    row = tf.repeat(tf.range(tf.size(counts)), counts)
    number = tf.ragged.range(counts).flat_values
    asked = tf.gather(bases, row)
    filling = tf.gather(tf.constant(fillings(int(bases.shape[1]))), number)  # pyright: ignore[reportArgumentType] the static size is known
    answers = function(tf.where(asked == UNKNOWN_BASE, filling, asked))
    return tf.math.unsorted_segment_mean(answers, row, tf.size(counts))


def substitutions(bases: tf.Tensor) -> tf.Tensor:
    """All single substitutions of int32 (W,): int32 (4 W, W), by place, then by A, C, G, T."""
    width = bases.shape[0]
    here = tf.eye(width, dtype=tf.bool)[:, None, :]  # pyright: ignore[reportArgumentType] the static size is known
    changed = tf.where(here, tf.range(4)[None, :, None], bases)
    return tf.reshape(changed, [4 * width, width])  # pyright: ignore[reportOperatorIssue] the static size is known


def in_chunks(function: Logits, bases: tf.Tensor, most: int) -> tf.Tensor:
    """`function` of int32 (N, W) -> float32 (N, ...), called on at most `most` rows at a time."""
    count, width = tf.shape(bases)[0], bases.shape[1]
    size = tf.maximum(tf.minimum(count, most), 1)
    chunks = tf.maximum((count + size - 1) // size, 1)
    padded = tf.pad(bases, [[0, chunks * size - count], [0, 0]])  # pyright: ignore[reportArgumentType] stubs take no tensor in a list
    answers = tf.map_fn(
        function,
        tf.reshape(padded, [chunks, size, width]),
        fn_output_signature=tf.float32,
        parallel_iterations=1,
    )
    return tf.reshape(answers, [chunks * size, *answers.shape[2:]])[:count]


def _placed(values: tf.Tensor, begin: tf.Tensor, *, length: tf.Tensor, otherwise: tf.Tensor):
    """(length, 4, F): `values` (W, 4, F) from place `begin` on, `otherwise` (F,) elsewhere."""
    ends = [begin, length - begin - values.shape[0]]  # pyright: ignore[reportOperatorIssue] the static size is known
    within = tf.pad(tf.ones([values.shape[0], 1, 1], tf.bool), [ends, [0, 0], [0, 0]])
    return tf.where(within, tf.pad(values, [ends, [0, 0], [0, 0]]), otherwise)
