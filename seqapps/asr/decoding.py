"""Letters read off the network's distributions, and the best of each step.

Axis letters: B batch, S steps, V classes (the letters, then the blank), U labels.
"""

from typing import NamedTuple

import tensorflow as tf

NEVER = -1e30
"""In the place of log 0: finite, so that differences are numbers."""

NONE = -1


class Labels(NamedTuple):
    """Letters int32 (B, U), -1 after the end, and how many there are, int32 (B,)."""

    values: tf.Tensor
    counts: tf.Tensor


def greedy(log_probabilities: tf.Tensor, steps: tf.Tensor) -> Labels:
    """The most probable class of each step, repeats and blanks removed.

    Args:
        log_probabilities: float32 (B, S, V).
        steps: int32 (B,).
    """
    blank = log_probabilities.shape[-1] - 1
    best = tf.argmax(log_probabilities, axis=-1, output_type=tf.int32)
    before = tf.pad(best[:, :-1], [[0, 0], [1, 0]], constant_values=blank)
    kept = (best != blank) & (best != before) & tf.sequence_mask(steps, tf.shape(best)[1])
    return of_ragged(tf.ragged.boolean_mask(best, kept))


def of_ragged(ragged: tf.RaggedTensor) -> Labels:
    """The same with -1 in the place of what a row lacks."""
    counts = tf.cast(ragged.row_lengths(), tf.int32)
    return Labels(ragged.to_tensor(default_value=NONE), counts)
