"""Recurrent layers: a stack of one cell, with carried states, and simple recurrent units.

Axis letters: B batch, T steps, C channels, U units (twice as many if bidirectional).
"""

from functools import cache
from pathlib import Path
from typing import Literal

import keras
import tensorflow as tf

from seqapps.config import Cell

Products = Literal["float32", "bfloat16"]

FORGET_BIAS = 1.0
"""Initial bias of the forget gate of simple recurrent units, so that states last at first."""

BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
"""Linux' names of the x86 instructions that multiply bfloat16."""


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
        layers: depth; a layer reads the whole sequence the one below it made.
        bidirectional: h of both directions of time side by side (Schuster & Paliwal 1997).
        dropout: share of the inputs of each layer set to zero in training.
        return_sequences: h at each step, or only where each direction ends: the last step that the
            mask counts and, backwards, the first.
        return_state: the stack can `carry` its state from one piece of a sequence to the next; not
            for a bidirectional one.
        products: of "sru" alone, the dtype of matrix products in training; sums, states and weights
            stay float32 (Kalamkar et al. 2019), and so does all but training.
        name: of the layer.

    Called with `mask` (B, T), true where a step counts; padding must lie on the right.
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
        """H of the last layer, float32 (B, T, U) or (B, U); steps (B, T, C), mask bool (B, T)."""
        for drop, layer in zip(self.drops, self.layers, strict=True):
            steps = layer(drop(steps, training=training), mask=mask, training=training)
            steps = steps[0] if isinstance(steps, list | tuple) else steps
        return steps

    def carry(self, steps, states, training=False):
        """H of the last layer (B, T, U), and the states after the last step; needs return_state.

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

    def __init__(self, units: int, *, bidirectional: bool, return_sequences: bool, **kwargs):
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
        """H, float32 (B, T, U) or (B, U), as a recurrent layer returns it."""
        hidden = self.dense(steps)
        return hidden if self.return_sequences else _ends(hidden, self.directions, mask)


class SRU(keras.layers.Layer):
    """Simple recurrent units (Lei et al. 2018): gates that do not wait for the step before.

    With y_t = LayerNorm(x_t): f_t = sigmoid(F y_t + e), c_t = f_t * c_(t-1) + (1 - f_t) * W y_t,
    r_t = sigmoid(R y_t + d), h_t = r_t * c_t + (1 - r_t) * x_t, with V y_t in place of x_t where
    widths differ. Only the sum of c_t runs through time; all products of matrices are made at once,
    while a GRU's small ones wait for each other.
    """

    def __init__(
        self,
        units: int,
        *,
        bidirectional: bool,
        return_sequences: bool,
        return_state: bool,
        products: Products,
    ):
        super().__init__()
        self.supports_masking = True
        self.coarse = products == "bfloat16" and has_bfloat16()
        self.units = units
        self.directions = 2 if bidirectional else 1
        self.width = self.directions * units
        self.return_sequences, self.return_state = return_sequences, return_state
        self.norm = keras.layers.LayerNormalization()

    def build(self, shape):
        """Makes the weights for inputs (B, T, C)."""
        self.norm.build(shape)
        self.parts = 3 if shape[-1] == self.width else 4
        self.dense = keras.layers.Dense(self.parts * self.width)
        self.dense.build(shape)
        self.built = True

    def compute_output_shape(self, shape):
        """(B, T, U) or (B, U)."""
        return (*(shape[:2] if self.return_sequences else shape[:1]), self.width)

    def get_initial_state(self, batch_size):
        """The state before the first step: one zero float32 (B, U)."""
        return [tf.zeros([batch_size, self.width])]

    def call(self, steps, mask=None, initial_state=None, training=False):
        """H, float32 (B, T, U) or (B, U), as a recurrent layer returns it.

        With return_state, then the state after the last step, (B, U).
        """
        parts = tf.split(self._products(self.norm(steps), training), self.parts, axis=-1)
        new, forget, show = parts[:3]
        forget = tf.sigmoid(forget + FORGET_BIAS)
        added = (1.0 - forget) * new
        if mask is not None:  # what comes before a row's end, read backwards, adds nothing
            added *= tf.cast(mask, added.dtype)[:, :, None]
        if initial_state is not None:
            first = added[:, :1] + forget[:, :1] * initial_state[0][:, None]
            added = tf.concat([first, added[:, 1:]], axis=1)
        state = linear_recurrence(self._turned(forget), self._turned(added))
        state = self._turned(state)  # pyright: ignore[reportArgumentType] no gradient function
        show = tf.sigmoid(show)
        hidden = show * state + (1.0 - show) * (steps if self.parts == 3 else parts[3])
        if not self.return_sequences:
            hidden = _ends(hidden, self.directions, mask)
        return (hidden, state[:, -1]) if self.return_state else hidden

    def _products(self, steps, training):
        if not (training and self.coarse):
            return self.dense(steps)
        assert self.dense.bias is not None
        steps, kernel = (tf.cast(part, tf.bfloat16) for part in (steps, self.dense.kernel))
        return tf.cast(tf.matmul(steps, kernel), tf.float32) + self.dense.bias

    def _turned(self, steps: tf.Tensor) -> tf.Tensor:
        """The second direction's half with time reversed, and back again."""
        if self.directions == 1:
            return steps
        ahead, back = tf.split(steps, 2, axis=-1)
        return tf.concat([ahead, tf.reverse(back, [1])], axis=-1)


