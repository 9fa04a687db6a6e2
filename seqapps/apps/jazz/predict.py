"""Predict: a user's tunes or chords to a solo over them, as files that a musician opens."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from seqapps.app import Meta, Record, Skip
from seqapps.apps.jazz import ingest, performance, scores, tunes
from seqapps.apps.jazz.params import Params, Predict
from seqapps.apps.jazz.performance import Performance
from seqapps.apps.jazz.scores import Note
from seqapps.apps.jazz.tunes import TICKS, Tune
from seqapps.config import UserError

SAME = ("%", ".")
SILENT = ("NC", "N.C.")


def requests(
    params: Params, assets: Path, paths: list[Path]
) -> Iterator[tuple[Meta, Record] | Skip]:
    """A chart of each tune in the files, or of the chords given; its name and accompaniment.

    Raises:
        UserError: a file has no known format, or a chord cannot be read.
    """
    del assets
    table = params.predict
    if table.chords:
        tune = charted(table.chords, table.meter, choruses=table.choruses)
        notes = performance.comping(tune.chords, tune.bass, meter=tune.meter)
        yield _request(table, tune, notes, 0)
    number = 0
    for path in ingest.files(paths):
        for score in scores.read(path):
            tune = score if isinstance(score, Skip) else tunes.arrange(score)
            if isinstance(tune, Skip) or isinstance(score, Skip):
                assert isinstance(tune, Skip)
                yield tune
                continue
            number += 1
            if not tune.chords.any():
                print(f"predict: {tune.name} has no accompaniment: a solo over no chords")
            written = tunes.split(score.parts)[1]
            notes = written or performance.comping(tune.chords, tune.bass, meter=tune.meter)
            yield _request(table, tune, notes, number)


def render(
    params: Params, assets: Path, rows: Iterable[tuple[Meta, Record]], out: Path
) -> list[Path]:
    """Writes `solo.mid`, `.musicxml`, `.wav` and pictures; with several tunes, `<tune>-solo...`."""
    del assets
    table = params.predict
    written: list[Path] = []
    answered = list(rows)
    for meta, response in answered:
        tune: Tune = meta["tune"]
        played = Performance(
            title=f"Solo over {tune.name}",
            solo=performance.solo_of(response),
            accompaniment=meta["accompaniment"],
            meter=tune.meter,
            pickup=tune.pickup / TICKS,
            tonic=int(tune.tonic[0]),
            tempo=table.tempo,
            swing=table.swing,
        )
        name = "solo" if len(answered) == 1 else f"{tune.name}-solo"
        written += performance.write(played, out, name)
    return written


def example_input(row: Record, out: Path) -> str:
    """The chords of a blues; a request's own are spelled out beat by beat."""
    del row, out
    return "C7 F7 C7 C7 F7 F7 C7 A7 Dm7 G7 C7 G7"


def charted(text: str, meter: str, *, choruses: int) -> Tune:
    """A chart without a melody: a chord a bar, or bars between commas whose chords share the beats.

    `%` or `.` is the chord before, `NC` none.

    Raises:
        UserError: a chord's name is not known, or a bar has more chords than beats.
    """
    numerator, denominator = map(int, meter.split("/"))
    if denominator not in (2, 4, 8) or numerator < 1:
        raise UserError(f"METER={meter}; wanted a number over 2, 4 or 8, like 4/4 or 6/8")
    beat = tunes.beat_ticks(numerator, denominator)
    beats = max(numerator * 4 * TICKS // denominator // beat, 1)
    bars = text.split(",") if "," in text else text.split()
    chords, bass = [], []
    for bar in filter(None, (bar.split() for bar in bars)):
        if len(bar) > beats:
            raise UserError(f"CHORDS: '{' '.join(bar)}' has {len(bar)} chords in {beats} beats")
        for index in range(beats):
            name = bar[index * len(bar) // beats]
            known = index and name == bar[(index - 1) * len(bar) // beats]
            parsed = (chords[-1], bass[-1]) if (name in SAME or known) and chords else chord(name)
            chords.append(parsed[0])
            bass.append(parsed[1])
    if not chords:
        raise UserError(f"CHORDS={text!r} holds no chord; wanted something like C7 F7 C7 G7")
    shown = np.tile(np.array(chords, np.float32), (choruses, 1))
    notes: list[Note] = [
        (n, n + 1, int(60 + c)) for n, row in enumerate(shown) for c in np.flatnonzero(row)
    ]
    return Tune(
        name=text,
        line=[],
        chords=shown,
        bass=np.tile(np.array(bass, np.int64), choruses),
        tonic=np.full(len(shown), tunes.found_key(notes) if notes else 0, np.int64),
        meter=(numerator, denominator),
        pickup=0,
    )


def chord(name: str) -> tuple[np.ndarray, int]:
    """Pitch classes (12,) of a chord symbol, 1 where it has one, and its bass.

    >>> chord("Bb7/D")[0].nonzero()[0].tolist(), chord("Bb7/D")[1]
    ([2, 5, 8, 10], 2)

    Raises:
        UserError: it cannot be read.
    """
    from music21 import harmony

    if name.upper() in SILENT:
        return np.zeros(12, np.float32), -1
    spelled = re.sub(r"(^|/)([A-G])b", r"\1\2-", name)
    spelled = re.sub(r"(maj|Maj|MA|Δ)(?=9|13)", "M", spelled)
    try:
        symbol = harmony.ChordSymbol(spelled)
        classes = [pitch.pitchClass for pitch in symbol.pitches]
        lowest = symbol.bass()
        pitch_classes = np.isin(np.arange(12), classes).astype(np.float32)
        return pitch_classes, lowest.pitchClass if lowest else -1
    except Exception:  # music21 raises several kinds for a name it does not know
        raise UserError(
            f"CHORDS: '{name}' is not a chord that is known here; wanted names like C, Am, F#7, "
            "Bbmaj7, Dm7b5, G7/B, % (as before) or NC (none)"
        ) from None


def _request(
    table: Predict, tune: Tune, accompaniment: list[Any], number: int
) -> tuple[Meta, Record]:
    columns = tune.columns()
    for name in ("pitch", "duration"):
        columns[name] = columns[name][: table.primer_notes]
    columns |= {
        "beats": np.int64(len(tune.bass)),
        "temperature": np.float32(0 if table.beam else table.temperature),
        "top_p": np.float32(table.top_p),
        "seed": np.int64(table.seed + number),
    }
    return {"tune": tune, "accompaniment": accompaniment}, columns
