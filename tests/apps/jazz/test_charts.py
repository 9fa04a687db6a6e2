import numpy as np
import pytest

from seqapps.apps.jazz import charts
from seqapps.config import UserError


def bass(text, meter="4/4", choruses=1):
    return charts.read(text, meter, choruses=choruses).bass.tolist()


def test_chords_become_a_chart_of_a_chord_a_bar():
    tune = charts.read("C7 F7", "4/4", choruses=2)
    assert len(tune.bass) == 16
    assert np.flatnonzero(tune.chords[0]).tolist() == [0, 4, 7, 10]
    assert tune.bass[[0, 4, 8, 12]].tolist() == [0, 5, 0, 5]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("| Dm7 G7 | Cmaj7 |", [2, 2, 7, 7, 0, 0, 0, 0]),
        ("Dm7 G7(b9,#11), C", [2, 2, 7, 7, 0, 0, 0, 0]),
        ("Dm7 G7, C, %, NC", [2, 2, 7, 7, 0, 0, 0, 0, 0, 0, 0, 0, -1, -1, -1, -1]),
        ("C7 % F7", [0] * 8 + [5] * 4),
        ("| D:min7 G:7 |", [2, 2, 7, 7]),
        ("D:min7 G:7", [2, 2, 2, 2, 7, 7, 7, 7]),
        ("| C / / G7 |", [0, 0, 0, 7]),
        ("| C % G7 % |", [0, 0, 7, 7]),
        ("| C F G |", [0, 0, 5, 7]),
        ("NC NC", [-1] * 8),
        ("N.C. C", [-1] * 4 + [0] * 4),
    ],
)
def test_bars_lie_between_lines_commas_or_spaces(text, expected):
    assert bass(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("| Dm7 G7 | % | C |", [2, 2, 7, 7, 2, 2, 7, 7, 0, 0, 0, 0]),
        ("|: Dm7 G7 :| C ||", [2, 2, 7, 7, 2, 2, 7, 7, 0, 0, 0, 0]),
        ("Dm7 G7 :| C", [2, 2, 7, 7, 2, 2, 7, 7, 0, 0, 0, 0]),
        ("[|: C :|: F :|]", [0] * 8 + [5] * 8),
        ("| G | |: C | F :|", [7] * 4 + [0] * 4 + [5] * 4 + [0] * 4 + [5] * 4),
        ("|: D:m7 :|", [2] * 8),
    ],
)
def test_a_repeated_bar_or_passage_is_played_again(text, expected):
    assert bass(text) == expected


@pytest.mark.parametrize(("meter", "beats"), [("3/4", 3), ("6/8", 2), ("2/2", 2), ("5/4", 5)])
def test_a_bar_has_the_beats_of_its_meter(meter, beats):
    assert len(bass("C", meter)) == beats


@pytest.mark.parametrize(
    ("text", "meter", "reason"),
    [
        ("C7 H7", "4/4", "CHORDS, chord 2: 'H7' is not a chord"),
        ("| C7 C7 | % | F7 X |", "4/4", "CHORDS, chord 5: 'X' is not a chord"),
        ("% C", "4/4", "CHORDS, chord 1: '%' is not a chord"),
        (" , ", "4/4", "holds no chord; wanted something like C7 F7 C7 G7"),
        ("| |", "4/4", "holds no chord"),
        ("C C C C C, G", "4/4", "a bar has 5 chords in 4 beats of 4/4"),
        ("C", "5/16", "METER=5/16; wanted 1 to 64 over 2, 4 or 8"),
        ("C", "0/4", "METER=0/4"),
        ("C", "999/4", "METER=999/4"),
        ("C " * 5001, "4/4", "CHORDS: 5001 bars are longer than 20000 quarter notes"),
    ],
)
def test_chords_that_cannot_be_read_are_named(text, meter, reason):
    with pytest.raises(UserError, match=reason):
        bass(text, meter)
