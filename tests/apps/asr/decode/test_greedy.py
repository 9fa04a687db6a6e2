"""Decoders against hand-worked and exhaustively searched texts."""

import numpy as np
import tensorflow as tf

from seqapps.apps.asr.decode import alignment, greedy
from seqapps.apps.asr.nn.labels import NONE
from tests.apps.asr.decode.conftest import BLANK, LETTERS


def spelt(labels, row=0):
    values = labels.values.numpy()[row]
    return "".join(LETTERS[value] for value in values if value != NONE)


def test_greedy_drops_repeats_and_blanks_and_stops_at_the_end():
    path = [1, 1, BLANK, 1, 2, 0]
    values = np.log(np.full((1, 6, 4), 0.01, np.float32))
    values[0, range(6), path] = 0.0
    labels = greedy.greedy(tf.constant(values), tf.constant([5]))
    assert spelt(labels) == "aab"
    assert labels.counts.numpy().tolist() == [3]


def test_nothing_heard_is_an_empty_text():
    values = np.log(np.full((2, 3, 4), 0.01, np.float32))
    values[:, :, BLANK] = 0.0
    labels = greedy.greedy(tf.constant(values), tf.constant([3, 2]))
    found = alignment.words(
        labels,
        alignment.align(tf.constant(values), tf.constant([3, 2]), labels=labels),
        LETTERS,
        0.03,
    )
    assert found["text"].numpy().tolist() == [b"", b""]
    assert found["words"].shape == (2, 0)
