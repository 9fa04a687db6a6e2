"""Attention over encoder positions: weights and context vectors.

Axis letters: B batch, T steps, U units, N positions, C channels of a position.
"""

from typing import Literal

import keras


class Attention(keras.layers.Layer):
    """Attention of each step over the positions: scores, softmax, weighted sum.

    "dot" s_ij = (W h_i) . (V p_j) / sqrt(width) (Luong et al. 2015, scaled); "bahdanau"
    s_ij = v . tanh(W h_i + V p_j) (Bahdanau et al. 2014); c_i = sum_j softmax(s)_ij p_j.
    """

    def __init__(self, kind: Literal["dot", "bahdanau"], width: int, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        # The additive score makes a tensor of (B, T, N, width), so a narrow one is much faster.
        self.query = keras.layers.Dense(width, use_bias=False)
        self.key = keras.layers.Dense(width)
        self.score = keras.layers.Dense(1, use_bias=False) if kind == "bahdanau" else None

    def call(self, hidden, positions, mask=None):
        """The context vectors (B, T, C) and the attention weights (B, T, N), both float32.

        Args:
            hidden: float32 (B, T, U), the queries.
            positions: float32 (B, N, C), the keys and values.
            mask: bool (B, N), true where a position counts; None = all.
        """
        query, keys = self.query(hidden), self.key(positions)
        if self.score is None:
            scores = keras.ops.einsum("btw,bnw->btn", query, keys) / float(query.shape[-1]) ** 0.5
        else:
            scores = self.score(keras.ops.tanh(query[:, :, None] + keys[:, None]))[..., 0]
        if mask is not None:
            scores = keras.ops.where(mask[:, None], scores, -1e9)
        weights = keras.ops.softmax(scores)
        return keras.ops.matmul(weights, positions), weights
