"""Decoders against hand-worked and exhaustively searched texts."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from seqapps.asr import alignment, decoding, language_model, word_model
from seqapps.asr import search as beam_search

LETTERS = " ab"
BLANK = len(LETTERS)
FLAT = language_model.Automaton(np.zeros((1, 3), np.float32), np.zeros((1, 3), np.int32))


def heard(rows):
    """Log-probabilities of one utterance from rows of unnormalised chances."""
    rows = np.array(rows, np.float32)
    return np.log(rows / rows.sum(-1, keepdims=True))[None]


def spelt(labels, row=0):
    values = labels.values.numpy()[row]
    return "".join(LETTERS[value] for value in values if value != decoding.NONE)


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
    judge=None,
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
        judge=judge,
    )


@pytest.fixture(scope="module")
def random_utterances():
    values = np.random.default_rng(3).normal(size=(12, 6, BLANK + 1)).astype(np.float32) * 1.5
    return tf.nn.log_softmax(values).numpy()


def test_greedy_drops_repeats_and_blanks_and_stops_at_the_end():
    path = [1, 1, BLANK, 1, 2, 0]
    values = np.log(np.full((1, 6, 4), 0.01, np.float32))
    values[0, range(6), path] = 0.0
    labels = decoding.greedy(tf.constant(values), tf.constant([5]))
    assert spelt(labels) == "aab"
    assert labels.counts.numpy().tolist() == [3]


def test_beam_sums_paths_where_greedy_takes_the_best_one():
    # "a": .4 x .4 + .4 x .6 + .6 x .4 = .64, though blank, blank is the likeliest path (.36).
    values = heard([[1e-9, 0.4, 1e-9, 0.6], [1e-9, 0.4, 1e-9, 0.6]])
    assert spelt(decoding.greedy(tf.constant(values), tf.constant([2]))) == ""
    assert spelt(search(values)) == "a"


def test_beam_finds_what_an_exhaustive_search_finds(random_utterances):
    labels = search(random_utterances, width=60)
    expected = [exhaustive(values) for values in random_utterances]
    assert [spelt(labels, row) for row in range(len(expected))] == expected
    assert len(set(expected)) > 5


def test_beam_with_a_language_model_finds_the_best_sum_of_both(random_utterances):
    lm = language_model.fit(["ab ab", "ba"], LETTERS, order=3, words={})

    def extra(text):
        state, total = language_model.START, 0.0
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
    lm = language_model.fit(["ab ab", "ba"], LETTERS, order=3, words={})
    words = word_model.fit(["ab ab a", "b a"], LETTERS, word_model.General({}, {}, {}))

    def extra(text):
        before, total, state = words.beginning, 0.0, language_model.START
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
                chance, number = words.read(*map(tf.constant, asked))
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
    assert spelt(search(values, judge=against_ab)) == "b"


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


def test_hot_words_are_known_by_their_beginnings():
    begun, whole = word_model.hot_hashes(tf.constant(["ab b", ""]), LETTERS)
    p = word_model.PRIME
    assert begun.numpy().tolist() == [[2, 2 * p + 3, 0, 3, 0], [0] * 5]
    assert whole.numpy().tolist() == [[0, 2 * p + 3, 0, 3, 0], [0] * 5]


def test_alignment_finds_the_steps_of_each_letter():
    path = [BLANK, 1, 1, BLANK, 1, 0, 2, BLANK]
    values = np.log(np.full((1, 8, 4), 0.1, np.float32))
    values[0, range(8), path] = np.log(0.7)
    labels = decoding.Labels(tf.constant([[1, 1, 0, 2]]), tf.constant([4]))
    found = alignment.align(tf.constant(values), tf.constant([8]), labels)
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
    labels = decoding.Labels(tf.constant([text]), tf.constant([2]))
    found = alignment.align(tf.constant(values[None]), tf.constant([6]), labels)
    np.testing.assert_allclose(found.log_probability, [best], rtol=1e-5)


def test_words_have_times_and_the_mean_confidence_of_their_letters():
    labels = decoding.Labels(tf.constant([[0, 1, 2, 0, 0, 2], [1] + [-1] * 5]), tf.constant([6, 1]))
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


def test_nothing_heard_is_an_empty_text():
    values = np.log(np.full((2, 3, 4), 0.01, np.float32))
    values[:, :, BLANK] = 0.0
    labels = decoding.greedy(tf.constant(values), tf.constant([3, 2]))
    found = alignment.words(
        labels, alignment.align(tf.constant(values), tf.constant([3, 2]), labels), LETTERS, 0.03
    )
    assert found["text"].numpy().tolist() == [b"", b""]
    assert found["words"].shape == (2, 0)
