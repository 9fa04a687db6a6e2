"""Keras' GRU and LSTM layers walked by the ops, with the weights of their own cells.

Axis letters: B batch, T steps, C channels, U units, D directions.
"""

from typing import Any

import keras
import tensorflow as tf

from seqapps.kit import native


def fits(layer: keras.layers.Layer) -> bool:
    """True for a GRU or an LSTM in one or two directions, whose products the ops can walk."""
    return all(isinstance(one, keras.layers.LSTM | keras.layers.GRU) for one in _directions(layer))


def run(
    layer: keras.layers.Layer,
    steps: tf.Tensor,
    *,
    mask: tf.Tensor | None = None,
    states: list[tf.Tensor] | None = None,
) -> Any:
    """The outputs of the layer as it would give them: float32 (B, T, D * U) or (B, D * U).

    With `return_state` a tuple: also its last states, (B, U) each.

    Args:
        layer: one that `fits`, built.
        steps: float32 (B, T, C).
        mask: bool (B, T), false at padding, which must be on the right.
        states: the states before the first step, (B, U) each; of one direction only.
    """
    ones = _directions(layer)
    lstm = isinstance(ones[0], keras.layers.LSTM)
    weights = [
        [tf.convert_to_tensor(part) for part in (one.cell.kernel, one.cell.recurrent_kernel)]
        for one in ones
    ]
    biases = [tf.convert_to_tensor(one.cell.bias) for one in ones]
    walked = native.gated(
        projected=[native.product(steps, kernel) for kernel, _ in weights],
        kernels=[recurrent for _, recurrent in weights],
        biases=biases,
        lstm=lstm,
        repeat=not ones[0].zero_output_for_mask,
        first=[states] if states else (),
        lengths=None if mask is None else tf.reduce_sum(tf.cast(mask, tf.int32), axis=1),
    )
    hidden = walked.hidden if ones[0].return_sequences else tf.concat(walked.last_h, axis=-1)
    if not ones[0].return_state:
        return hidden
    return (hidden, *walked.last_h, *(walked.last_c if lstm else ()))


def _directions(layer: keras.layers.Layer) -> list[Any]:
    if isinstance(layer, keras.layers.Bidirectional):
        return [layer.forward_layer, layer.backward_layer]
    return [layer]
