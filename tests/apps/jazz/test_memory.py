"""The memory's matches by hand."""

import tensorflow as tf

from seqapps.apps.jazz import memory


def test_matches_count_the_equal_notes_before_two_slots():
    #                    before slot:  -  1  2  3  1  2
    value = tf.constant([[1, 2, 3, 1, 2, 9]])
    found = memory.matches(value).numpy()[0]
    assert found[5].tolist() == [0, 0, 2, 0, 0, 5]  # after 1 2, as slot 2; slot 5 is itself
    assert found[4].tolist() == [0, 1, 0, 0, 4, 0]
    assert found[:, 0].tolist() == [0] * 6
