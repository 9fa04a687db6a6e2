"""Predict: a user's tune or chords to a solo over them, as files that a musician opens."""

import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from seqapps.app import Meta, Record, Skip, UserFile
from seqapps.apps.jazz import charts, performance, reader, tunes
from seqapps.apps.jazz.params import Params, Predict
from seqapps.apps.jazz.performance import Performance
from seqapps.apps.jazz.scores import Note, Score, Voice
from seqapps.apps.jazz.tunes import TICKS, Tune
from seqapps.config import UserError

TEMPO, SLOWEST, FASTEST = 120.0, 20.0, 400.0
LONGEST_NAME, LONGEST_TITLE = 200, 80
"""Bytes of an output's name, and signs of a title."""


def requests(
    params: Params, assets: Path, file: UserFile | None
) -> Iterator[tuple[Meta, Record] | Skip]:
    """A chart of each tune in the file, or of the chords given; its name and accompaniment.

    Raises:
        UserError: a chord cannot be read, no part is called as `predict.melody` says, or the file
            holds one tune at most and that cannot be used.
    """
    del assets
    table = params.predict
    if file is None:
        tune = charts.read(table.chords, table.meter, choruses=table.choruses)
        notes = performance.comping(tune.chords, tune.bass, meter=tune.meter)
        yield _request(table, tune, meta={"accompaniment": notes, "name": "solo"}, number=0)
        return
    scores = list(reader.read(file.path, file.name))
    for number, score in enumerate(scores, start=1):
        name = f"{file.name}-{number}" if len(scores) > 1 else file.name
        tune = score if isinstance(score, Skip) else _tune(score, table.melody, name=name)
        if isinstance(score, Skip) or isinstance(tune, Skip):
            assert isinstance(tune, Skip)
            if len(scores) == 1:
                raise UserError(f"{name}: {tune.reason}")
            yield Skip(tune.reason, name)
            continue
        written = tunes.split(score.parts)[1]
        notes = written or performance.comping(tune.chords, tune.bass, meter=tune.meter)
        meta = {
            "accompaniment": notes,
            "name": f"{name}-solo",
            "tempo": _tempo(score, table, name),
            "voices": _accompanying(score, written=written, comping=notes),
        }
        yield _request(table, tune, meta=meta, number=number)


def render(
    params: Params, assets: Path, rows: Iterable[tuple[Meta, Record]], out: Path
) -> list[Path]:
    """Writes `<file>-solo.mid`, `.musicxml`, `.wav` and pictures; of chords, `solo.mid` ..."""
    del assets
    table = params.predict
    written: list[Path] = []
    names: set[str] = set()
    for meta, response in rows:
        tune: Tune = meta["tune"]
        name = _output_name(meta["name"], names)
        beats = float(np.sum(response["duration"])) * TICKS / tunes.beat_ticks(*tune.meter)
        if round(beats) < len(tune.bass):
            print(f"predict: {name}: the solo ends after {beats:.0f} of {len(tune.bass)} beats")
        played = Performance(
            title=_title(tune.name),
            solo=performance.solo_of(response),
            accompaniment=meta["accompaniment"],
            meter=tune.meter,
            pickup=tune.pickup / TICKS,
            tonic=int(tune.tonic[0]),
            tempo=table.tempo or meta.get("tempo", TEMPO),
            swing=table.swing,
            voices=meta.get("voices", ()),
        )
        written += performance.write(played, out, name)
    return written


def example_input(row: Record, out: Path) -> str:
    """The chords of a blues; a request's own are spelled out beat by beat."""
    del row, out
    return "C7 F7 C7 C7 F7 F7 C7 A7 Dm7 G7 C7 G7"


def _tune(score: Score, melody: str, *, name: str) -> Tune | Skip:
    """The tune of a score, whose chosen part is put on top; what is not as written is said."""
    try:
        put_on_top(score, melody)
    except UserError as error:
        return Skip(str(error), name)
    tune = tunes.arrange(score)
    if isinstance(tune, Skip):
        return tune
    remarks = list(score.remarks)
    if not tune.chords.any():
        remarks.append("has no accompaniment: a solo over no chords")
    if not melody and len(score.parts) > 2:
        others = _listed(score.names[1:], first=2)
        remarks.append(f"the solo replaces '{score.names[0]}'; MELODY= chooses another: {others}")
    for remark in remarks:
        print(f"predict: {name}: {remark}")
    return tune


