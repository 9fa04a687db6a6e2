"""The loss of a batch, and the last note of a line."""

import numpy as np
import tensorflow as tf

from seqapps.apps.jazz import improviser, model
from tests.apps.jazz.conftest import made_up, params
from tests.apps.jazz.test_model import batch


def test_the_loss_is_a_mean_over_notes_and_padding_costs_nothing(assets):
    net = model.build(params(), assets)
    request = batch(made_up(repeats=1))
    short = float(net.compute_loss(x=request, y_pred=net(request)))
    padded = dict(request)
    for name in ("pitch", "duration"):
        padded[name] = tf.pad(request[name], [[0, 0], [0, 9]])
    log_probs = net(padded)
    assert (log_probs.numpy()[0, -9:] == 0).all()
    np.testing.assert_allclose(net.compute_loss(x=padded, y_pred=log_probs), short, rtol=1e-5)


def test_before_the_first_note_there_is_none():
    class Past:
        value, ticks = tf.constant([[7, 8]]), tf.constant([[3, 6]])

    assert [t.numpy().tolist() for t in improviser.last_note(tf.constant(0), Past)] == [[[0]]] * 2
    assert [t.numpy().item() for t in improviser.last_note(tf.constant(2), Past)] == [8, 6]
