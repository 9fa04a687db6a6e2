"""The graph's front end: keys, alphabet, chart."""

import numpy as np
import tensorflow as tf

from seqapps.apps.jazz import frontend
from seqapps.apps.jazz.frontend import LONGEST
from tests.apps.jazz.conftest import made_up
from tests.apps.jazz.test_model import batch


def test_a_line_is_read_in_c_whatever_its_key():
    asked = batch(made_up(), made_up(up=5))
    line = frontend.line(asked, frontend.chart(asked))
    one, other = line.pitch_index.numpy()
    # From F the way to C is five semitones down: the notes are those of the tune in C.
    np.testing.assert_array_equal(one, other)
    assert one[0] == 72 - 36 + 1
    assert line.onset[0, :3].numpy().tolist() == [0, 6, 12]
    assert line.value[0, 0] == 37 * LONGEST + 5


def test_pitches_outside_the_alphabet_are_moved_by_octaves():
    asked = batch(made_up())
    asked["pitch"] = tf.where(tf.range(64) == 0, tf.constant(20, tf.int64), asked["pitch"])
    asked["pitch"] = tf.where(tf.range(64) == 1, tf.constant(110, tf.int64), asked["pitch"])
    place = frontend.line(asked, frontend.chart(asked)).pitch_index.numpy()[0]
    assert (place[:2] - 1 + 36).tolist() == [44, 98]


def test_a_slot_knows_its_chord_the_next_ones_and_its_place_in_the_bar():
    asked = batch(made_up())
    chart = frontend.chart(asked)
    slots = frontend.slots(chart, tf.constant([[42, 48]]))
    assert slots.position.numpy().tolist() == [[42, 0]]
    assert slots.bars.numpy().tolist() == [[0, 1]]
    assert np.flatnonzero(slots.now[0, 0]).tolist() == [0, 4, 7]
    assert np.flatnonzero(slots.following[0, 0]).tolist() == [0, 5, 9]
    assert np.flatnonzero(slots.now[0, 1]).tolist() == [0, 5, 9]


def test_rolled_moves_pitch_classes_up():
    classes = tf.one_hot([[0, 11]], 12)
    moved = frontend.rolled(classes, tf.constant([[2, 2]]))
    assert tf.argmax(moved, -1).numpy().tolist() == [[2, 1]]
