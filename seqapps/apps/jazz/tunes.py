"""A tune as the model sees it: one line of notes and rests, and a chord for each beat.

Onsets and ends are put on the nearest sixteenth or triplet eighth, counted in ticks of a twelfth of
a quarter note. The melody is the highest note at each onset of the first part; a note lasts until
the next begins, unless a rest of an eighth or more lies between, which is then a token of its own
(shorter gaps are articulation). The accompaniment is everything else; its pitch classes in a beat
are that beat's chord. So the line's durations add up to the tune's length and nothing is left out
but notes under the top one.
"""

import bisect
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqapps.app import Skip
from seqapps.apps.jazz.scores import MINOR_TO_MAJOR, Note, Score

TICKS = 12
"""Ticks of a quarter note."""

GRID = (0, 3, 4, 6, 8, 9, 12)
SHORTEST_REST = 6
LONGEST = 4 * TICKS
"""Ticks of the longest token; what lasts longer is a note, then rests."""

REST = 0
LOWEST, HIGHEST = 36, 100
"""MIDI pitches of the alphabet, in C; others are moved by octaves."""

FEWEST_NOTES, MOST_QUARTERS = 16, 20_000
GRAM = 8
TWIN_SHARE = 0.25


@dataclass(frozen=True)
class Tune:
    """One tune: `line` of (MIDI pitch or REST, ticks), and a chart of N beats."""

    name: str
    line: list[tuple[int, int]]
    chords: np.ndarray  # float32 (N, 12)
    bass: np.ndarray  # int64 (N,), -1 = none
    tonic: np.ndarray  # int64 (N,), pitch class of the relative major's tonic
    meter: tuple[int, int]
    pickup: int  # ticks

    def columns(self) -> dict[str, Any]:
        """The tune as a record and a request hold it."""
        pitches, ticks = zip(*self.line, strict=True) if self.line else ((), ())
        return {
            "pitch": np.array(pitches, np.int64),
            "duration": np.array(ticks, np.float32) / TICKS,
            "chords": self.chords,
            "bass": self.bass,
            "tonic": self.tonic,
            "meter": np.array(self.meter, np.int64),
            "pickup": np.float32(self.pickup / TICKS),
        }


def beat_ticks(numerator: int, denominator: int) -> int:
    """Ticks of a beat: the meter's unit, or three of them in 6/8, 9/8, 12/8."""
    compound = denominator == 8 and numerator > 3 and numerator % 3 == 0
    return 4 * TICKS // denominator * (3 if compound else 1)


