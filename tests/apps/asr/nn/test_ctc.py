"""CTC against sums over all paths."""

import itertools

import numpy as np
import tensorflow as tf

from seqapps.apps.asr import model
from seqapps.apps.asr.nn import ctc


def test_the_loss_is_minus_the_log_of_the_sum_over_all_paths():
    values = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
    heard = tf.nn.log_softmax(values)
    labels, counts, steps = [[0, 1], [1, -1]], [2, 1], [4, 3]
    total = 0.0
    for row, (label, count, length) in enumerate(zip(labels, counts, steps, strict=True)):
        chance = 0.0
        for path in itertools.product(range(3), repeat=length):
            said = [c for c, _ in itertools.groupby(path) if c != 2]
            if said == label[:count]:
                chance += np.exp(sum(heard[row, t, c].numpy() for t, c in enumerate(path)))
        total -= np.log(chance)
    found = ctc.loss(
        heard, tf.constant(steps), labels=tf.constant(labels), counts=tf.constant(counts)
    ).numpy()
    np.testing.assert_allclose(found, total / 3, rtol=1e-5)


def test_a_text_longer_than_its_steps_costs_nothing_and_breaks_nothing():
    heard = tf.nn.log_softmax(tf.zeros([1, 2, 3]))
    for text in ([0, 1, 0], [0, 0, model.NO_LABEL]):  # a repeated letter needs a blank between
        count = 3 - text.count(model.NO_LABEL)
        loss = ctc.loss(
            heard, tf.constant([2]), labels=tf.constant([text]), counts=tf.constant([count])
        )
        assert loss.numpy() == 0


def test_the_cost_of_saying_nothing_is_that_of_blanks():
    heard = tf.math.log([[[0.2, 0.8], [0.5, 0.5], [0.1, 0.9]]])
    costs, fits = ctc.costs(
        heard, tf.constant([2]), labels=tf.constant([[-1]]), counts=tf.constant([0])
    )
    np.testing.assert_allclose(np.exp(-costs.numpy()), [0.8 * 0.5], rtol=1e-5)
    assert fits.numpy().all()