@cache
def has_bfloat16() -> bool:
    """True if the processor multiplies bfloat16 itself; one that must imitate it gains nothing."""
    flags = Path("/proc/cpuinfo")
    return flags.exists() and bool(BFLOAT16_FLAGS & set(flags.read_text().split()))


@tf.custom_gradient
def linear_recurrence(kept, added):
    """h_t = kept_t * h_(t-1) + added_t from h_(-1) = 0, all float32 (B, T, U).

    Its gradient is the same recurrence from the end, with one walk and nothing stored between:
    d_t = g_t + kept_(t+1) * d_(t+1) for `added`, d_t * h_(t-1) for `kept`.
    """
    hidden = _walk(kept, added, backwards=False)

    def gradient(above):
        next_kept = tf.pad(kept[:, 1:], [[0, 0], [0, 1], [0, 0]])
        each = _walk(next_kept, above, backwards=True)
        return each * tf.pad(hidden[:, :-1], [[0, 0], [1, 0], [0, 0]]), each

    return hidden, gradient


def _walk(kept: tf.Tensor, added: tf.Tensor, *, backwards: bool) -> tf.Tensor:
    kept, added = (tf.transpose(part, [1, 0, 2]) for part in (kept, added))
    count = tf.shape(kept)[0]
    written = tf.TensorArray(added.dtype, size=count, element_shape=added.shape[1:])

    def advance(number, hidden, written):
        step = count - 1 - number if backwards else number
        hidden = kept[step] * hidden + added[step]
        return number + 1, hidden, written.write(step, hidden)

    start = (tf.constant(0), tf.zeros_like(added[0]), written)
    *_, written = tf.while_loop(lambda number, *_: number < count, advance, start)
    return tf.transpose(written.stack(), [1, 0, 2])


def _ends(hidden, directions, mask):
    """Last state of each direction, (B, U): at the last true step, and at the first."""
    forward, *backward = tf.split(hidden, directions, axis=-1)
    ends = [_last(forward, mask), *(first[:, 0] for first in backward)]
    return keras.ops.concatenate(ends, axis=-1)


def _last(hidden, mask):
    if mask is None:
        return hidden[:, -1]
    last = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1) - 1
    return tf.gather(hidden, last, axis=1, batch_dims=1)


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
    options = {"return_sequences": return_sequences, "return_state": return_state}
    if cell == "sru":
        return SRU(units, bidirectional=bidirectional, products=products, **options)
    if cell != "rnn":
        # cuDNN's fused op cannot be compiled by XLA, and an exported graph that holds it does not
        # run without a GPU.
        options["use_cudnn"] = False
    classes = {"rnn": keras.layers.SimpleRNN, "gru": keras.layers.GRU, "lstm": keras.layers.LSTM}
    layer = classes[cell](units, **options)
    return keras.layers.Bidirectional(layer) if bidirectional else layer
