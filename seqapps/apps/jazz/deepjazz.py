"""The network of the lectures' exercise on one-hot values, as in deepjazz.

Axis letters: B batch, T notes, S slots, V values, U units.
"""

import keras
import tensorflow as tf

from seqapps.apps.jazz.frontend import VALUES
from seqapps.apps.jazz.improviser import Improviser, at, last_note
from seqapps.apps.jazz.params import Train


class DeepJazz(Improviser):
    """The lectures' network: one-hot values in, an LSTM, a softmax over values out.

    It knows the values of the train tunes and one more that stands for all others, whose
    probability they share.
    """

    def __init__(self, table: Train, values: list[int]):
        super().__init__(table)
        self.known = len(values)
        others = VALUES - self.known
        number = tf.scatter_nd([[v] for v in values], tf.range(1, self.known + 1), [VALUES])
        self.number = tf.where(number > 0, number - 1, self.known)
        self.share = tf.where(number > 0, 0.0, -tf.math.log(float(max(others, 1))))
        self.head = keras.layers.Dense(self.known + 1, name="head")

    def log_probability(self, chart, line, training):
        """Log-probabilities float32 (B, T), see `Improviser.call`."""
        del chart
        log_probs = tf.nn.log_softmax(self.logits(line, training))
        return at(log_probs, tf.gather(self.number, line.value)) + tf.gather(self.share, line.value)

    def joint(self, chart, line):
        """Log-probability of every value at each slot of a line: float32 (B, T, V)."""
        del chart
        return self.spread(self.logits(line, False))

    def walk(self, steps, training):
        """H (B, T, U): in training each window of Tx notes stands alone, as in the lectures."""
        if not training:
            return super().walk(steps, training)
        length = steps.shape[1]
        padded = tf.pad(steps, [[0, 0], [0, -length % self.steps], [0, 0]])
        windows = tf.reshape(padded, [-1, self.steps, steps.shape[-1]])
        hidden = self.stack(windows, training=True)
        rows = tf.shape(steps)[0]
        return tf.reshape(hidden, [rows, padded.shape[1], hidden.shape[-1]])[:, :length]

    def logits(self, line, training):
        """Of the values known, and of all others: float32 (B, T, known + 1)."""
        before = tf.gather(self.number, line.value)
        # The first slot sees no value: a row of zeros, as in the lectures.
        shown = tf.pad(tf.one_hot(before, self.known + 1)[:, :-1], [[0, 0], [1, 0], [0, 0]])
        return self.head(self.walk(shown, training))

    def step(self, number, slots, past, states):
        """Log-probabilities float32 (B, V), see `Soloist.step`."""
        del slots
        last, _ = last_note(number, past)
        shown = tf.one_hot(tf.gather(self.number, last), self.known + 1)
        shown *= tf.cast(number > 0, tf.float32)
        hidden, states = self.stack.carry(shown, states)
        return self.spread(self.head(hidden))[:, 0], states

    def spread(self, logits):
        """Log-probability (B, S, V) from logits of the values known and of the others."""
        log_probs = tf.gather(tf.nn.log_softmax(logits), self.number, axis=-1)
        return log_probs + self.share
