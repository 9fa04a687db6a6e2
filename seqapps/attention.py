"""Attention of the lectures: where to look among places, and what lies there.

Axis letters: B batch, T steps, U units, N places that are looked at, C their channels.
"""

from typing import Literal

import keras


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
