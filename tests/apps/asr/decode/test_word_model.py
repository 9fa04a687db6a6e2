"""The word model against chances worked out by hand."""

import numpy as np
import tensorflow as tf

from seqapps.apps.asr.decode import word_model
from seqapps.apps.asr.decode.word_model import PAIR_PRIOR, WORD_PRIOR, General

LETTERS = " abc"


GENERAL = General(
    words={"a": np.log(0.5), "b": np.log(0.25), "c": np.log(0.25), "d": np.log(0.1)},
    backoff={"a": np.log(0.4), "b": np.log(0.8)},
    pairs={("a", "b"): np.log(0.6), ("a", "d"): np.log(0.1), ("<s>", "b"): np.log(0.9)},
)


def asked(model, before, *words):
    """Chances of words, each after the one before it."""
    number, chances = before, []
    for word in words:
        hashes = tf.constant(word_model.hashes_of([word], LETTERS)[None])
        spelt = tf.constant([[np.log(0.1) * len(word)]], tf.float32)
        chance, numbers = model.read(tf.constant([[number]]), hashes, char_lm_score=spelt)
        number = int(numbers[0, 0])
        chances.append(float(np.exp(chance[0, 0])))
    return chances


def test_counts_are_laid_over_the_general_model():
    model = word_model.fit(["a b", "a a"], LETTERS, GENERAL)
    alone = {
        "a": (3 + WORD_PRIOR / 2) / (4 + WORD_PRIOR),
        "b": (1 + WORD_PRIOR / 4) / (4 + WORD_PRIOR),
    }
    first, second = asked(model, model.beginning, "a", "b")
    # Both lines begin with "a"; general English does not say how often lines do.
    np.testing.assert_allclose(first, (2 + PAIR_PRIOR * alone["a"]) / (2 + PAIR_PRIOR), rtol=1e-5)
    np.testing.assert_allclose(second, (1 + PAIR_PRIOR * 0.6) / (2 + PAIR_PRIOR), rtol=1e-5)


def test_a_pair_neither_model_knows_is_backed_off():
    model = word_model.fit(["a b", "a a"], LETTERS, GENERAL)
    _, after_a = asked(model, model.beginning, "a", "c")
    c = (WORD_PRIOR / 4) / (4 + WORD_PRIOR)
    np.testing.assert_allclose(after_a, PAIR_PRIOR / (2 + PAIR_PRIOR) * 0.4 * c, rtol=1e-5)


def test_an_unknown_word_is_rare_and_says_nothing_of_the_next():
    model = word_model.fit(["a b", "a a"], LETTERS, GENERAL)
    unknown, after = asked(model, model.beginning, "ccc", "b")
    # Three letters of one in ten each, after the first word's back-off.
    np.testing.assert_allclose(unknown, PAIR_PRIOR / (2 + PAIR_PRIOR) * 1e-2 * 1e-3, rtol=1e-4)
    np.testing.assert_allclose(after, (1 + WORD_PRIOR / 4) / (4 + WORD_PRIOR), rtol=1e-5)


def test_words_the_alphabet_cannot_spell_are_left_out():
    model = word_model.fit([], LETTERS, GENERAL)
    assert len(model.hashes) == 3
    assert len(model.pairs) == 2


def test_without_a_general_model_the_lines_are_all_there_is(tmp_path):
    word_model.fit(["a b", "a a"], LETTERS, word_model.general("es", {})).save(tmp_path / "w.npz")
    model = word_model.load(tmp_path / "w.npz")
    (first,) = asked(model, model.beginning, "a")
    np.testing.assert_allclose(first, (2 + PAIR_PRIOR * 3 / 4) / (2 + PAIR_PRIOR), rtol=1e-5)


def test_general_english_knows_what_follows_what():
    english = word_model.general("en", {"any": 1.0})
    assert english.pairs["of", "the"] > english.pairs["of", "a"] > np.log(1e-3)
    assert english.words["the"] > english.words["castle"]


def test_hot_words_are_known_by_their_beginnings():
    begun, whole = word_model.hot_hashes(tf.constant(["ab b", ""]), LETTERS)
    p = word_model.PRIME
    assert begun.numpy().tolist() == [[2, 2 * p + 3, 0, 3, 0], [0] * 5]
    assert whole.numpy().tolist() == [[0, 2 * p + 3, 0, 3, 0], [0] * 5]
