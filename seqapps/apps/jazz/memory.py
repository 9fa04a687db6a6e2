"""Pointer memory: logits of copying each earlier note of the tune.

A pointer mixture (Merity et al. 2017) over everything the line has played. How much an earlier
place attracts depends on how many notes before it are the notes that were just played, on whether
bar position, chords and bass are the same, and on how many bars lie between: a tune repeats itself
after 4, 8 or 16 bars and over the same chords.

Axis letters: B batch, S slots to come, T earlier slots, V values.
"""

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from seqapps.apps.jazz.frontend import Slots

LONGEST_MATCH = 12
BEGUN = -1
"""The value before the first note."""

PERIODS = (4, 8, 16)
"""Bars."""


class Places(NamedTuple):
    """Attributes to compare, int32 (B, S): ticks into the bar, whole bars, chords as numbers."""

    position: tf.Tensor
    bars: tf.Tensor
    now: tf.Tensor
    following: tf.Tensor
    bass: tf.Tensor


def places(slots: Slots) -> Places:
    """The places of slots."""
    bits = tf.constant([2**n for n in range(12)], tf.float32)

    def number(classes: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.reduce_sum(classes * bits, -1), tf.int32)

    return Places(
        slots.position, slots.bars, number(slots.now), number(slots.following), number(slots.bass)
    )


def matches(value: tf.Tensor) -> tf.Tensor:
    """Length of match: notes before slot t that equal those before slot i, int32 (B, T, T), to 12.

    `value` is int32 (B, T). Slot t comes before note t; at the beginning no note is before it.
    """
    last = tf.pad(value[:, :-1], [[0, 0], [1, 0]], constant_values=BEGUN)
    same = (last[:, :, None] == last[:, None, :]) & (last[:, :, None] != BEGUN)
    run, length = same, tf.cast(same, tf.int32)
    for _ in range(LONGEST_MATCH - 1):
        run = same & tf.pad(run[:, :-1, :-1], [[0, 0], [1, 0], [1, 0]])
        length += tf.cast(run, tf.int32)
    return length


class Memory(keras.layers.Layer):
    """Logits of copying from earlier slots, beside which the logit of not copying is zero."""

    def build(self, shape):
        """Makes the weights for (B, T, T): per length of match, alone and where places agree."""
        start = keras.initializers.Constant
        self.by_length = self.add_weight(shape=(LONGEST_MATCH,), initializer=start(0.5))
        self.by_length_agreeing = self.add_weight(shape=(LONGEST_MATCH,), initializer=start(0.5))
        self.by_sign = self.add_weight(shape=(5 + len(PERIODS),), initializer="zeros")
        self.by_distance = self.add_weight(shape=(), initializer="zeros")
        self.bias = self.add_weight(shape=(), initializer=start(-8.0))
        self.built = True

    def call(self, match, slots: Any, earlier: Any):
        """Float32 (B, S, T).

        Args:
            match: int32 (B, S, T), see `matches`.
            slots: `Places` (B, S) of the notes to come.
            earlier: `Places` (B, T).
        """
        same = [
            tf.cast(a[:, :, None] == b[:, None, :], tf.float32)
            for a, b in zip(slots, earlier, strict=True)
        ]
        agree = same[0] * same[2]
        apart = slots.bars[:, :, None] - earlier.bars[:, None, :]
        periods = [tf.cast((apart % n == 0) & (apart > 0), tf.float32) for n in PERIODS]
        signs = [same[0], *same[2:], agree * same[3], *periods]
        distance = tf.math.log1p(tf.cast(tf.maximum(apart, 0), tf.float32))
        logit = self.bias + self.by_distance * distance
        for number, sign in enumerate(signs):
            logit += self.by_sign[number] * sign
        for number in range(LONGEST_MATCH):
            reached = tf.cast(match > number, tf.float32)
            logit += reached * (self.by_length[number] + agree * self.by_length_agreeing[number])
        return logit
