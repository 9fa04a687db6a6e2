import keras
import numpy as np
import pytest
import tensorflow as tf

from seqapps.kit import gradients


def linear_rnn(factor):
    """h_t = factor h_(t-1) + x_t, whose gradient at distance k is factor ** k."""

    def net(steps):
        hidden, made = tf.zeros_like(steps[:, 0]), []
        for step in tf.unstack(steps, axis=1):
            hidden = factor * hidden + step
            made.append(hidden)
        return tf.stack(made, axis=1)

    return net


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.2])
def test_a_linear_net_shrinks_or_grows_by_its_factor_each_step(factor):
    found = gradients.by_distance(linear_rnn(factor), np.ones((2, 6, 3), np.float32))
    np.testing.assert_allclose(found, factor ** np.arange(6.0), rtol=1e-5)


def test_a_net_that_forgets_at_once_passes_nothing_back():
    found = gradients.by_distance(lambda steps: steps * 2, np.ones((1, 4, 2), np.float32))
    assert found.tolist() == [1, 0, 0, 0]


def test_an_lstm_that_keeps_its_cell_carries_further_than_a_simple_net():
    keras.utils.set_random_seed(0)
    steps = np.random.default_rng(0).normal(size=(4, 40, 8)).astype(np.float32)
    lstm = keras.layers.LSTM(16, return_sequences=True, use_cudnn=False)
    lstm(steps)
    _, _, bias = lstm.cell.weights
    kept = bias.numpy()
    kept[16:32] = 5.0  # the forget gate stays open
    bias.assign(kept)
    rnn = keras.layers.SimpleRNN(16, return_sequences=True)
    rnn(steps)
    rnn.cell.recurrent_kernel.assign(0.5 * rnn.cell.recurrent_kernel)
    far = {name: gradients.by_distance(net, steps)[30] for name, net in (("l", lstm), ("r", rnn))}
    assert far["l"] > 1000 * far["r"]


def test_the_figure_has_a_line_for_each_net():
    drawn = gradients.figure({"rnn": np.array([1, 0.1, 0]), "lstm": np.ones(3)}, title="t")
    [panel] = drawn.axes
    assert [line.get_label() for line in panel.lines] == ["rnn", "lstm"]
    assert panel.get_yscale() == "log"
