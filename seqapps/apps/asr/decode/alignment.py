"""Forced alignment: the steps of a known text's letters, and the times of its words.

Axis letters: B batch, S steps, V classes (the letters, then the blank), U labels, W words.
"""

from typing import NamedTuple

import tensorflow as tf

from seqapps.apps.asr.nn.labels import NEVER, NONE, Labels


class Alignment(NamedTuple):
    """Steps of labels: the first and the one after the last, int32 (B, U), and their confidence.

    `confidence` float32 (B, U) is the label's greatest probability in between; `log_probability`
    float32 (B,) that of the whole path.
    """

    first: tf.Tensor
    end: tf.Tensor
    confidence: tf.Tensor
    log_probability: tf.Tensor


def align(log_probabilities: tf.Tensor, steps: tf.Tensor, *, labels: Labels) -> Alignment:
    """The best path of CTC through given labels (Viterbi over labels with blanks between).

    Args:
        log_probabilities: float32 (B, S, V).
        steps: int32 (B,).
        labels: at most as many as a row has steps.
    """
    classes, allowed = _lattice(labels, log_probabilities.shape[-1] - 1)  # pyright: ignore[reportOptionalOperand] the static size is known
    label_log_probs = tf.gather(log_probabilities, classes, axis=2, batch_dims=1)
    length = tf.shape(classes)[1]
    begin = tf.where(tf.range(length) < 2, label_log_probs[:, 0], NEVER)
    moves = tf.TensorArray(tf.int32, size=tf.shape(label_log_probs)[1], element_shape=[None, None])
    moves = moves.write(0, tf.zeros_like(classes))

    def advance(step, best, moves):
        one = tf.pad(best[:, :-1], [[0, 0], [1, 0]], constant_values=NEVER)
        two = tf.pad(best[:, :-2], [[0, 0], [2, 0]], constant_values=NEVER)
        two = tf.where(allowed, two[:, :length], NEVER)
        choices = tf.stack([best, one, two], axis=-1)
        move = tf.argmax(choices, axis=-1, output_type=tf.int32)
        new = tf.reduce_max(choices, axis=-1) + label_log_probs[:, step]
        alive = (step < steps)[:, None]
        moves = moves.write(step, tf.where(alive, move, 0))
        return step + 1, tf.where(alive, new, best), moves

    _, best, moves = tf.while_loop(
        lambda step, *_: step < tf.shape(label_log_probs)[1],
        advance,
        (tf.constant(1), begin, moves),
        shape_invariants=(
            tf.TensorShape([]),
            tf.TensorShape([None, None]),
            tf.TensorShape(None),  # pyright: ignore[reportArgumentType] None is any shape
        ),
        parallel_iterations=1,
    )
    last = 2 * labels.counts
    ends = tf.stack([last, tf.maximum(last - 1, 0)], axis=-1)
    values = tf.gather(best, ends, axis=1, batch_dims=1)
    end = tf.gather(ends, tf.argmax(values, axis=-1), axis=1, batch_dims=1)
    path = _backwards(moves.stack(), end)
    return _spans(path, steps, label_log_probs, labels, tf.reduce_max(values, axis=-1))


def words(
    labels: Labels, alignment: Alignment, letters: str, step_seconds: float
) -> dict[str, tf.Tensor]:
    """`text` (B,), `words` (B, W) padded with "", `start_s`, `end_s`, `confidence` (B, W).

    A word begins with the first step of its first letter and ends with the last of its last; its
    confidence is the geometric mean of its letters'.
    """
    space = letters.index(" ")
    signs = tf.gather(tf.constant([*letters, ""]), labels.values % (len(letters) + 1))  # pyright: ignore[reportOperatorIssue] stubs lack the operator
    within = (labels.values != NONE) & (labels.values != space)
    begins = within & ~tf.pad(within[:, :-1], [[0, 0], [1, 0]])  # pyright: ignore[reportOperatorIssue] stubs lack the operator
    number = tf.cumsum(tf.cast(begins, tf.int32), axis=1) - 1
    most = tf.maximum(tf.reduce_max(tf.reduce_sum(tf.cast(begins, tf.int32), axis=1)), 0)
    belongs = (number[:, :, None] == tf.range(most)) & within[:, :, None]  # (B, U, W)
    texts = tf.strings.reduce_join(tf.where(belongs, signs[:, :, None], ""), axis=1)
    first = tf.where(belongs, alignment.first[:, :, None], tf.int32.max)
    end = tf.where(belongs, alignment.end[:, :, None], 0)
    share = tf.cast(belongs, tf.float32)
    total = tf.reduce_sum(share * tf.math.log(alignment.confidence + 1e-12)[:, :, None], axis=1)
    real = texts != ""
    size = tf.maximum(tf.reduce_sum(share, axis=1), 1.0)
    start_s = step_seconds * tf.cast(tf.reduce_min(first, axis=1), tf.float32)
    return {
        "text": tf.strings.strip(tf.strings.reduce_join(texts, axis=1, separator=" ")),
        "words": texts,
        "start_s": tf.where(real, start_s, 0.0),
        "end_s": step_seconds * tf.cast(tf.reduce_max(end, axis=1), tf.float32),
        "confidence": tf.where(real, tf.exp(total / size), 0.0),
    }


def _lattice(labels: Labels, blank: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Classes int32 (B, 2 U + 1), blanks between labels; where the blank before may be skipped."""
    values = tf.where(labels.values == NONE, blank, labels.values)
    between = tf.fill(tf.shape(values), blank)
    shape = [tf.shape(values)[0], 2 * tf.shape(values)[1]]
    classes = tf.pad(
        tf.reshape(tf.stack([between, values], axis=-1), shape),
        [[0, 0], [0, 1]],
        constant_values=blank,
    )
    before = tf.pad(classes[:, :-2], [[0, 0], [2, 0]], constant_values=blank)
    before = before[:, : tf.shape(classes)[1]]
    return classes, (classes != blank) & (classes != before)


def _backwards(moves: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
    """The path's place in the lattice at each step, int32 (B, S), from moves int32 (S, B, L)."""

    def back(later, move):
        position, step_back = later
        position -= step_back
        return position, tf.gather(move, position, axis=1, batch_dims=1)

    places, _ = tf.scan(back, moves, (end, tf.zeros_like(end)), reverse=True)
    return tf.transpose(places)


def _spans(path, steps, label_log_probs, labels: Labels, total: tf.Tensor) -> Alignment:
    places = 2 * tf.range(tf.shape(labels.values)[1]) + 1
    on = (path[:, :, None] == places) & tf.sequence_mask(steps, tf.shape(path)[1])[:, :, None]
    step = tf.range(tf.shape(path)[1])[None, :, None]
    probability = tf.exp(tf.gather(label_log_probs, places, axis=2))
    return Alignment(
        tf.reduce_min(tf.where(on, step, tf.int32.max), axis=1),
        tf.reduce_max(tf.where(on, step + 1, 0), axis=1),
        tf.reduce_max(tf.where(on, probability, 0.0), axis=1),
        total,
    )
