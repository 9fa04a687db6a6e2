"""Vanishing gradients: the gradient norm of the last hidden state by distance in time.

Bengio, Simard & Frasconi (1994): the gradient at k steps before is a product of k Jacobians
dh_t / dh_(t-1). In a simple recurrent network it shrinks or grows exponentially with k. An LSTM
updates its cell by addition, so the gradient shrinks less.

Axis letters: B batch, T steps, C channels, U units.
"""

from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from seqapps.kit import plots

COLOURS = (plots.BASELINE, plots.MODEL, "#2a8c5a", "#8c3fa0")


def by_distance(net: Callable[[Any], Any], steps: Any) -> np.ndarray:
    """Norm of d(sum of h at the last step) / d(input k steps before), float64 (T,), k = 0 first.

    The mean over the batch, divided by its value at k = 0, so that nets of any size compare.

    Args:
        net: float32 (B, T, C) -> (B, T, U), a layer that returns sequences.
        steps: float32 (B, T, C), its input.
    """
    steps = tf.convert_to_tensor(steps)
    with tf.GradientTape() as tape:
        tape.watch(steps)
        last = tf.reduce_sum(net(steps)[:, -1])
    norms = tf.norm(tape.gradient(last, steps), axis=-1).numpy().astype(float)
    back = norms.mean(axis=0)[::-1]
    return back / max(back[0], np.finfo(float).tiny)


def figure(norms: dict[str, np.ndarray], *, title: str) -> Figure:
    """A figure of norms (T,) by distance, one line per net, on a logarithmic axis.

    Args:
        norms: name -> `by_distance`.
        title: names the input and the training of the nets.
    """
    with mpl.rc_context(plots.STYLE):
        drawn = plots.figure(6.4, 4.0)
        panel = drawn.subplots()
        for (name, values), colour in zip(norms.items(), COLOURS, strict=False):
            shown = np.where(values > 0, values, np.nan)
            panel.semilogy(range(len(values)), shown, color=colour, label=name)
        panel.set_xlabel("steps between input and output")
        panel.set_ylabel("gradient norm, relative")
        panel.legend()
        panel.set_title(title)
    return drawn
