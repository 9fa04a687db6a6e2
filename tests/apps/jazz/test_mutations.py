"""Damaged copies of small tunes: each is read, or left out by name.

`python -m tests.apps.jazz.test_mutations 10000` tries more of them.
"""

import random
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import mido
import pytest

from seqapps.app import Skip, UserFile
from seqapps.apps.jazz import charts, notation, predict
from seqapps.apps.jazz.params import Predict
from seqapps.config import UserError
from tests.apps.jazz.conftest import midi, notes
from tests.mutations import mutated

ABC = "X:1\nT:One\nM:4/4\nL:1/8\nK:G\n" + '"G"GABc "D7"d2 d2|"Em"B4 B4|\n' * 6
KERN = "**kern\n*M2/4\n*k[f#]\n" + "".join(f"={n}\n4g\n8a\n8b\n" for n in range(12)) + "*-\n"
NOTE = "<note><pitch><step>{}</step><octave>5</octave></pitch><duration>1</duration></note>"
BAR = '<measure number="{}">{}</measure>'
XML = (
    '<?xml version="1.0"?><score-partwise version="3.1"><part-list><score-part id="P1">'
    '<part-name>a</part-name></score-part></part-list><part id="P1"><measure number="0">'
    "<attributes><divisions>1</divisions></attributes></measure>\n"
    + "\n".join(BAR.format(n, "".join(map(NOTE.format, "CDEF"))) for n in range(1, 6))
    + "</part></score-partwise>"
)
CHORDS = "| Dm7 G7(b9) | C^7/E | A-7 D13 | NC % | Bb:hdim7 F#o7 |"


def band(folder: Path) -> bytes:
    """A tune of two voices and drums, as MIDI."""
    head = [
        mido.MetaMessage("set_tempo", tempo=400_000),
        mido.MetaMessage("key_signature", key="F"),
    ]
    tracks = [head, notes([72, 74, 76, 77] * 6), notes([48, 52] * 6, channel=1, ticks=96)]
    return midi(folder / "band.mid", [*tracks, notes([36] * 9, channel=9)]).read_bytes()


def ask(folder: Path, content: bytes) -> None:
    path = folder / "tune"
    path.write_bytes(content)
    params = SimpleNamespace(predict=Predict())
    try:
        for entry in predict.requests(params, folder, UserFile(path, path.name)):
            if not isinstance(entry, Skip):
                meta, row = entry
                assert len(row["chords"]) == len(row["bass"]) == row["beats"] > 0
                assert 20 <= meta["tempo"] <= 400
                assert {note[2] for voice in meta["voices"] for note in voice.notes} <= {
                    *range(128)
                }
    except UserError as error:
        assert str(error)


def spell(folder: Path, content: bytes) -> None:
    del folder
    try:
        tune = charts.read(content.decode("utf-8", "replace"), "4/4", choruses=1)
        assert tune.chords.shape == (len(tune.bass), 12)
    except UserError as error:
        assert str(error)


READERS = {
    "midi": (band, ask),
    "abc": (lambda _: ABC.encode(), ask),
    "kern": (lambda _: KERN.encode(), ask),
    "musicxml": (lambda _: XML.encode(), ask),
    "chords": (lambda _: CHORDS.encode(), spell),
}


def campaign(folder: Path, reader: str, count: int) -> None:
    made, read = READERS[reader]
    content, rng = made(folder), random.Random(reader)
    for _ in range(count):
        read(folder, mutated(content, rng))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("reader", READERS)
def test_a_damaged_tune_is_read_or_left_out_by_name(tmp_path, reader, capsys):
    campaign(tmp_path, reader, {"abc": 100}.get(reader, 300))


@pytest.mark.filterwarnings("ignore")
def test_a_damaged_tune_changes_none_of_its_neighbours():
    tunes = [ABC.replace("X:1", f"X:{n}").replace("GABc", "GABcdefg"[n:][:4]) for n in range(3)]
    intact = [score.parts for tune in tunes for score in notation.scores(tune.encode(), "a")]
    assert len({str(parts) for parts in intact}) == 3
    rng = random.Random("neighbours")
    for _ in range(20):
        body = tunes[1].removeprefix("X:1\n").encode()
        middle = "X:1\n" + mutated(body, rng).decode("utf-8", "replace").replace("\0", "")
        read = list(notation.scores(f"{tunes[0]}\n{middle}\n{tunes[2]}".encode(), "a"))
        around = [score.parts for score in (read[0], read[-1]) if not isinstance(score, Skip)]
        assert around == [intact[0], intact[2]]


def test_the_whole_chart_is_read():
    assert charts.read(CHORDS, "4/4", choruses=1).bass[-4:].tolist() == [10, 10, 6, 6]


if __name__ == "__main__":
    for name in sys.argv[2:] or READERS:
        with tempfile.TemporaryDirectory() as scratch:
            campaign(Path(scratch), name, int(sys.argv[1]))
        print(f"{name}: {sys.argv[1]} read or left out", file=sys.stderr)
