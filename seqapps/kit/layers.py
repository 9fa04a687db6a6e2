"""Recurrent layers: a stack of one cell, with states that can be carried.

Axis letters: B batch, T steps, C channels, U units (twice as many if bidirectional).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras

from seqapps.config import Cell
from seqapps.kit import native
from seqapps.kit.cells import SRU, Products, WithoutRecurrence
from seqapps.kit.native import keras_cells


@contextmanager
def as_one_op(enabled: bool) -> Iterator[None]:
    """Walks GRU, LSTM and SRU with the ops of `kit.native` in what is traced or run inside.

    Weights, values and gradients are those of the Keras layers, to rounding. Graphs to export must
    be traced outside, because plain TensorFlow lacks the ops; XLA does not know them either.
    """
    token = native.IN_USE.set(enabled)
    try:
        yield
    finally:
        native.IN_USE.reset(token)


_WITH_CUDNN: ContextVar[bool] = ContextVar("with_cudnn", default=False)


@contextmanager
def with_cudnn(enabled: bool) -> Iterator[None]:
    """Makes GRU and LSTM inside that use cuDNN's op where a GPU can.

    A graph to export needs layers made outside: it must run without a GPU. So must one for XLA,
    which cannot compile the op. The weights are the same.
    """
    token = _WITH_CUDNN.set(enabled)
    try:
        yield
    finally:
        _WITH_CUDNN.reset(token)


def keras_reason(*, jit_compile: bool) -> str | None:
    """The reason why Keras' layers train and not the ops of `kit.native`; None if the ops do."""
    return "XLA compiles them" if jit_compile else native.missing()


def recurrent(
    cell: Cell,
    units: int,
    *,
    layers: int = 1,
    bidirectional: bool = False,
    dropout: float = 0.0,
    return_sequences: bool = True,
    return_state: bool = False,
    products: Products = "float32",
    name: str = "recurrent",
) -> "Stack":
    """A stack of `layers` layers of one cell: float32 (B, T, C) -> (B, T, U), or (B, U).

    Args:
        cell: "dense" h_t = tanh(W x_t), the stack without recurrence; "rnn"
            h_t = tanh(W x_t + R h_(t-1)); "gru" (Cho et al. 2014); "lstm" (Hochreiter &
            Schmidhuber 1997); "sru" (Lei et al. 2018, see `SRU`).
        units: width of h in each direction.
        layers: depth; a layer reads the whole output sequence of the one below it.
        bidirectional: h of both directions of time side by side (Schuster & Paliwal 1997).
        dropout: fraction of the inputs of each layer set to zero in training.
        return_sequences: h at each step; else h at the last step of each direction: the last true
            step of the mask and, backwards, the first step.
        return_state: `carry` can pass the states from one piece of a sequence to the next; not
            for a bidirectional stack.
        products: dtype of the matrix products of "sru" in training; sums, states, weights and all
            of inference stay float32 (Kalamkar et al. 2019).
        name: of the layer.

    Called with `mask` bool (B, T), false at padding, which must be on the right.
    """
    stack = [
        _layer(
            cell,
            units,
            bidirectional=bidirectional,
            return_sequences=return_sequences or number < layers - 1,
            return_state=return_state,
            products=products,
        )
        for number in range(layers)
    ]
    return Stack(stack, dropout, name=name)


class Stack(keras.layers.Layer):
    """Recurrent layers one after the other, with dropout before each; see `recurrent`."""

    def __init__(self, layers: list[keras.layers.Layer], dropout: float, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.layers = layers
        self.drops = [keras.layers.Dropout(dropout) for _ in layers]

    def build(self, shape):
        """Makes the weights for inputs (B, T, C)."""
        for layer in self.layers:
            layer.build(shape)
            output = layer.compute_output_shape(shape)
            output = output[0] if isinstance(output[0], tuple) else output  # h, then states
            shape = (*shape[:2], output[-1])
        self.built = True

    def call(self, steps, mask=None, training=False):
        """Outputs of the last layer, float32 (B, T, U) or (B, U).

        Steps are float32 (B, T, C), the mask bool (B, T).
        """
        for drop, layer in zip(self.drops, self.layers, strict=True):
            steps = _run(layer, drop(steps, training=training), mask=mask, training=training)
            steps = steps[0] if isinstance(steps, list | tuple) else steps
        return steps

    def carry(self, steps, states, training=False):
        """Outputs of the last layer (B, T, U), states after the last step; needs return_state.

        Args:
            steps: float32 (B, T, C), one piece of a longer sequence.
            states: the states after the previous piece; `zero_states` for the first.
            training: True applies dropout.
        """
        if not self.built:
            self.build(steps.shape)
        after = []
        for drop, layer, before in zip(self.drops, self.layers, states, strict=True):
            steps = drop(steps, training=training)
            if isinstance(layer, WithoutRecurrence):
                steps, state = layer(steps), []
            else:
                steps, *state = _run(layer, steps, states=before, training=training)
            after.append(state)
        return steps, after

    def zero_states(self, batch_size):
        """The states before the first step: a list of float32 (B, U) for each layer."""
        return [
            []
            if isinstance(layer, WithoutRecurrence)
            else list(layer.get_initial_state(batch_size))
            for layer in self.layers
        ]


def _run(layer, steps, *, mask=None, states=None, training=False):
    """Outputs of one layer, and its states if it returns them, as one op or by Keras."""
    if native.IN_USE.get() and keras_cells.fits(layer):
        return keras_cells.run(layer, steps, mask=mask, states=states)
    options = {"initial_state": states} if states else {"mask": mask}
    return layer(steps, training=training, **options)


def _layer(
    cell: Cell,
    units: int,
    *,
    bidirectional: bool,
    return_sequences: bool,
    return_state: bool,
    products: Products,
):
    if cell == "dense":
        return WithoutRecurrence(
            units, bidirectional=bidirectional, return_sequences=return_sequences
        )
    options: dict[str, Any] = {"return_sequences": return_sequences, "return_state": return_state}
    if cell == "sru":
        return SRU(units, bidirectional=bidirectional, products=products, **options)
    if cell != "rnn":
        options["use_cudnn"] = "auto" if _WITH_CUDNN.get() else False
    classes = {"rnn": keras.layers.SimpleRNN, "gru": keras.layers.GRU, "lstm": keras.layers.LSTM}
    layer = classes[cell](units, **options)
    return keras.layers.Bidirectional(layer) if bidirectional else layer