def arrange(score: Score) -> Tune | Skip:
    """The tune of a score, or why there is none."""
    if not score.parts:
        return Skip("no notes outside drums", score.name)
    if len({meter[1:] for meter in score.meters}) > 1:
        return Skip("the meter changes", score.name)
    _, numerator, denominator = (score.meters or [(0.0, 4, 4)])[0]
    if denominator not in (2, 4, 8):
        return Skip(f"meter {numerator}/{denominator}", score.name)
    if max(end for part in score.parts for _, end, _ in part) > MOST_QUARTERS:
        return Skip(f"longer than {MOST_QUARTERS} quarter notes", score.name)
    melody, rest = split(score.parts)
    line = _line(_top(melody))
    if sum(pitch != REST for pitch, _ in line) < FEWEST_NOTES:
        return Skip(f"fewer than {FEWEST_NOTES} notes of melody", score.name)
    beat = beat_ticks(numerator, denominator)
    beats = -(-max(sum(ticks for _, ticks in line), _end(rest)) // beat)
    chords, bass = (
        _symbols(score, beat, beats=beats) if score.symbols else _sounding(rest, beat, beats=beats)
    )
    keys = score.keys or [(0.0, found_key([note for part in score.parts for note in part]))]
    starts = [onset for onset, _ in keys]
    at = [max(bisect.bisect_right(starts, n * beat / TICKS + 1e-6) - 1, 0) for n in range(beats)]
    tonic = np.array([keys[index][1] for index in at], np.int64)
    bar = numerator * 4 * TICKS // denominator
    pickup = _pickup(score, bar)
    return Tune(score.name, line, chords, bass, tonic, (numerator, denominator), pickup)


def groups(tunes: Iterable[Tune]) -> dict[str, str]:
    """Tune -> leak group: tunes of which one shares a quarter of its 8-note turns are one group.

    Turns are intervals and durations, so a transposed or renamed copy is found too.
    """
    turns = {tune.name: grams(tune.line) for tune in tunes}
    holders: dict[Any, list[str]] = {}
    for name, members in turns.items():
        for gram in members:
            holders.setdefault(gram, []).append(name)
    shared: Counter[tuple[str, str]] = Counter()
    for names in holders.values():
        shared.update((one, other) for one in names for other in names if one < other)
    group = {name: name for name in turns}
    for (one, other), count in shared.items():
        if count > TWIN_SHARE * max(1, min(len(turns[one]), len(turns[other]))):
            keep, drop = sorted((group[one], group[other]))
            group = {name: keep if held == drop else held for name, held in group.items()}
    return group


def grams(line: list[tuple[int, int]]) -> set[tuple[tuple[int, int], ...]]:
    """The runs of `GRAM` (interval, ticks) pairs of a line, rests aside."""
    notes = [(pitch, ticks) for pitch, ticks in line if pitch != REST]
    steps = [(b[0] - a[0], a[1]) for a, b in zip(notes, notes[1:], strict=False)]
    return {tuple(steps[n : n + GRAM]) for n in range(len(steps) - GRAM + 1)}


def split(parts: list[list[Note]]) -> tuple[list[Note], list[Note]]:
    """The melody's part and all other notes; of a single part, what lies under its top line."""
    if len(parts) > 1:
        return parts[0], [note for part in parts[1:] for note in part]
    top = {(onset, pitch) for onset, (_, pitch) in _top(parts[0]).items()}
    under = [note for note in parts[0] if (snapped(note[0]), note[2]) not in top]
    return parts[0], under


def found_key(notes: list[Note]) -> int:
    """Tonic of the major key that the notes' profile is nearest to (Krumhansl & Schmuckler)."""
    from music21 import note, stream

    flat = stream.Stream()
    for begin, until, pitch in notes:
        flat.append(note.Note(pitch, quarterLength=max(until - begin, 1 / TICKS)))
    key = flat.analyze("key")
    assert key, "music21 has no key"
    return (key.tonic.pitchClass + (MINOR_TO_MAJOR if key.mode == "minor" else 0)) % 12


def snapped(quarters: float) -> int:
    """Ticks of the nearest sixteenth or triplet eighth.

    >>> [snapped(q) for q in (0.5, 1 / 3, 2.26, 0.9)]
    [6, 4, 27, 12]
    """
    whole = int(quarters // 1)
    return whole * TICKS + min(GRID, key=lambda tick: abs((quarters - whole) * TICKS - tick))


def _top(notes: list[Note]) -> dict[int, tuple[int, int]]:
    """Onset -> (end, pitch) of the highest note that begins there, in ticks."""
    highest: dict[int, tuple[int, int]] = {}
    for begin, until, pitch in notes:
        onset, end = snapped(begin), snapped(until)
        if end > onset and (onset not in highest or pitch > highest[onset][1]):
            highest[onset] = (end, pitch)
    return highest


def _line(top: dict[int, tuple[int, int]]) -> list[tuple[int, int]]:
    line: list[tuple[int, int]] = []
    onsets = sorted(top)
    if onsets and onsets[0]:
        line += _pieces(REST, onsets[0])
    for onset, following in zip(onsets, [*onsets[1:], None], strict=False):
        end, pitch = top[onset]
        until = end if following is None else following
        gap = until - min(end, until)
        sounds = until - onset - (gap if gap >= SHORTEST_REST else 0)
        line += _pieces(pitch, sounds)
        if gap >= SHORTEST_REST:
            line += _pieces(REST, gap)
    return line


def _pieces(pitch: int, ticks: int) -> list[tuple[int, int]]:
    pieces = [(pitch, min(ticks, LONGEST))]
    left = ticks - pieces[0][1]
    while left > 0:
        pieces.append((REST, min(left, LONGEST)))
        left -= pieces[-1][1]
    return pieces


def _end(notes: list[Note]) -> int:
    return max((snapped(end) for _, end, _ in notes), default=0)


def _sounding(notes: list[Note], beat: int, *, beats: int) -> tuple[np.ndarray, np.ndarray]:
    chords = np.zeros((beats, 12), np.float32)
    lowest = np.full(beats, 128)
    for begin, until, pitch in notes:
        onset, end = snapped(begin), snapped(until)
        for index in range(onset // beat, min(-(-end // beat), beats)):
            chords[index, pitch % 12] = 1
            lowest[index] = min(lowest[index], pitch)
    return chords, np.where(lowest < 128, lowest % 12, -1).astype(np.int64)


def _symbols(score: Score, beat: int, *, beats: int) -> tuple[np.ndarray, np.ndarray]:
    chords, bass = np.zeros((beats, 12), np.float32), np.full(beats, -1, np.int64)
    for onset, classes, lowest in sorted(score.symbols):
        first = round(onset * TICKS) // beat
        chords[first:] = 0
        chords[first:, classes] = 1
        bass[first:] = lowest
    return chords, bass


def _pickup(score: Score, bar: int) -> int:
    """Ticks before the first whole bar; MIDI does not say, but keys change at bar lines."""
    if score.pickup is not None:
        return round(score.pickup * TICKS)
    changes = [round(onset * TICKS) % bar for onset, _ in score.keys if onset > 0]
    return Counter(changes).most_common(1)[0][0] if changes else 0
