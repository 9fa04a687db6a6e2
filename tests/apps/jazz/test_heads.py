"""The factorised heads give distributions."""

import numpy as np
import tensorflow as tf

from seqapps.apps.jazz import frontend, heads
from seqapps.apps.jazz.frontend import LONGEST, PITCHES
from tests.apps.jazz.conftest import made_up
from tests.apps.jazz.test_model import batch


def slots():
    request = batch(made_up(repeats=1))
    chart = frontend.chart(request)
    return frontend.slots(chart, frontend.line(request, chart).onset)


def test_pitches_and_durations_are_distributions():
    hidden = tf.random.stateless_normal([1, 32, 6], [1, 2])
    last = tf.fill([1, 32], 30)
    pitch = heads.PitchHead()(hidden, slots(), last)
    assert pitch.shape == (1, 32, PITCHES)
    np.testing.assert_allclose(tf.reduce_logsumexp(pitch, -1), 0, atol=1e-5)
    places = tf.fill([1, 32, 2], 5)
    duration = heads.DurationHead()(hidden, slots(), places)
    assert duration.shape == (1, 32, 2, LONGEST)
    np.testing.assert_allclose(tf.reduce_logsumexp(duration, -1), 0, atol=1e-5)


def test_a_pitch_class_stands_at_all_its_octaves_and_not_at_the_rest():
    only_d = tf.one_hot([[2]], 12)
    by_pitch = heads.by_pitch(only_d).numpy()[0, 0]
    # Place 0 is the rest, place 1 is MIDI 36, a C: D is at 3 and every twelve from there.
    assert np.flatnonzero(by_pitch).tolist() == list(range(3, PITCHES, 12))
