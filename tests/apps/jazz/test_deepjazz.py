"""The network of the lectures' exercise."""

import numpy as np
import pytest
import tensorflow as tf

from seqapps.apps.jazz import model
from seqapps.apps.jazz.frontend import VALUES
from tests.apps.jazz.conftest import KNOWN, params, stirred


def test_the_lectures_windows_are_learnt_each_on_its_own(assets):
    net = stirred(model.build(params(kind="deepjazz", tbptt_steps=4), assets))
    steps = np.random.default_rng(0).normal(size=(2, 10, 5)).astype(np.float32)
    changed = steps.copy()
    changed[:, 3] += 1
    moved = np.abs(net.walk(tf.constant(steps), True) - net.walk(tf.constant(changed), True))
    assert (moved.max(axis=(0, 2)) > 1e-6).tolist() == [False] * 3 + [True] + [False] * 6


def test_values_never_learnt_share_what_the_lectures_net_leaves_for_them(assets):
    net = model.build(params(kind="deepjazz"), assets)
    joint = net.spread(tf.zeros([1, 1, 5]))[0, 0].numpy()
    assert joint[KNOWN[0]] == pytest.approx(np.log(1 / 5))
    assert joint[0] == pytest.approx(np.log(1 / 5 / (VALUES - 4)), rel=1e-5)
