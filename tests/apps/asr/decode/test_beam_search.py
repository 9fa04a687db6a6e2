"""The beam against an exhaustive search."""

import functools
import itertools

import numpy as np
import pytest
import tensorflow as tf

from seqapps.apps.asr.decode import beam_search, greedy, word_model
from seqapps.kit import ngrams
from seqapps.kit.ngrams import Automaton
from tests.apps.asr.decode.conftest import BLANK, LETTERS
from tests.apps.asr.decode.test_greedy import spelt

FLAT = Automaton(np.zeros((1, 3), np.float32), np.zeros((1, 3), np.int32))


def heard(rows):
    """Log-probabilities of one utterance from rows of unnormalised chances."""
    rows = np.array(rows, np.float32)
    return np.log(rows / rows.sum(-1, keepdims=True))[None]


def collapsed(path):
    kept = [c for c, _ in itertools.groupby(path) if c != BLANK]
    return "".join(LETTERS[c] for c in kept)


def exhaustive(log_probabilities, extra=lambda text: 0.0):
    """The best text, by summing the probability of every path."""
    chances = {}
    for path in itertools.product(range(BLANK + 1), repeat=len(log_probabilities)):
        value = sum(row[c] for row, c in zip(log_probabilities, path, strict=True))
        text = collapsed(path)
        chances[text] = np.logaddexp(chances.get(text, -np.inf), value)
    return max(chances, key=lambda text: chances[text] + extra(text))


NO_WORDS = word_model.fit(["a"], LETTERS, word_model.General({}, {}, {}))


def search(
    values,
    steps=None,
    *,
    lm=FLAT,
    lm_weight=0.0,
    words=NO_WORDS,
    word_weight=0.0,
    bonus=0.0,
    hot=("", 0.0),
    width=20,
    rescore=None,
):
    rows = len(values)
    hot_words, weight = hot
    hashes = word_model.hot_hashes(tf.constant([hot_words] * rows), LETTERS)
    weights = (tf.fill([rows], float(w)) for w in (lm_weight, word_weight, bonus, weight))
    return beam_search.beam(
        tf.constant(values),
        tf.constant(steps or [values.shape[1]] * rows),
        width=width,
        lm=lm,
        word_model=words,
        space=0,
        fusion=beam_search.Fusion(*weights, *hashes),
        rescore=rescore,
    )


def test_beam_sums_paths_where_greedy_takes_the_best_one():
    # "a": .4 x .4 + .4 x .6 + .6 x .4 = .64, though blank, blank is the likeliest path (.36).
    values = heard([[1e-9, 0.4, 1e-9, 0.6], [1e-9, 0.4, 1e-9, 0.6]])
    assert spelt(greedy.greedy(tf.constant(values), tf.constant([2]))) == ""
    assert spelt(search(values)) == "a"


def test_beam_finds_what_an_exhaustive_search_finds(random_utterances):
    labels = search(random_utterances, width=60)
    expected = [exhaustive(values) for values in random_utterances]
    assert [spelt(labels, row) for row in range(len(expected))] == expected
    assert len(set(expected)) > 5


def test_beam_with_a_language_model_finds_the_best_sum_of_both(random_utterances):
    lm = ngrams.fit(["ab ab", "ba"], LETTERS, order=3, words={})

    def extra(text):
        state, total = ngrams.START, 0.0
        for letter in text:
            column = LETTERS.index(letter)
            total += 1.5 * lm.log_probability[state, column] + 0.7
            state = lm.following[state, column]
        return total + 1.5 * lm.log_probability[state, 0]

    labels = search(random_utterances, lm=lm, lm_weight=1.5, bonus=0.7, width=60)
    expected = [exhaustive(values, extra) for values in random_utterances]
    assert [spelt(labels, row) for row in range(len(expected))] == expected
    assert expected != [exhaustive(values) for values in random_utterances]


