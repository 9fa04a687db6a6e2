"""The soloist's factorised heads: a pitch by its index, its interval and its chord; its duration.

Axis letters: B batch, S slots, C channels, P pitches, K pitches asked about, D durations.
"""

import keras
import tensorflow as tf

from seqapps.apps.jazz import frontend
from seqapps.apps.jazz.frontend import LONGEST, MAX_INTERVAL, MODEL_DIM, PITCHES
from seqapps.apps.jazz.tunes import LOWEST


class PitchHead(keras.layers.Layer):
    """Log-probability (B, S, P) of each pitch: by its index, the interval, and the chords."""

    def __init__(self):
        super().__init__()
        self.absolute = keras.layers.Dense(PITCHES)
        self.relative = keras.layers.Dense(2 * MAX_INTERVAL + 2)
        self.over_bass = keras.layers.Dense(12)
        self.in_chord = keras.layers.Dense(3)
        steps = tf.range(PITCHES)[None] - tf.range(PITCHES)[:, None]
        steps = tf.clip_by_value(steps, -MAX_INTERVAL, MAX_INTERVAL) + MAX_INTERVAL
        rests = (tf.range(PITCHES)[None] == 0) | (tf.range(PITCHES)[:, None] == 0)
        self.steps = tf.where(rests, 2 * MAX_INTERVAL + 1, steps)

    def call(self, hidden, slots, last):
        """`hidden` float32 (B, S, C); `last` int32 (B, S), the pitch index of the last note."""
        logits = self.absolute(hidden)
        steps = tf.gather(self.steps, last)
        logits += tf.gather(self.relative(hidden), steps, batch_dims=2)
        bass = tf.argmax(slots.bass, axis=-1, output_type=tf.int32)
        now, following, degree = (
            by_pitch(classes)
            for classes in (
                slots.now,
                slots.following,
                frontend.rolled(self.over_bass(hidden), bass),
            )
        )
        weight = self.in_chord(hidden)[..., None]
        logits += degree + weight[:, :, 0] * now + weight[:, :, 1] * following
        return tf.nn.log_softmax(logits + weight[:, :, 2] * now * following)


class DurationHead(keras.layers.Layer):
    """Log-probability of each duration, given pitches: float32 (B, S, K, D)."""

    def __init__(self):
        super().__init__()
        self.inner = keras.layers.Dense(MODEL_DIM)
        self.of_pitch = keras.layers.Embedding(PITCHES, MODEL_DIM)
        self.of_chord = keras.layers.Dense(MODEL_DIM, use_bias=False)
        self.outer = keras.layers.Dense(LONGEST)

    def call(self, hidden, slots, indices):
        """`hidden` float32 (B, S, C); `indices` int32 (B, S, K), the pitches asked about."""
        member = [
            tf.gather(by_pitch(classes), indices, batch_dims=2)
            for classes in (slots.now, slots.following)
        ]
        inner = self.inner(hidden)[:, :, None] + self.of_pitch(indices)
        inner += self.of_chord(tf.stack(member, axis=-1))
        return tf.nn.log_softmax(self.outer(tf.nn.relu(inner)))


def by_pitch(classes: tf.Tensor) -> tf.Tensor:
    """Pitch classes (B, S, 12) as a number for each pitch index (B, S, P); 0 for the rest."""
    pitch_class = (tf.range(PITCHES) + LOWEST - 1) % 12
    sounds = tf.cast(tf.range(PITCHES) > 0, tf.float32)
    return tf.gather(classes, pitch_class, axis=-1) * sounds
