"""Chord symbols -> pitch classes: the spellings of fake books, of iReal Pro and of Harte (2010).

A symbol is a root, a quality, a number, modifications and a bass: `Bbm7(b5)/E`. A hyphen after the
root is minor, as in every fake book; before a number later on it is a flat (`C7-9`). Where a major
third sounds, a 13 is played without its 11.
"""

import re
from collections.abc import Callable

import numpy as np

from seqapps.config import UserError

LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
ACCIDENTALS = {"#": 1, "b": -1}
SILENT = ("NC", "N.C.", "N.C", "N", "n", "nc", "n.c.")
SIGNS = {"♯": "#", "♭": "b", "–": "-", "−": "-", "△": "Δ", "∆": "Δ", "Ø": "ø", "º": "°"}

MAJOR, MINOR, DIMINISHED, AUGMENTED = (4, 7), (3, 7), (3, 6), (4, 8)
QUALITIES: list[tuple[str, tuple[int, int], int]] = [
    # spelling, third and fifth, seventh that a 7 or more adds; longest first
    (r"(?:minor|min|Min|mi|MI|m|-)(?:maj|Maj|MAJ|ma|MA|M(?!I)|Δ|\^|j)", MINOR, 11),
    (r"(?:aug|\+)(?:maj|Maj|MAJ|ma|MA|M|Δ|\^|j)", AUGMENTED, 11),
    (r"(?:hdim|ø|h)", DIMINISHED, 10),
    (r"(?:dim|°|o)", DIMINISHED, 9),
    (r"(?:aug|\+(?!5))", AUGMENTED, 10),
    (r"dom", MAJOR, 10),
    (r"(?:major|maj|Maj|MAJ|ma(?!dd)|Ma|MA|M(?!I)|Δ|\^|j)", MAJOR, 11),
    (r"(?:minor|min|Min|MIN|mi|Mi|MI|m|-)", MINOR, 10),
    ("", MAJOR, 10),
]
ALWAYS_SEVENTH = re.compile(r"(?:Δ|\^|ø|h|hdim|(?<!a)j)$")
"""A quality that ends so has a seventh without a number."""

NUMBERS: list[tuple[str, tuple[int, ...]]] = [
    # spelling, what it adds to the triad; -1 is the quality's seventh
    ("13", (-1, 2, 5, 9)),
    ("11", (-1, 2, 5)),
    ("69", (9, 2)),
    ("9", (-1, 2)),
    ("7", (-1,)),
    ("6", (9,)),
    ("2", (2,)),
    ("5", ()),
]

Classes = set[int]
"""Semitones above the root."""


def _replacing(old: tuple[int, ...], new: tuple[int, ...]) -> Callable[[Classes], Classes]:
    return lambda classes: (classes - set(old)) | set(new)


MODIFICATIONS: list[tuple[str, Callable[[Classes], Classes]]] = [
    (r"(?:maj|Maj|ma|M|Δ|\^|j)7?", _replacing((10,), (11,))),
    (r"alt(?:ered)?", _replacing((2, 5, 7, 9), (1, 3, 6, 8, 10))),
    (r"sus2", _replacing((3, 4), (2,))),
    (r"sus4?", _replacing((3, 4), (5,))),
    (r"add3", _replacing((), (4,))),
    (r"(?:no|omit|\*)b?3", _replacing((3, 4), ())),
    (r"(?:no|omit|\*)5", _replacing((6, 7, 8), ())),
    (r"add(?:9|2)", _replacing((), (2,))),
    (r"add(?:11|4)", _replacing((), (5,))),
    (r"add(?:13|6)", _replacing((), (9,))),
    (r"(?:add)?(?:b|-)5", _replacing((7, 8), (6,))),
    (r"(?:add)?(?:#|\+)5", _replacing((7, 6), (8,))),
    (r"(?:add)?(?:b|-)9", _replacing((2,), (1,))),
    (r"(?:add)?(?:#|\+)9", _replacing((2,), (3,))),
    (r"(?:add)?(?:#|\+)11", _replacing((5,), (6,))),
    (r"(?:add)?(?:b|-)(?:13|6)", _replacing((9,), (8,))),
    (r"b7", _replacing((11,), (10,))),
    (r"13", _replacing((), (9,))),
    (r"11", _replacing((), (5,))),
    (r"9", _replacing((), (2,))),
    (r"6", _replacing((), (9,))),
    (r"7", _replacing((), (10,))),
    (r"4", _replacing((3, 4), (5,))),
    (r"\+", _replacing((7,), (8,))),
]
DEGREES = {"1": 0, "2": 2, "3": 4, "4": 5, "5": 7, "6": 9, "7": 11}
NOTE, DEGREE = "[A-G][#b]*", "[#b]*[1-7]"
SYMBOL = re.compile(rf"({NOTE}):?(.*?)(?:/({NOTE}|{DEGREE}))?")
"""Root, what makes the chord, bass; `C6/9` and `C7/b13` have no bass."""


