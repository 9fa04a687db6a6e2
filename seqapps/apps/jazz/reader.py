"""Files of music -> scores. What a file begins with decides its format, not its name."""

from collections.abc import Iterator
from pathlib import Path

from seqapps.app import Skip
from seqapps.apps.jazz import midi, notation
from seqapps.apps.jazz.scores import Score
from seqapps.config import UserError
from seqapps.kit import files

SUFFIXES = (".mid", ".midi", ".kar", ".xml", ".musicxml", ".mxl", ".abc", ".krn")


def read(path: Path, name: str = "") -> Iterator[Score | Skip]:
    """The tunes of one file (an ABC may hold several), or why it could not be read.

    Tunes are called after the file's stem; `name` is the user's word for the file in messages, if
    that is not its name.
    """
    name = name or path.name
    try:
        content = files.content(path, name=name)
        if (sequence := _midi_of(content)) is not None:
            scores: list[Score | Skip] = [midi.score(sequence, path.stem)]
        else:
            scores = list(notation.scores(content, path.stem))
    except UserError as error:
        yield Skip(str(error), name)
    except Exception as error:  # the libraries raise whatever a broken file makes them raise
        yield Skip(notation.unreadable(error), name)
    else:
        yield from scores


def _midi_of(content: bytes) -> bytes | None:
    """The MIDI in a file's content, also inside RIFF; None if there is none."""
    if content[:4] == b"RIFF" and content[8:12] == b"RMID":
        content = content[20:]
    return content if content[:4] == b"MThd" else None
