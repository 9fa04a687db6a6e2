"""Layers that two or more applications use: the recurrent stack, and attention.

Axis letters: B batch, T steps, C channels, U units (twice as many if bidirectional), N places that
are looked at.
"""

from typing import Literal

import keras

Cell = Literal["dense", "rnn", "gru", "lstm"]


def recurrent(
    cell: Cell,
    units: int,
    *,
    layers: int = 1,
    bidirectional: bool = False,
    dropout: float = 0.0,
    return_sequences: bool = True,
    return_state: bool = False,
    name: str = "recurrent",
) -> "Stack":
    """A stack of `layers` layers of one cell: float32 (B, T, C) -> (B, T, U), or (B, U).

    Args:
        cell: "dense" h_t = tanh(W x_t), the stack without recurrence; "rnn"
            h_t = tanh(W x_t + R h_(t-1)); "gru" (Cho et al. 2014); "lstm" (Hochreiter &
            Schmidhuber 1997).
        units: width of h in each direction.
        layers: depth; a layer reads the whole sequence the one below it made.
        bidirectional: h of both directions of time side by side (Schuster & Paliwal 1997).
        dropout: share of the inputs of each layer set to zero in training.
        return_sequences: h at each step, or only where each direction ends: the last step that the
            mask counts and, backwards, the first.
        return_state: the stack can `carry` its state from one piece of a sequence to the next; not
            for a bidirectional one.
        name: of the layer.

    Called with `mask` (B, T), true where a step counts; padding must lie on the right.
    """
    made = [
        _layer(cell, units, bidirectional, return_sequences or number < layers - 1, return_state)
        for number in range(layers)
    ]
    return Stack(made, dropout, name=name)


class Stack(keras.layers.Layer):
    """Layers one after the other, with dropout before each: what `recurrent` returns."""

    def __init__(self, layers: list[keras.layers.Layer], dropout: float, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.layers = layers
        self.drops = [keras.layers.Dropout(dropout) for _ in layers]

    def build(self, shape):
        """Makes the weights for inputs (B, T, C)."""
        for layer in self.layers:
            layer.build(shape)
            made = layer.compute_output_shape(shape)
            made = made[0] if isinstance(made[0], tuple) else made  # h, then states
            shape = (*shape[:2], made[-1])
        self.built = True

    def call(self, steps, mask=None, training=False):
        """H of the last layer."""
        for drop, layer in zip(self.drops, self.layers, strict=True):
            steps = layer(drop(steps, training=training), mask=mask, training=training)
            steps = steps[0] if isinstance(steps, list | tuple) else steps
        return steps

    def carry(self, steps, states, training=False):
        """H of the last layer, and the states after the last step, for a stack with return_state.

        Args:
            steps: float32 (B, T, C), one piece of a longer sequence.
            states: those after the piece before; `zero_states` at the beginning.
            training: whether inputs are dropped.
        """
        if not self.built:
            self.build(steps.shape)
        after = []
        for drop, layer, before in zip(self.drops, self.layers, states, strict=True):
            steps = drop(steps, training=training)
            if isinstance(layer, WithoutRecurrence):
                steps, state = layer(steps), []
            else:
                steps, *state = layer(steps, initial_state=before, training=training)
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


class WithoutRecurrence(keras.layers.Layer):
    """tanh(W x_t) at each step, or only at the ends of time, in the place of a recurrent layer."""

    def __init__(self, units: int, bidirectional: bool, return_sequences: bool, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.directions = 2 if bidirectional else 1
        self.return_sequences = return_sequences
        self.dense = keras.layers.Dense(self.directions * units, activation="tanh")

    def build(self, shape):
        """Makes the weights for inputs (B, T, C)."""
        self.dense.build(shape)
        self.built = True

    def compute_output_shape(self, shape):
        """(B, T, U) or (B, U)."""
        return (*(shape[:2] if self.return_sequences else shape[:1]), self.dense.units)

    def call(self, steps, mask=None, training=False):
        """H, as a recurrent layer would return it."""
        hidden = self.dense(steps)
        if self.return_sequences:
            return hidden
        forward, *backward = keras.ops.split(hidden, self.directions, axis=-1)
        ends = [_last(forward, mask), *(first[:, 0] for first in backward)]
        return keras.ops.concatenate(ends, axis=-1)


class Attention(keras.layers.Layer):
    """Where to look: scores of each step and place, their softmax, and what lies there, mixed.

    "dot" s_ij = (W h_i) . (V p_j) / sqrt(width) (Luong et al. 2015, scaled); "bahdanau"
    s_ij = v . tanh(W h_i + V p_j) (Bahdanau et al. 2014); c_i = sum_j softmax(s)_ij p_j.
    """

    def __init__(self, kind: Literal["dot", "bahdanau"], width: int, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        # The additive score makes a tensor of (B, T, N, width): a narrow one is most of the speed.
        self.query = keras.layers.Dense(width, use_bias=False)
        self.key = keras.layers.Dense(width)
        self.score = keras.layers.Dense(1, use_bias=False) if kind == "bahdanau" else None

    def call(self, hidden, places, mask=None):
        """The context (B, T, C) and the weights (B, T, N) it was mixed with.

        Args:
            hidden: float32 (B, T, U), what asks.
            places: float32 (B, N, C), what is looked at.
            mask: bool (B, N), true where a place counts; None = all.
        """
        query, keys = self.query(hidden), self.key(places)
        if self.score is None:
            scores = keras.ops.einsum("btw,bnw->btn", query, keys) / float(query.shape[-1]) ** 0.5
        else:
            scores = self.score(keras.ops.tanh(query[:, :, None] + keys[:, None]))[..., 0]
        if mask is not None:
            scores = keras.ops.where(mask[:, None], scores, -1e9)
        weights = keras.ops.softmax(scores)
        return keras.ops.matmul(weights, places), weights


def _last(hidden, mask):
    if mask is None:
        return hidden[:, -1]
    last = keras.ops.sum(keras.ops.cast(mask, "int32"), axis=1) - 1
    return keras.ops.take_along_axis(hidden, last[:, None, None], axis=1)[:, 0]


def _layer(cell: Cell, units: int, bidirectional: bool, return_sequences: bool, return_state: bool):
    if cell == "dense":
        return WithoutRecurrence(units, bidirectional, return_sequences)
    options = {"return_sequences": return_sequences, "return_state": return_state}
    if cell != "rnn":
        # cuDNN's fused op cannot be compiled by XLA, and an exported graph that holds it does not
        # run without a GPU.
        options["use_cudnn"] = False
    made = {"rnn": keras.layers.SimpleRNN, "gru": keras.layers.GRU, "lstm": keras.layers.LSTM}
    layer = made[cell](units, **options)
    return keras.layers.Bidirectional(layer) if bidirectional else layer
