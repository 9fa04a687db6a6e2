"""Simple recurrent units and the layer without recurrence, by their formulas."""

import numpy as np
import pytest
import tensorflow as tf

from seqapps.kit.cells import FORGET_BIAS, linear_recurrence
from seqapps.kit.layers import recurrent


def steps(batch=2, length=5, channels=3, seed=0):
    return np.random.default_rng(seed).normal(size=(batch, length, channels)).astype(np.float32)


def test_dense_follows_its_formula():
    layer = recurrent("dense", 2, bidirectional=True, return_sequences=False)
    x = steps(batch=1, length=3)
    found = layer(x).numpy()[0]
    w, b = (weight.numpy() for weight in layer.weights)
    every = np.tanh(x[0] @ w + b)
    np.testing.assert_allclose(found, [*every[-1, :2], *every[0, 2:]], atol=1e-6)


@pytest.mark.parametrize("channels", [2, 3])  # as wide as the state, and not
def test_sru_follows_its_formula_in_both_directions(channels):
    layer = recurrent("sru", 1, bidirectional=True)
    x = steps(batch=1, length=3, channels=channels)
    found = layer(x).numpy()[0]
    _, _, kernel, bias = (weight.numpy() for weight in layer.weights)
    kernel = kernel.reshape(channels, -1, 2)  # parts, directions
    deviation = np.sqrt(x[0].var(axis=1, keepdims=True) + 1e-3)
    made = np.einsum("tc,cpd->tpd", (x[0] - x[0].mean(axis=1, keepdims=True)) / deviation, kernel)
    made += bias.reshape(-1, 2)
    skipped = x[0] if channels == 2 else made[:, 3]
    for direction, order in enumerate(((0, 1, 2), (2, 1, 0))):
        state = 0.0
        for t in order:
            new, forget, show = made[t, :3, direction]
            forget, show = 1 / (1 + np.exp(-forget - FORGET_BIAS)), 1 / (1 + np.exp(-show))
            state = forget * state + (1 - forget) * new
            wanted = show * state + (1 - show) * skipped[t, direction]
            np.testing.assert_allclose(found[t, direction], wanted, atol=1e-6)


def coarse_and_fine(monkeypatch, *, has_bfloat16):
    monkeypatch.setattr("seqapps.kit.cells.has_bfloat16", lambda: has_bfloat16)
    coarse, fine = (recurrent("sru", 4, products=name) for name in ("bfloat16", "float32"))
    for stack in (coarse, fine):
        stack.build(steps(channels=4).shape)
    coarse.set_weights(fine.get_weights())
    return coarse, fine


def test_bfloat16_products_are_of_training_alone_and_keep_eight_bits(monkeypatch):
    coarse, fine = coarse_and_fine(monkeypatch, has_bfloat16=True)
    x = steps(channels=4)
    np.testing.assert_array_equal(coarse(x), fine(x))
    trained, exact = coarse(x, training=True).numpy(), fine(x, training=True).numpy()
    assert trained.dtype == np.float32
    assert 1e-6 < np.abs(trained - exact).max() < 2**-5


def test_without_bfloat16_in_the_processor_products_are_float32(monkeypatch):
    coarse, fine = coarse_and_fine(monkeypatch, has_bfloat16=False)
    x = steps(channels=4)
    np.testing.assert_array_equal(coarse(x, training=True), fine(x, training=True))


def test_the_gradient_of_a_linear_recurrence_is_that_of_its_steps():
    kept, added = tf.constant(steps(seed=1)), tf.constant(steps(seed=2))
    weights = tf.constant(steps(seed=3))
    found = []
    for walk in (linear_recurrence, step_by_step):
        with tf.GradientTape() as tape:
            tape.watch([kept, added])
            hidden = walk(kept, added)
            total = tf.reduce_sum(weights * hidden)
        found.append((hidden, *tape.gradient(total, [kept, added])))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def step_by_step(kept, added):
    hidden = [added[:, 0]]
    for t in range(1, added.shape[1]):
        hidden.append(kept[:, t] * hidden[-1] + added[:, t])
    return tf.stack(hidden, axis=1)


@pytest.mark.parametrize("cell", ["gru", "lstm", "sru"])
def test_padding_leaves_the_state_as_it_is(cell):
    layer = recurrent(cell, 3, return_state=True).layers[0]
    given = steps()
    mask = tf.sequence_mask([3, 5], 5)
    _, *padded = layer(given, mask=mask)
    _, *short = layer(given[:1, :3])
    for state, alone in zip(padded, short, strict=True):
        assert state.numpy()[0] == pytest.approx(alone.numpy()[0], abs=1e-6)
