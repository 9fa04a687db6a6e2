"""Chord symbols against pitch classes written by hand."""

import warnings

import numpy as np
import pytest
from music21 import harmony

from seqapps.apps.jazz.chords import chord
from seqapps.config import UserError


def classes(name):
    return np.flatnonzero(chord(name)[0]).tolist()


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("A-7", "9 0 4 7"),
        ("C-7", "0 3 7 10"),
        ("E-7b5", "4 7 10 2"),
        ("C-6", "0 3 7 9"),
        ("Bb-7", "10 1 5 8"),
        ("D7", "2 6 9 0"),
        ("Gmaj7", "7 11 2 6"),
        ("C69", "0 4 7 9 2"),
        ("C6/9", "0 4 7 9 2"),
        ("C13b9", "0 4 7 10 1 9"),
        ("C^7", "0 4 7 11"),
        ("CΔ7", "0 4 7 11"),
        ("CΔ", "0 4 7 11"),
        ("Cma7", "0 4 7 11"),
        ("CM7", "0 4 7 11"),
        ("Cø", "0 3 6 10"),
        ("Cø7", "0 3 6 10"),
        ("Ch7", "0 3 6 10"),
        ("C°7", "0 3 6 9"),
        ("Co7", "0 3 6 9"),
        ("Cdim", "0 3 6"),
        ("Cdim7", "0 3 6 9"),
        ("Cm7(b5)", "0 3 6 10"),
        ("C7(b9)", "0 4 7 10 1"),
        ("C7alt", "0 4 10 1 3 6 8"),
        ("C9sus", "0 5 7 10 2"),
        ("C7sus4", "0 5 7 10"),
        ("Csus2", "0 2 7"),
        ("CmMaj7", "0 3 7 11"),
        ("C-^7", "0 3 7 11"),
        ("Cm(maj7)", "0 3 7 11"),
        ("C-Δ7", "0 3 7 11"),
        ("C:maj7", "0 4 7 11"),
        ("C:min7", "0 3 7 10"),
        ("C:hdim7", "0 3 6 10"),
        ("C:minmaj7", "0 3 7 11"),
        ("C:maj/3", "0 4 7"),
        ("C:7(#9)", "0 4 7 10 3"),
        ("C", "0 4 7"),
        ("Cm", "0 3 7"),
        ("C+", "0 4 8"),
        ("Caug7", "0 4 8 10"),
        ("C+7", "0 4 8 10"),
        ("C7#5", "0 4 8 10"),
        ("C7+5", "0 4 8 10"),
        ("C7-9", "0 4 7 10 1"),
        ("C7#11", "0 4 7 10 6"),
        ("Cmaj7#11", "0 4 7 11 6"),
        ("C13", "0 4 7 10 2 9"),
        ("C11", "0 4 7 10 2 5"),
        ("Cm11", "0 3 7 10 2 5"),
        ("C9", "0 4 7 10 2"),
        ("Cmaj9", "0 4 7 11 2"),
        ("Cm9", "0 3 7 10 2"),
        ("Cadd9", "0 4 7 2"),
        ("C5", "0 7"),
        ("C7b5", "0 4 6 10"),
        ("C7b9b13", "0 4 7 10 1 8"),
        ("C7(b9,#11)", "0 4 7 10 1 6"),
        ("Cmi7", "0 3 7 10"),
        ("CMI7", "0 3 7 10"),
        ("CMA7", "0 4 7 11"),
        ("Cm6", "0 3 7 9"),
        ("C6", "0 4 7 9"),
        ("Cmaj", "0 4 7"),
        ("C^", "0 4 7 11"),
        ("C^9#11", "0 4 7 11 2 6"),
        ("C7susb9", "0 5 7 10 1"),
        ("C2", "0 4 7 2"),
        ("Cm7b5/Gb", "0 3 6 10"),
        ("Db7", "1 5 8 11"),
        ("F##m", "7 10 2"),
        ("Cb9", "11 3 6 9 1"),
        ("C7#9#5", "0 4 8 10 3"),
        ("Cm69", "0 3 7 9 2"),
        ("C(add9)", "0 4 7 2"),
        ("Cmaj13", "0 4 7 11 2 9"),
        ("Cø9", "0 3 6 10 2"),
        ("C7no3", "0 7 10"),
        ("Bb7/D", "10 2 5 8"),
        ("C/Bb", "0 4 7 10"),
        ("Cmadd9", "0 3 7 2"),
        ("C7susadd3", "0 4 5 7 10"),
        ("C-b6", "0 3 7 8"),
        ("C7b13sus", "0 5 7 10 8"),
        ("C13#11", "0 4 7 10 2 6 9"),
        ("C+9", "0 4 8 10 2"),
        ("Cdom7", "0 4 7 10"),
        ("C7M", "0 4 7 11"),
        ("C7/9", "0 4 7 10 2"),
        ("C7(9/13)", "0 4 7 10 2 9"),
        ("Cm/maj7", "0 3 7 11"),
        ("Cmaj7(6)", "0 4 7 9 11"),
        ("C:sus4(b7,9)", "0 5 7 10 2"),
        ("C♯m7♭5", "1 4 7 11"),
    ],
)
def test_a_symbol_has_its_pitch_classes(name, wanted):
    assert classes(name) == sorted(map(int, wanted.split()))


@pytest.mark.parametrize(
    ("name", "bass"),
    [
        ("C7", 0),
        ("G7/B", 11),
        ("Bb7/D", 2),
        ("C:maj/3", 4),
        ("C:min/b3", 3),
        ("C6/9", 0),
        ("C7/9", 0),
        ("Cm7b5/Gb", 6),
        ("NC", -1),
    ],
)
def test_a_symbol_has_its_bass(name, bass):
    assert chord(name)[1] == bass


FUNCTIONS = {"N6", "It+6", "It", "Fr+6", "Fr", "Gr+6", "Ger", "pedal", "power", "tristan"}
OTHERWISE = {"m#7", "dom7dim5", "ob9"}
"""Kinds of music21 that no chart spells so."""

KINDS = [kind for _, kinds in harmony.CHORD_TYPES.values() for kind in kinds]


@pytest.mark.parametrize("root", ["C", "F#", "Bb", "E"])
@pytest.mark.parametrize("kind", sorted({*KINDS} - FUNCTIONS - OTHERWISE))
def test_music21_agrees_on_what_it_knows(root, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        symbol = harmony.ChordSymbol(root.replace("b", "-") + kind)
    known = {pitch.pitchClass for pitch in symbol.pitches}
    bass = chord(root)[1]
    if "13" in kind and (bass + 4) % 12 in known:  # played without the fourth over a major third
        known.discard((bass + 5) % 12)
    assert classes(root + kind) == sorted(known)


@pytest.mark.parametrize(
    "name", ["H7", "Cxyz", "7", "", "C/", "C/H", "dm7", "C7b", "C//E", "Cmm", "C7/", "(C)"]
)
def test_what_is_no_chord_is_said(name):
    with pytest.raises(UserError, match="is not a chord that is known here; wanted names like C"):
        chord(name)
