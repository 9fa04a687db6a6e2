"""Files of music -> tunes as notes: MIDI through mido, everything else through music21.

MIDI is read tick by tick because music21 rounds it to a grid of its own and needs seconds a file.
Times are quarter notes from the start, as floats.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seqapps.app import Skip

MIDI = (".mid", ".midi")
NOTATION = (".xml", ".musicxml", ".mxl", ".abc", ".krn")
DRUM_CHANNEL = 9
TONICS = {"Cb": 11, "Gb": 6, "Db": 1, "Ab": 8, "Eb": 3, "Bb": 10, "F": 5} | {
    "C": 0, "G": 7, "D": 2, "A": 9, "E": 4, "B": 11, "F#": 6, "C#": 1
}  # fmt: skip
MINOR_TO_MAJOR = 3

Note = tuple[float, float, int]
"""Onset, end, MIDI pitch."""


@dataclass
class Score:
    """A tune as its file says it; `parts` without drums and without empty parts, top one first."""

    name: str
    parts: list[list[Note]]
    keys: list[tuple[float, int]] = field(default_factory=list)  # onset, tonic of the major key
    meters: list[tuple[float, int, int]] = field(default_factory=list)
    pickup: float | None = None  # quarter notes before the first whole bar; None = not said
    symbols: list[tuple[float, list[int], int]] = field(default_factory=list)  # onset, pcs, bass


def read(path: Path) -> Iterator[Score | Skip]:
    """The tunes of one file (an ABC may hold several), or why it could not be read."""
    try:
        scores = list(_midi(path) if path.suffix.lower() in MIDI else _notation(path))
    except Exception as error:  # the readers raise whatever a broken file makes them raise
        reason = str(error).splitlines()[0][:80] if str(error) else ""
        yield Skip(f"cannot be read ({type(error).__name__}: {reason})", path.name)
        return
    if not scores:
        yield Skip("holds no tune", path.name)
    yield from scores


def _midi(path: Path) -> Iterator[Score]:
    import mido

    file = mido.MidiFile(str(path))
    quarter = file.ticks_per_beat
    parts, keys, meters = [], {}, {}
    for track in file.tracks:
        now, sounding, notes = 0, {}, []
        for message in track:
            now += message.time
            if message.type == "key_signature":
                keys[now / quarter] = _tonic(message.key)
            elif message.type == "time_signature":
                meters[now / quarter] = (message.numerator, message.denominator)
            elif message.type in ("note_on", "note_off") and message.channel != DRUM_CHANNEL:
                begun = sounding.setdefault((message.channel, message.note), [])
                if message.type == "note_on" and message.velocity:
                    begun.append(now)
                elif begun:
                    notes.append((begun.pop(0) / quarter, now / quarter, message.note))
        if notes:
            parts.append(sorted(notes))
    if keys:
        keys.setdefault(0.0, 0)  # no signature is the signature of C
    yield Score(
        path.stem, parts, sorted(keys.items()), [(t, *m) for t, m in sorted(meters.items())]
    )


def _tonic(key: str) -> int:
    """Pitch class of a key signature's major tonic.

    >>> _tonic("Am"), _tonic("Bb")
    (0, 10)
    """
    minor = key.endswith("m")
    return (TONICS[key.removesuffix("m")] + MINOR_TO_MAJOR * minor) % 12


def _notation(path: Path) -> Iterator[Score]:
    from music21 import converter, stream

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parsed = converter.parse(str(path.absolute()), forceSource=True)
        tunes = list(parsed.scores) if isinstance(parsed, stream.Opus) else [parsed]
        for number, tune in enumerate(tunes):
            name = path.stem if len(tunes) == 1 else f"{path.stem}-{number + 1}"
            yield _score(tune, name)


def _score(tune: Any, name: str) -> Score:
    from music21 import harmony, key, meter, stream

    parts, score = [], Score(name, [])
    for number, part in enumerate(tune.parts if isinstance(tune, stream.Score) else [tune]):
        flat = part.stripTies().flatten()
        notes = []
        for sound in flat.notes:
            onset = float(sound.offset)
            if isinstance(sound, harmony.ChordSymbol):
                classes = sorted({pitch.pitchClass for pitch in sound.pitches})
                if classes:
                    bass = sound.bass()
                    score.symbols.append((onset, classes, bass.pitchClass if bass else -1))
                continue
            end = onset + float(sound.quarterLength)
            notes += [(onset, end, pitch.midi) for pitch in sound.pitches if end > onset]
        if notes:
            parts.append(sorted(notes))
        if number == 0:
            signatures = flat.getElementsByClass(key.KeySignature)
            score.keys = [(float(k.offset), 7 * k.sharps % 12) for k in signatures]
            score.meters = [
                (float(m.offset), m.numerator, m.denominator)
                for m in flat.getElementsByClass(meter.TimeSignature)
            ]
            score.pickup = _pickup(part)
    score.parts = parts
    return score


def _pickup(part: Any) -> float:
    from music21 import stream

    first = part.getElementsByClass(stream.Measure).first()
    if first is None:
        return 0.0
    length, whole = float(first.duration.quarterLength), float(first.barDuration.quarterLength)
    return length if 0 < length < whole else 0.0
