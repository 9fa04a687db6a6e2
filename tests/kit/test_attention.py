"""Attention against its formulas."""

import numpy as np
import pytest
import tensorflow as tf

from seqapps.kit.attention import Attention


def softmax(scores):
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    return scores / scores.sum(-1, keepdims=True)


@pytest.mark.parametrize("kind", ["dot", "bahdanau"])
def test_weights_and_context_follow_their_formula(kind):
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(2, 3, 5)).astype(np.float32)
    positions = rng.normal(size=(2, 4, 6)).astype(np.float32)
    layer = Attention(kind, 7)
    context, weights = layer(hidden, positions)
    query = hidden @ layer.query.kernel.numpy()
    key = positions @ layer.key.kernel.numpy() + layer.key.bias.numpy()
    if kind == "dot":
        scores = np.einsum("btw,bnw->btn", query, key) / np.sqrt(7)
    else:
        scores = (np.tanh(query[:, :, None] + key[:, None]) @ layer.score.kernel.numpy())[..., 0]
    np.testing.assert_allclose(weights, softmax(scores), atol=1e-5)
    np.testing.assert_allclose(context, softmax(scores) @ positions, atol=1e-5)


@pytest.mark.parametrize("kind", ["dot", "bahdanau"])
def test_masked_positions_get_no_weight_and_change_nothing(kind):
    rng = np.random.default_rng(1)
    hidden = tf.constant(rng.normal(size=(1, 2, 5)), tf.float32)
    positions = tf.constant(rng.normal(size=(1, 4, 6)), tf.float32)
    layer = Attention(kind, 3)
    context, weights = layer(hidden, positions, mask=tf.constant([[True, True, False, False]]))
    alone, _ = layer(hidden, positions[:, :2])
    assert (weights.numpy()[..., 2:] == 0).all()
    np.testing.assert_allclose(context, alone, atol=1e-6)
