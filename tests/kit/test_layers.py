import keras
import numpy as np
import pytest
import tensorflow as tf

from seqapps.kit import layers
from seqapps.kit.layers import recurrent

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
