"""Greedy decoding: the most probable class of each step.

Axis letters: B batch, S steps, V classes (the letters, then the blank), U labels.
"""

import tensorflow as tf

from seqapps.apps.asr.nn.labels import Labels, of_ragged


def greedy(log_probabilities: tf.Tensor, steps: tf.Tensor) -> Labels:
    """The most probable class of each step, repeats and blanks removed: labels (B, U).

    Args:
        log_probabilities: float32 (B, S, V).
        steps: int32 (B,).
    """
    blank = int(log_probabilities.shape[-1] or 0) - 1
    best = tf.argmax(log_probabilities, axis=-1, output_type=tf.int32)
    before = tf.pad(best[:, :-1], [[0, 0], [1, 0]], constant_values=blank)
    kept = (best != blank) & (best != before) & tf.sequence_mask(steps, tf.shape(best)[1])
    return of_ragged(tf.ragged.boolean_mask(best, kept))
