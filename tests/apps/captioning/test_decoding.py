"""Beam and greedy decoding against every sentence there is."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from seqapps.apps.captioning import decoding
from seqapps.apps.captioning.model import Encoded, Step
from seqapps.kit.text import END, PAD, START, UNKNOWN


class Table:
    """A network whose probabilities of the next word are a row of a table (V, V)."""

    def __init__(self, probabilities):
        self.logits = tf.math.log(tf.constant(probabilities, tf.float32))

    def encode(self, batch):
        count = tf.shape(batch["view"])[0]
        return Encoded(tf.zeros([count, 3, 1]), tf.zeros([count, 1]))

    def begin(self, size):
        return (tf.zeros([size, 1]),)

    def step(self, words, states, cells, summary):
        weights = tf.one_hot(words % 3, 3)
        return Step(tf.gather(self.logits, words), weights, states)


def probabilities(seed):
    """Probabilities of seven words after each of seven."""
    return np.random.default_rng(seed).dirichlet(np.ones(7), 7)


def best(table, longest):
    """The likeliest whole sentence by trying all of them, divided as the beam divides."""
    log = np.log(table)
    found = []
    for length in range(longest + 1):
        for words in itertools.product(range(UNKNOWN + 1, len(table)), repeat=length):
            path = [START, *words, END]
            score = sum(log[a, b] for a, b in itertools.pairwise(path))
            found.append((score / (length + 1) ** decoding.LENGTH_POWER, score, words))
    return max(found)


@pytest.mark.parametrize("seed", range(4))
def test_a_wide_beam_finds_the_best_sentence_of_all(seed):
    table = probabilities(seed)
    words, score, _ = decoding.decode([Table(table)], {"view": tf.zeros([2])}, longest=3, beams=60)
    _, wanted, sentence = best(table, 3)
    assert tuple(word for word in words[1].numpy() if word != PAD) == sentence
    assert float(score[1]) == pytest.approx(wanted, abs=1e-4)


def test_greedy_takes_the_likeliest_word_each_time_and_stops_at_the_end():
    table = np.full((7, 7), 1e-4)
    table[START, 4], table[4, 6], table[6, END] = 1, 1, 1
    words, score, maps = decoding.decode(
        [Table(table / table.sum(1, keepdims=True))], {"view": tf.zeros([1])}, longest=4, beams=1
    )
    assert words.numpy().tolist() == [[4, 6, PAD, PAD]]
    assert float(score[0]) == pytest.approx(-3 * np.log(1 + 6e-4), abs=1e-5)
    looked = maps.numpy()[0]
    # START is word 1 and the map is that of the word read: 1 % 3, then 4 % 3.
    assert looked.argmax(axis=1)[:2].tolist() == [1, 1] and (looked[2:] == 0).all()


def test_padding_start_and_unknown_are_never_said():
    table = np.full((7, 7), 0.01)
    table[:, [PAD, START, UNKNOWN]] = 1.0
    table[:, 5] = 0.02
    words, _, _ = decoding.decode([Table(table)], {"view": tf.zeros([1])}, longest=3, beams=1)
    assert words.numpy().tolist() == [[5, 5, 5]]


def test_networks_vote_with_their_mean_probabilities():
    one, other = np.full((7, 7), 0.01), np.full((7, 7), 0.01)
    one[START, [4, 5]], other[START, [5, 6]] = [0.6, 0.4], [0.4, 0.6]
    words, _, _ = decoding.decode(
        [Table(one), Table(other)], {"view": tf.zeros([1])}, longest=1, beams=1
    )
    assert words.numpy().tolist() == [[5]]
