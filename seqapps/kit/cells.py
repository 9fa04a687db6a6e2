"""Layers that Keras lacks: simple recurrent units, and a layer without recurrence.

Axis letters: B batch, T steps, C channels, U units (twice as many if bidirectional).
"""

from functools import cache
from pathlib import Path
from typing import Literal

import keras
import tensorflow as tf

from seqapps.kit import native

Products = Literal["float32", "bfloat16"]

FORGET_BIAS = 1.0
"""Added to the logits of the SRU's forget gate, so that states are kept early in training."""

BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
"""Flags in Linux's /proc/cpuinfo of x86 processors that multiply bfloat16."""


class WithoutRecurrence(keras.layers.Layer):
    """Layer without recurrence: tanh(W x_t) at each step, or at the last of each direction."""

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
        """Outputs float32 (B, T, U) or (B, U), as a recurrent layer returns them."""
        hidden = self.dense(steps)
        return hidden if self.return_sequences else _ends(hidden, self.directions, mask)


class SRU(keras.layers.Layer):
    """Simple recurrent units (Lei et al. 2018): gates that do not depend on the previous state.

    With y_t = LayerNorm(x_t): f_t = sigmoid(F y_t + e), c_t = f_t * c_(t-1) + (1 - f_t) * W y_t,
    r_t = sigmoid(R y_t + d), h_t = r_t * c_t + (1 - r_t) * x_t, with V y_t in place of x_t where
    widths differ. Only the elementwise recurrence of c_t runs through time. All matrix products are
    made at once; a GRU needs a small one at each step.
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
        """Outputs float32 (B, T, U) or (B, U), as a recurrent layer returns them.

        With return_state also the state after the last step, (B, U).
        """
        products = self._products(self.norm(steps), training)
        first = None if initial_state is None else initial_state[0]
        if native.IN_USE.get():
            hidden, last = native.simple(
                products,
                steps,
                directions=self.directions,
                forget_bias=FORGET_BIAS,
                first=first,
                lengths=None if mask is None else tf.reduce_sum(tf.cast(mask, tf.int32), axis=1),
            )
        else:
            hidden, last = self._walked(products, steps, mask=mask, first=first)
        if not self.return_sequences:
            hidden = _ends(hidden, self.directions, mask)
        return (hidden, last) if self.return_state else hidden

    def _walked(self, products, steps, *, mask, first):
        """Hidden (B, T, U) and the state after the last step, (B, U), of products (B, T, ...)."""
        parts = tf.split(products, self.parts, axis=-1)
        new, forget, show = parts[:3]
        forget = tf.sigmoid(forget + FORGET_BIAS)
        added = (1.0 - forget) * new
        if mask is not None:  # padding leaves the state as it is: at zero where it comes first
            inside = tf.cast(mask, added.dtype)[:, :, None]
            forget, added = 1.0 - inside * (1.0 - forget), inside * added
        if first is not None:
            start = added[:, :1] + forget[:, :1] * first[:, None]
            added = tf.concat([start, added[:, 1:]], axis=1)
        state = linear_recurrence(self._turned(forget), self._turned(added))
        state = self._turned(state)  # pyright: ignore[reportArgumentType] no gradient function
        show = tf.sigmoid(show)
        hidden = show * state + (1.0 - show) * (steps if self.parts == 3 else parts[3])
        return hidden, state[:, -1]

    def _products(self, steps, training):
        if not (training and self.coarse):
            return self.dense(steps)
        assert self.dense.bias is not None
        steps, kernel = (tf.cast(part, tf.bfloat16) for part in (steps, self.dense.kernel))
        return tf.cast(tf.matmul(steps, kernel), tf.float32) + self.dense.bias

    def _turned(self, steps: tf.Tensor) -> tf.Tensor:
        """Reverses the backward half of steps (B, T, U) in time; a second call undoes it."""
        if self.directions == 1:
            return steps
        ahead, back = tf.split(steps, 2, axis=-1)
        return tf.concat([ahead, tf.reverse(back, [1])], axis=-1)


@cache
def has_bfloat16() -> bool:
    """True if the processor has bfloat16 instructions; emulation would gain nothing."""
    flags = Path("/proc/cpuinfo")
    return flags.exists() and bool(BFLOAT16_FLAGS & set(flags.read_text().split()))


@tf.custom_gradient
def linear_recurrence(kept, added):
    """h_t = kept_t * h_(t-1) + added_t from h_(-1) = 0, all float32 (B, T, U).

    The gradient is the same recurrence backwards in time, which stores no intermediate values: with
    g_t the gradient of h_t, d_t = g_t + kept_(t+1) * d_(t+1) for `added`, d_t * h_(t-1) for `kept`.
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
    """Last output of each direction, (B, U): at the last true step of the mask, at the first."""
    forward, *backward = tf.split(hidden, directions, axis=-1)
    ends = [_last(forward, mask), *(first[:, 0] for first in backward)]
    return keras.ops.concatenate(ends, axis=-1)


def _last(hidden, mask):
    if mask is None:
        return hidden[:, -1]
    last = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1) - 1
    return tf.gather(hidden, last, axis=1, batch_dims=1)
