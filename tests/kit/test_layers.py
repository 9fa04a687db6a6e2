import keras
import numpy as np
import pytest
import tensorflow as tf

from seqapps.kit import layers
from seqapps.kit.layers import FORGET_BIAS, linear_recurrence, recurrent

CELLS = ("dense", "rnn", "gru", "lstm", "sru")


def steps(batch=2, length=5, channels=3, seed=0):
    return np.random.default_rng(seed).normal(size=(batch, length, channels)).astype(np.float32)


def moved(layer, changed_step):
    """Which steps of the output move when one step of the input does."""
    before = steps(batch=1)
    after = before.copy()
    after[:, changed_step, 0] += 1
    return np.abs(layer(before) - layer(after)).max(axis=(0, 2)) > 1e-6


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_output_has_units_per_direction_at_each_step_or_once(cell, bidirectional):
    width = 8 if bidirectional else 4
    options = {"layers": 2, "bidirectional": bidirectional}
    assert recurrent(cell, 4, **options)(steps()).shape == (2, 5, width)
    assert recurrent(cell, 4, **options, return_sequences=False)(steps()).shape == (2, width)


def test_dense_cell_sees_only_its_own_step():
    assert moved(recurrent("dense", 4), 2).tolist() == [False, False, True, False, False]


@pytest.mark.parametrize("cell", CELLS[1:])
def test_recurrent_cell_carries_the_past_and_both_directions_the_future_too(cell):
    assert moved(recurrent(cell, 4), 2).tolist() == [False, False, True, True, True]
    assert moved(recurrent(cell, 4, bidirectional=True), 2).all()


def test_rnn_follows_its_formula():
    layer = recurrent("rnn", 2)
    x = steps(batch=1, length=3)
    found = layer(x).numpy()[0]
    w, r, b = (weight.numpy() for weight in layer.weights)
    h = np.zeros(2)
    for t in range(3):
        h = np.tanh(x[0, t] @ w + h @ r + b)
        np.testing.assert_allclose(found[t], h, atol=1e-6)


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
    monkeypatch.setattr("seqapps.kit.layers.has_bfloat16", lambda: has_bfloat16)
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


@pytest.mark.parametrize("cell", CELLS)
def test_padding_on_the_right_changes_nothing(cell):
    layer = recurrent(cell, 4, layers=2, bidirectional=True, return_sequences=False)
    x = steps(batch=1)
    padded = np.concatenate([x, np.full((1, 2, 3), 9.0, np.float32)], axis=1)
    mask = tf.constant([[True] * 5 + [False] * 2])
    np.testing.assert_allclose(layer(padded, mask=mask), layer(x), atol=1e-6)


def test_layers_are_stacked():
    count = {layers: len(recurrent("gru", 4, layers=layers).layers) for layers in (1, 3)}
    assert count == {1: 1, 3: 3}


def test_dropout_acts_in_training_only_and_follows_the_seed():
    def run(training):
        keras.utils.set_random_seed(3)
        return recurrent("gru", 4, dropout=0.5)(steps(), training=training).numpy()

    np.testing.assert_array_equal(run(True), run(True))
    assert np.abs(run(True) - run(False)).max() > 1e-3


@pytest.mark.parametrize("cell", CELLS)
def test_xla_compiles_it_to_the_same_numbers(cell):
    layer = recurrent(cell, 4, bidirectional=True)
    x = steps()
    compiled = tf.function(layer, jit_compile=True)
    np.testing.assert_allclose(compiled(x), layer(x), atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_a_sequence_read_in_pieces_with_its_state_carried_is_read_as_a_whole(cell):
    stack = recurrent(cell, 4, layers=2, return_state=True)
    whole = stack(steps(length=6))
    first, states = stack.carry(steps(length=6)[:, :2], stack.zero_states(2))
    second, _ = stack.carry(steps(length=6)[:, 2:], states)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, atol=1e-6)


def test_a_forgotten_state_is_not_the_carried_one():
    stack = recurrent("lstm", 4, return_state=True)
    _, states = stack.carry(steps()[:, :2], stack.zero_states(2))
    carried, _ = stack.carry(steps()[:, 2:], states)
    fresh, _ = stack.carry(steps()[:, 2:], stack.zero_states(2))
    assert np.abs(carried - fresh).max() > 1e-3


def test_only_layers_for_training_on_a_gpu_use_cudnn():
    def choice():
        [layer] = layers.recurrent("lstm", 4).layers
        return layer.use_cudnn

    with layers.with_cudnn(True):
        assert choice() == "auto"
    assert choice() is False
