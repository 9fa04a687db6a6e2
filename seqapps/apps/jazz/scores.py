"""A tune as notes, as its file says it. Times are quarter notes from the start, as floats."""

from dataclasses import dataclass, field
from typing import NamedTuple

DRUM_CHANNEL = 9
VELOCITY = 64
"""Of notes whose file does not say it."""

MINOR_TO_MAJOR = 3

Note = tuple[float, float, int]
"""Onset, end, MIDI pitch."""


class Voice(NamedTuple):
    """A part as it sounds: notes are (onset, end, MIDI pitch, velocity 1 to 127)."""

    name: str
    program: int
    drums: bool
    notes: list[tuple[float, float, int, int]]


class Recording(NamedTuple):
    """A file's voices, drums too, and its first tempo in quarter notes a minute, None if unsaid."""

    voices: list[Voice]
    tempo: float | None
    tempo_changes: bool


@dataclass
class Score:
    """A tune as its file says it; `parts` without drums and without empty parts, top one first."""

    name: str
    parts: list[list[Note]]
    keys: list[tuple[float, int]] = field(default_factory=list)  # onset, tonic of the major key
    meters: list[tuple[float, int, int]] = field(default_factory=list)
    pickup: float | None = None  # quarter notes before the first whole bar; None = not said
    symbols: list[tuple[float, list[int], int]] = field(default_factory=list)  # onset, pcs, bass
    remarks: list[str] = field(default_factory=list)  # on what of the file could not be read
    recording: Recording = Recording([], None, False)

    @property
    def names(self) -> list[str]:
        """The names of the parts, in their order."""
        return [voice.name for voice in self.recording.voices if not voice.drums]
