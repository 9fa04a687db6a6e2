"""The endpoint: numbers in, their mean out.

Axis letters: B batch, T steps.
"""

from pathlib import Path

import keras
import tensorflow as tf

from seqapps.app import Endpoints, Tensors
from tests.toy.params import Params


def endpoints(params: Params, model: keras.Model, assets: Path) -> Endpoints:
    """`serving_default`: `steps` float32 (B, T), `length` int64 (B,) -> `mean` float32 (B,)."""
    del params, assets

    def serving_default(steps: tf.Tensor, length: tf.Tensor) -> Tensors:
        return {"mean": model({"steps": steps, "length": length})}

    signature = [
        tf.TensorSpec([None, None], tf.float32, name="steps"),
        tf.TensorSpec([None], tf.int64, name="length"),
    ]
    return {"serving_default": (serving_default, signature)}