def chord(name: str) -> tuple[np.ndarray, int]:
    """Pitch classes float32 (12,) of a chord symbol, 1 where it has one, and its bass.

    The bass is a pitch class, the root's if none is named, and -1 of no chord (NC).

    >>> chord("Bb7/D")[0].nonzero()[0].tolist(), chord("Bb7/D")[1]
    ([2, 5, 8, 10], 2)

    Raises:
        UserError: it cannot be read.
    """
    if name in SILENT:
        return np.zeros(12, np.float32), -1
    text = name
    for sign, plain in SIGNS.items():
        text = text.replace(sign, plain)
    match = SYMBOL.fullmatch(text)
    above = None if match is None else _above_root(match[2])
    if match is None or above is None:
        raise _unknown(name)
    root = _pitch_class(match[1])
    bass = _pitch_class(match[3], root) if match[3] else root
    classes = [(root + step) % 12 for step in above] + [bass]
    return np.isin(np.arange(12), classes).astype(np.float32), bass


def _pitch_class(name: str, root: int = 0) -> int:
    """The pitch class of a note's name, or of a degree above the root (Harte: `C:maj/3`)."""
    accidentals = sum(ACCIDENTALS.get(sign, 0) for sign in name)
    letter = name.strip("#b")
    return ((LETTERS[letter] if letter in LETTERS else root + DEGREES[letter]) + accidentals) % 12


def _above_root(text: str) -> Classes | None:
    """Semitones above the root, of what follows it in a symbol; None if that cannot be read."""
    rest = re.sub(r"/(?=[#b+-]?\d|[Mm]aj)|[(),\[\]]", " ", text).strip()
    quality, triad, seventh = _quality(rest)
    rest = rest[len(quality) :].strip()
    number = next((n for n, _ in NUMBERS if rest.startswith(n)), "")
    if number == "5" and quality:
        return None
    rest = rest[len(number) :].strip()
    if number == "5":
        classes = {0, 7}
    else:
        added = dict(NUMBERS).get(number, ())
        if ALWAYS_SEVENTH.search(quality) and -1 not in added and "6" not in number:
            added = (*added, -1)
        if number == "13" and triad[0] == 4:
            added = tuple(step for step in added if step != 5)
        classes = {0, *triad, *(seventh if step == -1 else step for step in added)}
    while rest:
        for spelling, change in MODIFICATIONS:
            if match := re.match(spelling, rest):
                classes, rest = change(classes), rest[match.end() :].strip()
                break
        else:
            return None
    return classes


def _quality(text: str) -> tuple[str, tuple[int, int], int]:
    """The words of a quality, its third and fifth, and its seventh; they may be no words."""
    for spelling, triad, seventh in QUALITIES:
        match = re.match(spelling, text)
        if match:
            return match[0], triad, seventh
    raise AssertionError("the last quality has no words and fits any text")


def _unknown(name: str) -> UserError:
    return UserError(
        f"'{name}' is not a chord that is known here; wanted names like C, Am or A-, F#7, Bbmaj7 "
        "or Bb^7, Dm7b5, G7/B, % (as before) or NC (none)"
    )
