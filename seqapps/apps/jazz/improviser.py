"""The base of the networks of jazz: the loss, the walk over a tune, the last note.

Axis letters: B batch, T notes, S slots, V values, U units.
"""

from typing import Any

import keras
import tensorflow as tf

from seqapps.apps.jazz import frontend
from seqapps.apps.jazz.params import Train
from seqapps.kit import layers


class Improviser(keras.Model):
    """The base of both networks: the loss, and the walk over segments with the state carried."""

    def __init__(self, table: Train):
        super().__init__()
        self.steps = table.tbptt_steps
        self.stack = layers.recurrent(
            "dense" if table.cell == "jordan" else table.cell,
            table.units,
            layers=table.layers,
            dropout=table.dropout,
            return_state=True,
        )

    def walk(self, steps, training):
        """H (B, T, U) of the stack; the state is carried over segments, the gradient is cut.

        Without a gradient to cut, the whole is one segment.
        """
        states, hidden = self.stack.zero_states(tf.shape(steps)[0]), []
        if not training:
            return self.stack.carry(steps, states)[0]
        for first in range(0, steps.shape[1], self.steps):
            segment = steps[:, first : first + self.steps]
            outputs, states = self.stack.carry(segment, states, training=training)
            states = tf.nest.map_structure(tf.stop_gradient, states)
            hidden.append(outputs)
        return tf.concat(hidden, axis=1)

    def call(self, batch, training=False):
        """Log-probability (B, T) of each note of a request (see `frontend.line`), 0 in padding."""
        chart = frontend.chart(batch)
        line = frontend.line(batch, chart)
        log_probs = self.log_probability(chart, line, training)
        return tf.where(line.sounds, log_probs, 0.0)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Mean negative log-probability of a note, a scalar in nats, from y_pred (B, T)."""
        assert x is not None and y_pred is not None
        notes = tf.reduce_sum(tf.cast(x["duration"] > 0, tf.float32))
        return -tf.reduce_sum(y_pred) / tf.maximum(notes, 1.0)


def last_note(number: tf.Tensor, past: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """The last value and its ticks, int32 (B, 1); of nothing: zeros."""
    index = tf.maximum(number - 1, 0)
    begun = tf.cast(number > 0, tf.int32)
    return past.value[:, index, None] * begun, past.ticks[:, index, None] * begun


def at(values: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
    """Values (B, T) at indices int32 (B, T) of float32 (B, T, N)."""
    return tf.gather(values, index, batch_dims=2)
