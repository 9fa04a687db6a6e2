"""The attention decoder of `kind = "las"`: listen, attend and spell (Chan et al. 2016).

One step: h_i from the letters so far; s_ij of h_i and step j of the encoder;
w = softmax(s); c_i = sum_j w_ij code_j; the letter from concat(c_i, h_i). As c_i does not enter the
recurrence, all letters of a known text are computed at once.

Axis letters: B batch, S steps of the encoder, C its channels, U letters of a text, V letters of the
alphabet and, last, the end of a text, which is also what a text begins with.
"""

import keras
import tensorflow as tf

from seqapps.apps.asr.nn.labels import NONE, Labels
from seqapps.apps.asr.params import Train
from seqapps.kit import layers
from seqapps.kit.attention import Attention


class Speller(keras.layers.Layer):
    """A recurrent decoder over letters that attends to the whole recording at each step."""

    def __init__(self, table: Train, letters: int, **kwargs):
        super().__init__(**kwargs)
        self.end = letters
        units = 2 * table.units  # as wide as both directions of the encoder
        self.embed = keras.layers.Embedding(letters + 1, units)
        self.stack = layers.recurrent(table.cell, units, dropout=table.dropout, return_state=True)
        self.attend = Attention(table.attention, table.units)
        self.mix = keras.layers.Dense(units, activation="tanh")
        self.drop = keras.layers.Dropout(table.dropout)
        self.out = keras.layers.Dense(letters + 1)

    def call(self, labels, encoder_out, steps, training=False):
        """Logits float32 (B, U + 1, V) of each letter and the end, after the true ones before.

        Args:
            labels: int (B, U), padded with negative numbers.
            encoder_out: float32 (B, S, C) of `steps` (B,) steps.
            steps: int32 (B,).
            training: true if inputs are dropped.
        """
        previous = tf.where(labels < 0, self.end, tf.cast(labels, tf.int32))
        previous = tf.pad(previous, [[0, 0], [1, 0]], constant_values=self.end)
        hidden = self.stack(self.embed(previous), training=training)
        return self._letters(hidden, encoder_out, steps, training)[0]

    def spell(self, encoder_out, steps):
        """The most probable letter at each step: labels, and attention float32 (B, U, S).

        A text never grows longer than CTC could align it: a step of the encoder for each letter,
        and one between two that are alike.
        """
        batch, longest = tf.shape(encoder_out)[0], tf.reduce_max(steps)
        maps = tf.TensorArray(tf.float32, size=longest, element_shape=[None, None])
        letters = tf.TensorArray(tf.int32, size=longest, element_shape=[None])
        start = tf.fill([batch], self.end)
        nothing = (tf.zeros([batch], tf.int32), tf.ones([batch], tf.bool))
        states = self.stack.zero_states(batch)

        def step(at, last, needed, alive, states, letters, maps):
            hidden, states = self.stack.carry(self.embed(last[:, None]), states)
            logits, weights = self._letters(hidden, encoder_out, steps, False)
            letter = tf.argmax(logits[:, 0], axis=-1, output_type=tf.int32)
            needed += 1 + tf.cast(letter == last, tf.int32)
            alive &= (letter != self.end) & (needed <= steps)
            letters = letters.write(at, tf.where(alive, letter, NONE))
            maps = maps.write(at, weights[:, 0])
            return at + 1, letter, needed, alive, states, letters, maps

        at, _, _, _, _, letters, maps = tf.while_loop(
            lambda at, last, needed, alive, *_: (at < longest) & tf.reduce_any(alive),
            step,
            (tf.constant(0), start, *nothing, states, letters, maps),
            parallel_iterations=1,
        )
        values = tf.transpose(letters.stack()[:at])
        counts = tf.reduce_sum(tf.cast(values != NONE, tf.int32), axis=1)
        return Labels(values, counts), tf.transpose(maps.stack()[:at], [1, 0, 2])

    def loss(self, logits, labels, counts):
        """Cross-entropy per letter, ends included: a scalar, the mean over the batch.

        Args:
            logits: float32 (B, U + 1, V).
            labels: int (B, U), padded with negative numbers.
            counts: int32 (B,).
        """
        wanted = tf.pad(tf.cast(labels, tf.int32), [[0, 0], [0, 1]], constant_values=-1)
        wanted = tf.where(wanted < 0, self.end, wanted)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(wanted, logits)
        counted = tf.sequence_mask(counts + 1, tf.shape(losses)[1], tf.float32)
        return tf.reduce_sum(losses * counted) / tf.reduce_sum(counted)

    def _letters(self, hidden, encoder_out, steps, training):
        mask = tf.sequence_mask(steps, tf.shape(encoder_out)[1])
        context, weights = self.attend(hidden, encoder_out, mask=mask)
        mixed = self.mix(tf.concat([context, hidden], axis=-1))
        return self.out(self.drop(mixed, training=training)), weights
