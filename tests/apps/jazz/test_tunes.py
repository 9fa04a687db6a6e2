import dataclasses

import numpy as np
import pytest

from seqapps.app import Skip
from seqapps.apps.jazz import tunes
from seqapps.apps.jazz.scores import Score
from tests.apps.jazz.conftest import made_up


def line_of(notes, **more):
    filler = [(100 + n, 101 + n, 60) for n in range(20)]
    return tunes.arrange(Score("t", [notes + filler, [(0, 1, 40)]], keys=[(0.0, 0)], **more)).line


def test_the_top_note_of_each_onset_lasts_until_the_next():
    notes = [(0.0, 0.4, 72), (0.0, 1.0, 60), (0.5, 0.9, 74), (1.0, 2.0, 76), (2.0, 98.0, 77)]
    assert line_of(notes)[:3] == [(72, 6), (74, 6), (76, 12)]


def test_a_gap_of_an_eighth_is_a_rest_and_a_shorter_one_is_not():
    notes = [(0.0, 0.5, 72), (1.0, 1.75, 74), (2.0, 3.0, 76), (3.0, 99.0, 77)]
    assert line_of(notes)[:4] == [(72, 6), (0, 6), (74, 12), (76, 12)]


def test_what_lasts_longer_than_a_bar_is_a_note_and_rests():
    assert line_of([(0.0, 9.0, 72), (9.0, 100.0, 74)])[:3] == [(72, 48), (0, 48), (0, 12)]


def test_a_tune_that_begins_late_begins_with_a_rest():
    assert line_of([(0.75, 1.0, 72), (1.0, 100.0, 74)])[:2] == [(0, 9), (72, 3)]


def test_triplets_and_sixteenths_keep_their_places():
    onsets = [0, 1 / 3, 2 / 3, 1, 1.25, 1.5, 1.74]
    assert [tunes.snapped(onset) for onset in onsets] == [0, 4, 8, 12, 15, 18, 21]


def test_the_line_adds_up_to_the_tunes_length(score):
    tune = tunes.arrange(score)
    assert sum(ticks for _, ticks in tune.line) == 32 * tunes.TICKS
    assert len(tune.bass) == 32


def test_a_beats_chord_is_what_the_accompaniment_sounds_in_it(score):
    tune = tunes.arrange(score)
    assert np.flatnonzero(tune.chords[0]).tolist() == [0, 4, 7]
    assert np.flatnonzero(tune.chords[4]).tolist() == [0, 5, 9]
    assert (tune.bass[0], tune.bass[4], tune.bass[12]) == (0, 5, 7)


def test_chord_symbols_make_the_same_chart_as_the_chords_they_name(score):
    symbols = tunes.arrange(made_up(symbols=True))
    np.testing.assert_array_equal(symbols.chords, tunes.arrange(score).chords)
    np.testing.assert_array_equal(symbols.bass, tunes.arrange(score).bass)


def test_one_part_is_split_into_its_top_line_and_what_lies_under_it():
    chords = [(float(n), n + 1.0, p) for n in range(20) for p in (48, 64, 72 + n % 2)]
    tune = tunes.arrange(Score("piano", [chords], keys=[(0.0, 0)]))
    assert [pitch for pitch, _ in tune.line[:3]] == [72, 73, 72]
    assert np.flatnonzero(tune.chords[0]).tolist() == [0, 4]


@pytest.mark.parametrize(("meter", "ticks"), [((4, 4), 12), ((2, 2), 24), ((6, 8), 18)])
def test_a_beat_is_the_meters_unit_or_three_of_them(meter, ticks):
    assert tunes.beat_ticks(*meter) == ticks


def test_the_key_is_found_when_the_file_names_none():
    score = made_up(up=2)
    score.keys = []
    assert set(tunes.arrange(score).tonic) == {2}


def test_keys_change_at_bar_lines_and_so_tell_a_midis_pickup():
    score = made_up()
    score.keys = [(0.0, 0), (8.5, 5)]
    assert tunes.arrange(score).pickup == 6
    score.pickup = 1.0
    assert tunes.arrange(score).pickup == 12


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"parts": []}, "no notes outside drums"),
        ({"meters": [(0.0, 2, 4), (8.0, 3, 4)]}, "the meter changes"),
        ({"meters": [(0.0, 5, 16)]}, "meter 5/16"),
        ({"parts": [[(0.0, 1.0, 60)]]}, "fewer than 16 notes of melody"),
    ],
)
def test_what_is_no_tune_is_refused_with_a_reason(score, change, reason):
    assert tunes.arrange(dataclasses.replace(score, **change)) == Skip(reason, "tune")


def test_a_transposed_and_renamed_copy_is_of_the_same_group():
    other = made_up("other")
    other.parts[0] = [(o, e, 60 + (7 * n) % 11) for n, (o, e, _) in enumerate(other.parts[0])]
    found = [tunes.arrange(s) for s in (made_up("a"), made_up("z", up=5), other)]
    assert tunes.groups(found) == {"a": "a", "z": "a", "other": "other"}