def test_beam_with_a_word_model_finds_the_best_sum_of_both(random_utterances):
    lm = ngrams.fit(["ab ab", "ba"], LETTERS, order=3, words={})
    words = word_model.fit(["ab ab a", "b a"], LETTERS, word_model.General({}, {}, {}))

    @functools.cache
    def extra(text):
        before, total, state = words.beginning, 0.0, ngrams.START
        for word in text.split(" "):
            spelt = 0.0
            for letter in word:
                column = LETTERS.index(letter)
                spelt += lm.log_probability[state, column]
                state = lm.following[state, column]
            total += 0.5 * (spelt + lm.log_probability[state, 0])
            state = lm.following[state, 0]
            if word:
                asked = (
                    [[before]],
                    word_model.hashes_of([word], LETTERS)[None],
                    [[np.float32(spelt)]],
                )
                previous, hashes, letters = map(tf.constant, asked)
                chance, number = words.read(previous, hashes, char_lm_score=letters)
                total += 0.8 * float(chance[0, 0])
                before = int(number[0, 0])
        return total + 1.5 * len(text)

    options = {"lm": lm, "lm_weight": 0.5, "bonus": 1.5, "width": 90}
    labels = search(random_utterances, words=words, word_weight=0.8, **options)
    expected = [exhaustive(values, extra) for values in random_utterances]
    assert [spelt(labels, row) for row in range(len(expected))] == expected
    alone = search(random_utterances, **options)
    assert expected != [spelt(alone, row) for row in range(len(expected))]


def test_a_judge_of_the_last_beams_has_its_say():
    values = heard([[1, 6, 3, 0.1], [1, 2, 7, 0.1]])

    def against_ab(texts):
        assert texts.values.shape[0] == 20
        letters = texts.values[:, :2]
        return tf.where(tf.reduce_all(letters == [1, 2], axis=1), -9.0, 0.0)

    assert spelt(search(values)) == "ab"
    assert spelt(search(values, rescore=against_ab)) == "b"


def test_a_narrow_beam_may_miss_the_best_text(random_utterances):
    wide, narrow = search(random_utterances, width=60), search(random_utterances, width=1)
    rows = range(len(random_utterances))
    assert [spelt(wide, r) for r in rows] != [spelt(narrow, r) for r in rows]


def test_rows_of_different_lengths_are_decoded_as_alone(random_utterances):
    steps = [6, 3, 1, 5] * 3
    together = search(random_utterances, steps)
    for row, count in enumerate(steps):
        alone = search(random_utterances[row : row + 1, :count])
        assert spelt(together, row) == spelt(alone)


def test_a_hot_word_is_heard_where_two_words_are_close():
    values = heard([[0.01, 0.55, 0.44, 0.01], [0.01, 0.01, 0.01, 1], [0.01, 1e-9, 1, 1e-9]])
    assert spelt(search(values)) == "ab"
    assert spelt(search(values, hot=("bb", 1.0))) == "bb"


def test_a_word_that_only_begins_like_a_hot_word_gains_nothing():
    values = heard([[0.01, 0.6, 0.4, 0.01]])
    assert spelt(search(values, hot=("ba", 2.0))) == "a"
    assert spelt(search(values, hot=("b", 2.0))) == "b"


def test_a_run_of_sure_blanks_is_one_step_and_changes_no_text(random_utterances):
    sure = np.log(np.array([[1e-5] * BLANK + [1 - BLANK * 1e-5]], np.float32))
    for values in random_utterances:
        longer = np.concatenate(
            [part for step in values for part in (sure, sure, sure, step[None])] + [sure] * 4
        )
        once = np.concatenate([part for step in values for part in (sure, step[None])] + [sure])
        short, counts = beam_search.without_sure_blanks(tf.constant(longer[None]), [len(longer)])
        assert counts.numpy().tolist() == [len(once)]
        assert short.numpy()[0] == pytest.approx(once)
        assert spelt(search(longer[None])) == spelt(search(once[None]))


def test_rows_without_a_sure_blank_keep_their_steps():
    values = tf.constant(np.log(np.full((2, 3, BLANK + 1), 1 / (BLANK + 1), np.float32)))
    short, counts = beam_search.without_sure_blanks(values, tf.constant([3, 1]))
    assert short.shape == (2, 3, BLANK + 1) and counts.numpy().tolist() == [3, 1]
    assert beam_search.without_sure_blanks(values, tf.constant([0, 0]))[1].numpy().tolist() == [
        0,
        0,
    ]
