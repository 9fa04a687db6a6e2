"""The ops against Keras' layers: same weights, values and gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqapps.kit import layers

BATCH, STEPS, CHANNELS = 7, 9, 20
LENGTHS = [9, 7, 9, 3, 5, 9, 1]


def both(stack, function, sources):
    """Outputs and gradients by Keras' layers and by the ops: two lists of arrays."""
    results = []
    for enabled in (False, True):
        with layers.as_one_op(enabled), tf.GradientTape() as tape:
            for source in sources:
                tape.watch(source)
            outputs = tf.nest.flatten(function())
            rng = np.random.default_rng(0)
            weighed = [tf.reduce_sum(y * rng.normal(size=y.shape)) for y in outputs]
            loss = tf.add_n(weighed)
        variables = [variable.value for variable in stack.trainable_variables]
        results.append([*outputs, *tape.gradient(loss, [*sources, *variables])])
    return results


def assert_equal(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        scale = max(1.0, float(np.abs(a).max()))
        assert np.abs(np.asarray(a) - np.asarray(b)).max() <= 1e-6 * scale


def moved(stack):
    """All weights away from their first values, biases from zero."""
    for variable in stack.trainable_variables:
        variable.assign(variable + 0.1 * tf.random.normal(variable.shape))


@pytest.mark.parametrize("return_sequences", [True, False])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("units", [5, 16, 33])
@pytest.mark.parametrize("cell", ["gru", "lstm", "sru"])
def test_values_and_gradients_are_those_of_the_layers(
    cell, units, bidirectional, masked, return_sequences
):
    keras.utils.set_random_seed(1)
    stack = layers.recurrent(
        cell, units, layers=2, bidirectional=bidirectional, return_sequences=return_sequences
    )
    steps = tf.random.normal([BATCH, STEPS, CHANNELS])
    mask = tf.sequence_mask(LENGTHS, STEPS) if masked else None
    stack(steps)
    moved(stack)
    assert_equal(*both(stack, lambda: stack(steps, mask=mask), [steps]))


@pytest.mark.parametrize("cell", ["gru", "lstm", "sru"])
def test_carried_states_and_their_gradients_are_those_of_the_layers(cell):
    keras.utils.set_random_seed(2)
    stack = layers.recurrent(cell, 33, layers=2, return_state=True)
    steps = tf.random.normal([4, 6, 33])
    stack(steps)
    moved(stack)
    before = tf.nest.map_structure(lambda s: tf.random.normal(s.shape), stack.zero_states(4))
    states = tf.nest.flatten(before)
    assert_equal(*both(stack, lambda: stack.carry(steps, before), [steps, *states]))


def test_rows_of_another_number_of_steps_follow_in_the_same_graph():
    stack = layers.recurrent("gru", 8, bidirectional=True)
    stack(tf.zeros([1, 1, 3]))

    @tf.function(input_signature=[tf.TensorSpec([None, None, 3])])
    def walk(steps):
        return stack(steps)

    with layers.as_one_op(True):
        for shape in ([2, 4, 3], [5, 1, 3], [1, 30, 3]):
            steps = tf.random.normal(shape)
            answer = walk(steps).numpy()
            with layers.as_one_op(False):
                assert answer == pytest.approx(stack(steps).numpy(), abs=1e-6)


@pytest.mark.parametrize("shape", [(0, 4, 3), (2, 0, 3)])
@pytest.mark.parametrize("cell", ["gru", "lstm", "sru"])
def test_no_rows_and_no_steps_are_no_outputs(cell, shape):
    stack = layers.recurrent(cell, 5, bidirectional=True)
    stack(tf.zeros([1, 1, 3]))
    with layers.as_one_op(True), tf.GradientTape() as tape:
        answer = stack(tf.zeros(shape))
        loss = tf.reduce_sum(answer)
    assert answer.shape == (*shape[:2], 10)
    for gradient in tape.gradient(loss, [v.value for v in stack.trainable_variables]):
        assert not np.asarray(gradient).any()


def test_values_far_from_zero_saturate_and_stay_finite():
    layer = keras.layers.LSTM(4, return_sequences=True)
    layer.build((None, None, 2))
    layer.set_weights([100.0 * np.ones_like(w) for w in layer.get_weights()])
    stack = layers.Stack([layer], 0.0)
    stack.build((None, None, 2))
    with layers.as_one_op(True):
        answer = stack(tf.constant([[[1e4, 1e4], [-1e4, -1e4]]])).numpy()
    assert np.isfinite(answer).all() and answer[0, 0] == pytest.approx(np.tanh(1.0), abs=1e-6)


def test_outside_the_context_a_graph_holds_plain_operations():
    stack = layers.recurrent("sru", 8)
    traced = tf.function(lambda steps: stack(steps))
    kinds = {
        op.type for op in traced.get_concrete_function(tf.zeros([1, 2, 8])).graph.get_operations()
    }
    assert not any(kind.startswith("Seqapps") for kind in kinds)
