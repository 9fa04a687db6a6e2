"""Alignments and word times against values by hand."""

import itertools

import numpy as np
import tensorflow as tf

from seqapps.apps.asr.decode import alignment
from seqapps.apps.asr.nn.labels import Labels
from tests.apps.asr.decode.conftest import BLANK, LETTERS
from tests.apps.asr.decode.test_beam_search import collapsed


def test_alignment_finds_the_steps_of_each_letter():
    path = [BLANK, 1, 1, BLANK, 1, 0, 2, BLANK]
    values = np.log(np.full((1, 8, 4), 0.1, np.float32))
    values[0, range(8), path] = np.log(0.7)
    labels = Labels(tf.constant([[1, 1, 0, 2]]), tf.constant([4]))
    found = alignment.align(tf.constant(values), tf.constant([8]), labels=labels)
    assert found.first.numpy().tolist() == [[1, 4, 5, 6]]
    assert found.end.numpy().tolist() == [[3, 5, 6, 7]]
    np.testing.assert_allclose(found.confidence, [[0.7] * 4], rtol=1e-5)
    np.testing.assert_allclose(found.log_probability, [8 * np.log(0.7)], rtol=1e-5)


def test_alignment_of_a_text_that_was_not_said_is_the_best_path_all_the_same(random_utterances):
    values = random_utterances[0]
    text = [1, 1]
    paths = itertools.product(range(BLANK + 1), repeat=len(values))
    best = max(
        sum(row[c] for row, c in zip(values, path, strict=True))
        for path in paths
        if collapsed(path) == "aa"
    )
    labels = Labels(tf.constant([text]), tf.constant([2]))
    found = alignment.align(tf.constant(values[None]), tf.constant([6]), labels=labels)
    np.testing.assert_allclose(found.log_probability, [best], rtol=1e-5)


def test_words_have_times_and_the_mean_confidence_of_their_letters():
    labels = Labels(tf.constant([[0, 1, 2, 0, 0, 2], [1] + [-1] * 5]), tf.constant([6, 1]))
    path = alignment.Alignment(
        tf.constant([[0, 2, 4, 6, 7, 9], [5, 0, 0, 0, 0, 0]]),
        tf.constant([[1, 3, 6, 7, 8, 11], [6, 0, 0, 0, 0, 0]]),
        tf.constant([[1.0, 0.9, 0.4, 1, 1, 0.5], [0.8, 0, 0, 0, 0, 0]]),
        tf.constant([0.0, 0.0]),
    )
    found = alignment.words(labels, path, LETTERS, 0.03)
    assert found["text"].numpy().tolist() == [b"ab b", b"a"]
    assert found["words"].numpy().tolist() == [[b"ab", b"b"], [b"a", b""]]
    np.testing.assert_allclose(found["start_s"], [[0.06, 0.27], [0.15, 0]], rtol=1e-5)
    np.testing.assert_allclose(found["end_s"], [[0.18, 0.33], [0.18, 0]], rtol=1e-5)
    np.testing.assert_allclose(found["confidence"], [[0.6, 0.5], [0.8, 0]], rtol=1e-5)
