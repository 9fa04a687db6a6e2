"""The network: a GRU over the numbers, and a linear head.

Axis letters: B batch, T steps.
"""

from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf

from seqapps.app import Tensors
from seqapps.kit import layers
from tests.toy.params import Params


class Mean(keras.Model):
    """A GRU's last state and one linear unit: float32 (B, T) -> (B,)."""

    def __init__(self, units: int, dropout: float):
        super().__init__()
        self.stack = layers.recurrent("gru", units, return_sequences=False)
        self.drop = keras.layers.Dropout(dropout)
        self.head = keras.layers.Dense(1)

    def call(self, batch, training=False):
        """The estimate float32 (B,) of `steps` float32 (B, T) with `length` int64 (B,)."""
        mask = tf.sequence_mask(batch["length"], tf.shape(batch["steps"])[1])
        hidden = self.stack(batch["steps"][:, :, None], mask=mask, training=training)
        return self.head(self.drop(hidden, training=training))[:, 0]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Mean squared error, a scalar, between y_pred (B,) and `target` (B,)."""
        assert x is not None and y_pred is not None
        return tf.reduce_mean(tf.square(x["target"] - y_pred))


def feed(params: Params, assets: Path, training: bool) -> Callable[[Tensors, tf.Tensor], Tensors]:
    """A function (record, seed int32 (2,)) -> `steps` (T,), `length`, `target`.

    In training the numbers carry noise.
    """
    del params, assets

    def one(record: Tensors, seed: tf.Tensor) -> Tensors:
        noise = tf.random.stateless_normal(tf.shape(record["steps"]), seed, stddev=0.01)
        steps = record["steps"] + noise if training else record["steps"]
        return {"steps": steps, "length": record["length"], "target": record["target"]}

    return one


def build(params: Params, assets: Path) -> keras.Model:
    """The network with its weights made."""
    del assets
    model = Mean(params.train.units, params.train.dropout)
    model({"steps": tf.zeros([1, 4]), "length": tf.constant([4], tf.int64)})
    return model