def _listed(names: list[str], *, first: int = 1) -> str:
    return ", ".join(f"{n} '{name}'" for n, name in enumerate(names, start=first)) or "none"


def _output_name(name: str, names: set[str]) -> str:
    """A name for files, unlike those in `names`, to which it is added."""
    begin = os.fsdecode(os.fsencode(name.replace("/", "~"))[-LONGEST_NAME:])
    numbered = (f"{begin}-{number}" for number in itertools.count(2))
    chosen = next(one for one in itertools.chain([begin], numbered) if one.casefold() not in names)
    names.add(chosen.casefold())
    return chosen


def _title(name: str) -> str:
    printable = "".join(sign if sign.isprintable() else " " for sign in name)
    return f"Solo over {printable[:LONGEST_TITLE]}{'...' if len(name) > LONGEST_TITLE else ''}"


def put_on_top(score: Score, melody: str) -> None:
    """Moves the chosen part to the top of its score; without a choice, none.

    Args:
        score: of which `parts` and `recording` change.
        melody: a part's name, or its number from 1.

    Raises:
        UserError: there is no such part.
    """
    if not melody:
        return
    names = [name.casefold() for name in score.names]
    chosen = int(melody) - 1 if melody.isdecimal() and len(melody) < 5 else -1
    if melody.casefold() in names:
        chosen = names.index(melody.casefold())
    if not 0 <= chosen < len(score.parts):
        raise UserError(f"no part is MELODY={melody}; there is: {_listed(score.names)}")
    score.parts.insert(0, score.parts.pop(chosen))
    pitched = [voice for voice in score.recording.voices if not voice.drums]
    pitched.insert(0, pitched.pop(chosen))
    drums = [voice for voice in score.recording.voices if voice.drums]
    score.recording = score.recording._replace(voices=pitched + drums)


def _accompanying(score: Score, *, written: list[Note], comping: list[Note]) -> tuple[Voice, ...]:
    """The voices under the melody, with drums; of a melody's own part the notes under its top.

    A piano comps where nothing is written but the melody and drums.
    """
    voices = score.recording.voices
    if not written:
        drums = [voice for voice in voices if voice.drums]
        return (performance.by_piano("accompaniment", comping), *drums)
    first = next(index for index, voice in enumerate(voices) if not voice.drums)
    if len(score.parts) > 1:
        return tuple(voices[:first] + voices[first + 1 :])
    under = set(written)
    under_top = voices[first]._replace(notes=[n for n in voices[first].notes if n[:3] in under])
    return (under_top, *voices[:first], *voices[first + 1 :])


def _tempo(score: Score, table: Predict, name: str) -> float:
    """The tempo a tune begins in; what is left of its file is said, unless TEMPO is named."""
    tempo = score.recording.tempo or TEMPO
    slow_or_fast = not SLOWEST <= tempo <= FASTEST
    if table.tempo is None and slow_or_fast:
        print(f"predict: {name}: {tempo:.4g} quarter notes a minute; {TEMPO:g} are taken")
    elif table.tempo is None and score.recording.tempo_changes:
        print(f"predict: {name}: its tempo changes; the first, {tempo:.4g}, is kept")
    return TEMPO if slow_or_fast else tempo


def _request(table: Predict, tune: Tune, meta: Meta, number: int) -> tuple[Meta, Record]:
    columns = tune.columns()
    for name in ("pitch", "duration"):
        columns[name] = columns[name][: table.primer_notes]
    columns |= {
        "beats": np.int64(len(tune.bass)),
        "temperature": np.float32(0 if table.beam else table.temperature),
        "top_p": np.float32(table.top_p),
        "seed": np.int64(table.seed + number),
    }
    return meta | {"tune": tune}, columns
