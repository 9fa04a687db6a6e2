"""A line of chord symbols -> a chart: bars, repeats, and the beats of each chord.

Bars lie between bar lines (`| Dm7 G7 | C |`) or commas (`Dm7 G7, C`); in a line without either,
each chord is a bar. The chords of a bar share its beats. `%` is the bar before where it is alone
between its bar lines, else the chord before, as `/`, `.` and `x` are; what `|:` and `:|` enclose
is played twice.
"""

import re
from collections.abc import Iterator

import numpy as np

from seqapps.apps.jazz import tunes
from seqapps.apps.jazz.chords import chord
from seqapps.apps.jazz.scores import Note
from seqapps.apps.jazz.tunes import MOST_QUARTERS, TICKS, Tune
from seqapps.config import UserError

SAME = ("%", ".", "x", "/")
BAR_LINE = re.compile(r"([:\[\]]*\|[|:\[\]]*)")
COMMA = re.compile(r",(?![^(]*\))")
"""A comma that is not inside the parentheses of a chord."""

MOST_UNITS_OF_A_BAR = 64

Chord = tuple[np.ndarray, int]
"""Pitch classes float32 (12,) and bass."""


def read(text: str, meter: str, *, choruses: int) -> Tune:
    """A chart without a melody, of pitch classes (N, 12) by beat.

    Raises:
        UserError: a chord is not known, a bar has more chords than beats, or the chart is too long.
    """
    numerator, denominator = map(int, meter.split("/"))
    if denominator not in (2, 4, 8) or not 1 <= numerator <= MOST_UNITS_OF_A_BAR:
        raise UserError(
            f"METER={meter}; wanted 1 to {MOST_UNITS_OF_A_BAR} over 2, 4 or 8, like 4/4 or 6/8"
        )
    beat = tunes.beat_ticks(numerator, denominator)
    beats = max(numerator * 4 * TICKS // denominator // beat, 1)
    bars = _bars(text)
    if not bars:
        raise UserError(f"CHORDS={text!r} holds no chord; wanted something like C7 F7 C7 G7")
    if len(bars) * beats * beat * choruses > MOST_QUARTERS * TICKS:
        raise UserError(f"CHORDS: {len(bars)} bars are longer than {MOST_QUARTERS} quarter notes")
    for bar in bars:
        if len(bar) > beats:
            raise UserError(f"CHORDS: a bar has {len(bar)} chords in {beats} beats of {meter}")
    chart = [bar[beat * len(bar) // beats] for bar in bars for beat in range(beats)] * choruses
    classes = np.array([classes for classes, _ in chart], np.float32)
    notes: list[Note] = [
        (n, n + 1, int(60 + c)) for n, row in enumerate(classes) for c in np.flatnonzero(row)
    ]
    return Tune(
        name=text,
        line=[],
        chords=classes,
        bass=np.array([bass for _, bass in chart], np.int64),
        tonic=np.full(len(chart), tunes.found_key(notes) if notes else 0, np.int64),
        meter=(numerator, denominator),
        pickup=0,
    )


def _bars(text: str) -> list[list[Chord]]:
    """The chords of each bar, in the order in which they are played."""
    bars: list[list[Chord]] = []
    begin, number = 0, 0
    last: Chord | None = None
    for bar_line, words in _lines_and_bars(text):
        before, _, after = bar_line.partition("|")
        if ":" in before:
            bars += bars[begin:]
        if ":" in bar_line:
            begin = len(bars)
        if words == ["%"] and bars:
            bars.append(bars[-1])
            number += 1
        elif words:
            bar = []
            for word in words:
                number += 1
                last = last if word in SAME and last else _named(word, number)
                bar.append(last)
            bars.append(bar)
        if bars:
            last = bars[-1][-1]
    return bars


def _lines_and_bars(text: str) -> Iterator[tuple[str, list[str]]]:
    """Pairs of a bar line, which may be none, and the words after it."""
    if "|" in text:
        parts = ["", *BAR_LINE.split(text)]
        yield from ((parts[n], parts[n + 1].split()) for n in range(0, len(parts), 2))
    elif COMMA.search(text):
        yield from (("", bar.split()) for bar in COMMA.split(text))
    else:
        yield from (("", [word]) for word in text.split())


def _named(name: str, number: int) -> Chord:
    try:
        return chord(name)
    except UserError as error:
        raise UserError(f"CHORDS, chord {number}: {error}") from None
