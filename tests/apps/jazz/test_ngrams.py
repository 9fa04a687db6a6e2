import numpy as np
import pytest

from seqapps.apps.jazz import ngrams
from seqapps.apps.jazz.frontend import LONGEST, PITCHES, VALUES
from seqapps.apps.jazz.ngrams import NGram

A, B, C = 40 * LONGEST + 5, 42 * LONGEST + 5, 44 * LONGEST + 2


def test_the_base_is_the_product_of_pitch_and_duration_shares():
    base = ngrams.shares(np.array([A, A, B]))
    assert base.sum() == pytest.approx(1)
    # Pitch 40 was counted twice, the sixth duration three times; one is added to each count.
    assert base[A] == pytest.approx(3 / (3 + PITCHES) * 4 / (3 + LONGEST))


def test_a_bigram_mixes_its_count_with_the_shorter_ones():
    model = NGram([np.array([A, B, A, C])], 2, weight=2.0)
    base = ngrams.shares(np.array([A, B, A, C]))
    unigram = (1 + 2 * base[B]) / (4 + 2)
    bigram = (1 + 2 * unigram) / (2 + 2)  # after A: B once, C once
    assert model.probability(np.array([C, A]), B) == pytest.approx(bigram)
    # After C nothing was ever seen: the unigram speaks.
    assert model.probability(np.array([A, C]), B) == pytest.approx(unigram)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_chances_are_those_of_each_value_and_share_one(order):
    rng = np.random.default_rng(0)
    lines = [rng.choice([A, B, C], 30) for _ in range(3)]
    model = NGram(lines, order, weight=3.0)
    found = model.probabilities(lines[0][:10])
    assert found.sum() == pytest.approx(1)
    for value in (A, B, C, 0):
        assert found[value] == pytest.approx(model.probability(lines[0][:10], value))


def test_uniform_gives_each_value_the_same():
    table = ngrams.predicted(np.array([A, B]), NGram([], 0))
    np.testing.assert_allclose(table, -np.log(VALUES), rtol=1e-6)


def test_one_that_adapts_learns_each_note_after_it_was_judged():
    line = np.array([A, B, C] * 5)
    still = ngrams.predicted(line, NGram([line[:1]], 3))
    adapts = ngrams.predicted(line, NGram([line[:1]], 3), adapts=True)
    at = np.arange(len(line))
    assert adapts[0, A] == pytest.approx(still[0, A])
    later = [place for place in at[6:] if line[place] != A]
    assert (adapts[later, line[later]] > still[later, line[later]] + 1).all()


def test_the_weight_is_the_one_validation_likes_best(monkeypatch):
    monkeypatch.setattr(ngrams, "WEIGHTS", (0.3, 1.0, 3.0, 10.0, 30.0, 100.0))
    rng = np.random.default_rng(1)
    noise = [rng.choice([A, B, C], 60) for _ in range(2)]
    rule = [np.array([A, B, C] * 20)] * 2
    weights = [ngrams.fitted(x[:1], x[1:], order=3).counts.weight for x in (noise, rule)]
    assert weights[0] > weights[1]


def test_witten_and_bells_shorter_context_counts_as_the_different_values_after_the_longer():
    model = NGram([np.array([A, B, A, C, A, B])], 2, weight=None)
    base = ngrams.shares(np.array([A, B, A, C, A, B]))
    unigram = (2 + 3 * base[B]) / (6 + 3)  # A, B and C follow nothing
    bigram = (2 + 2 * unigram) / (3 + 2)  # after A: B twice, C once
    assert model.probability(np.array([C, A]), B) == pytest.approx(bigram)
    assert model.probabilities(np.array([C, A])).sum() == pytest.approx(1)


def test_the_last_bars_note_is_the_one_that_began_a_bar_before():
    line = np.array([A, B, A, C, B])  # ticks 6 6 6 3 6
    assert ngrams.repeats(line, 12) == [(2, A), (3, B)]
    table = ngrams.last_bar(line, 12, 0.9, NGram([line], 1))
    assert np.exp(table[2, A]) > 0.9 > np.exp(table[1, B])
    np.testing.assert_allclose(np.exp(table).sum(axis=1), 1, rtol=1e-4)
