import numpy as np
import pytest

from seqapps.apps.jazz import statistics
from seqapps.apps.jazz.frontend import LONGEST
from seqapps.apps.jazz.statistics import Played

C_MAJOR = np.isin(np.arange(12), [0, 4, 7]).astype(float)


def value(pitch, ticks):
    return (pitch - 36 + 1 if pitch else 0) * LONGEST + ticks - 1


def played(notes, beats=8):
    values = np.array([value(*note) for note in notes])
    return Played(values, np.tile(C_MAJOR, (beats, 1)), 12, 48, 0)


def test_chord_tones_are_counted_in_the_chord_of_their_beat():
    line = played([(60, 12), (62, 12), (0, 12), (64, 12)])
    assert statistics.chord_tones(line, line.chords) == pytest.approx(2 / 3)
    other = line.chords.copy()
    other[0] = 0  # a beat without a chord does not count
    assert statistics.chord_tones(line, other) == pytest.approx(1 / 2)


def test_bars_of_the_same_rhythm_are_alike_whatever_their_notes():
    same = played([(60, 24), (62, 24), (70, 24), (64, 24)])
    assert statistics.groove_similarity(same) == 1
    # Onsets on sixteenths 0 and 8, then on 0 and 4: two of sixteen differ.
    other = played([(60, 24), (62, 24), (70, 12), (64, 36)])
    assert statistics.groove_similarity(other) == pytest.approx(1 - 2 / 16)


def test_scale_consistency_is_the_share_in_the_best_major_scale():
    assert statistics.scale_consistency(played([(62, 6), (66, 6), (69, 6), (63, 6)])) == 0.75
    assert statistics.scale_consistency(played([(62, 6), (66, 6), (69, 6), (61, 6)])) == 1


def test_a_bar_in_which_nothing_begins_is_empty():
    assert statistics.empty_bars(played([(60, 48), (0, 48)])) == 0.5
    assert statistics.empty_bars(played([(60, 48), (62, 48)])) == 0


def test_the_longest_copied_run_is_the_longest_common_substring():
    line = np.array([1, 2, 3, 4, 5, 6])
    others = [np.array([9, 2, 3, 9, 4, 5, 6, 9]), np.array([1, 2, 9])]
    assert statistics.longest_copied(line, others) == 3
    assert statistics.longest_copied(line, [line]) == 6
    assert statistics.longest_copied(line, [np.array([7, 8])]) == 0


def test_divergence_of_the_same_shares_is_nothing():
    assert statistics.divergence(np.array([9, 9]), np.array([99, 99])) == pytest.approx(0)
    # (3/4, 1/4) from (1/4, 3/4): 3/4 ln 3 - 1/4 ln 3.
    found = statistics.divergence(np.array([2, 0]), np.array([0, 2]))
    assert found == pytest.approx(0.5 * np.log(3))


def test_a_walk_plays_chord_tones_only_and_fills_its_chart():
    like = played([(60, 12)])
    walk = statistics.random_walk(like, np.array([3, 6, 12]), 30, np.random.default_rng(0))
    done = like._replace(values=walk)
    assert statistics.chord_tones(done, like.chords) == 1
    assert done.ticks.sum() == 8 * 12


def test_bars_that_sound_alike_are_similar():
    line = played([(60, 24), (62, 24), (60, 24), (65, 24)])
    np.testing.assert_allclose(statistics.similarity(line), [[1, 0.5], [0.5, 1]])


def test_a_pickup_moves_the_bar_lines():
    line = Played(np.array([value(60, 12)] * 5), np.tile(C_MAJOR, (5, 1)), 12, 48, 12)
    # One beat before the first whole bar: two bars, of which the first has one onset.
    assert statistics.empty_bars(line) == 0
    assert statistics.groove_similarity(line) == pytest.approx(1 - 3 / 16)
