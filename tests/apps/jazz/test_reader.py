import gzip
import importlib.metadata
import io
import zipfile
from pathlib import Path

import pytest

from seqapps.app import Skip
from seqapps.apps.jazz import ingest, reader, tunes
from tests.apps.jazz.conftest import ABC, midi, notes

TUNE = [(0.0, 0.5, 60), (0.5, 1.0, 62)]
NONE = Skip("no file of music; wanted MIDI, MusicXML, ABC or kern", "tune")


@pytest.fixture
def read(tmp_path):
    """The tunes of bytes in a file without an ending."""

    def of_bytes(content):
        (tmp_path / "tune").write_bytes(content)
        return list(reader.read(tmp_path / "tune"))

    return of_bytes


@pytest.fixture
def sequence(tmp_path):
    return midi(tmp_path / "a.mid", [notes([60, 62])]).read_bytes()


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda content: content,
        lambda content: b"RIFF\0\0\0\0RMIDdata\0\0\0\0" + content,
        gzip.compress,
    ],
)
def test_midi_is_known_by_content(read, sequence, wrapped):
    assert [score.parts for score in read(wrapped(sequence))] == [[TUNE]]


@pytest.mark.parametrize("content", [b"", b"no music at all", b"\0" * 100, b"PK\5\6" + b"\0" * 18])
def test_what_is_no_music_is_named(read, content):
    assert read(content) == [NONE]


def test_a_damaged_file_is_left_out_with_what_the_library_says(read, sequence):
    [skip] = read(sequence[:30])
    assert skip == Skip("cannot be read: the file ends in the middle", "tune")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("notes.txt", "x")
    assert read(packed.getvalue()) == [Skip("a zip file that holds no MusicXML", "tune")]


def test_several_tunes_are_named_after_the_file_and_their_numbers(tmp_path):
    (tmp_path / "set.abc").write_text(ABC)
    assert [score.name for score in reader.read(tmp_path / "set.abc")] == ["set-1", "set-2"]


def test_what_music21_reads_of_maple_leaf_has_known_counts():
    """Pinned for music21 10.5.1: another version may split or tie otherwise."""
    path = importlib.metadata.distribution("music21").locate_file(ingest.TWIN[0])
    [score] = reader.read(Path(str(path)))
    assert [len(part) for part in score.parts] == [687, 802]
    assert score.pickup == 0.5
    tune = tunes.arrange(score)
    assert (len(tune.line), len(tune.bass), tune.meter) == (445, 168, (2, 4))
    assert set(tune.tonic.tolist()) == {8, 1}
