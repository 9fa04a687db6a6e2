"""Texts as class numbers."""

import tensorflow as tf

from seqapps.apps.asr.nn import labels


def test_rows_of_several_lengths_are_padded_by_a_number_no_letter_has():
    values, counts = labels.of_ragged(tf.ragged.constant([[3, 1, 2], [], [4]], tf.int32))
    assert values.numpy().tolist() == [[3, 1, 2], [-1, -1, -1], [4, -1, -1]]
    assert counts.numpy().tolist() == [3, 0, 1]


def test_the_stand_in_for_log_zero_has_finite_differences():
    assert tf.exp(tf.constant(labels.NEVER)) == 0
    assert tf.constant(labels.NEVER) - tf.constant(labels.NEVER) == 0
