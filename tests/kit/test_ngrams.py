"""Character n-grams against probabilities worked out by hand."""

import numpy as np

from seqapps.kit import ngrams

LETTERS = " ab"


def test_witten_bell_by_hand():
    # " ab " read once, order 2. Unigrams a, b, space: 1 each, 3 kinds: (1 + 3 x 1/3) / 6 = 1/3.
    # After a: b once, 1 kind: (1 + 1 x 1/3) / 2 = 2/3, the others (0 + 1/3) / 2 = 1/6.
    lm = ngrams.fit(["ab"], LETTERS, order=2, words={})
    chances = np.exp(lm.log_probability)
    a = lm.following[ngrams.START, 1]
    np.testing.assert_allclose(chances[a], [1 / 6, 1 / 6, 2 / 3], rtol=1e-5)


def test_every_state_holds_a_distribution_and_leads_to_states():
    lm = ngrams.fit(["abba ab", "bab"], LETTERS, order=4, words={"aa": 2.5})
    np.testing.assert_allclose(np.exp(lm.log_probability).sum(axis=1), 1, rtol=1e-5)
    assert lm.following.min() >= 0
    assert lm.following.max() < len(lm.log_probability)


def test_a_longer_context_is_remembered():
    lm = ngrams.fit(["ab aa", "ab aa"], LETTERS, order=6, words={})
    state = ngrams.START
    for letter in "ab a":
        state = lm.following[state, LETTERS.index(letter)]
    assert np.exp(lm.log_probability[state])[1] > 0.8


def test_an_automaton_is_read_as_it_was_written(tmp_path):
    lm = ngrams.fit(["ab"], LETTERS, order=3, words={})
    lm.save(tmp_path / "lm.npz")
    again = ngrams.load(tmp_path / "lm.npz")
    assert (again.log_probability == lm.log_probability).all()
    assert (again.following == lm.following).all()
