"""MIDI -> a score, tick by tick: music21 rounds to a grid of its own and needs seconds a file."""

import io
import itertools
from collections.abc import Iterator
from typing import Any

from seqapps.apps.jazz.scores import DRUM_CHANNEL, MINOR_TO_MAJOR, Recording, Score, Voice
from seqapps.config import UserError
from seqapps.kit import files

TONICS = {"Cb": 11, "Gb": 6, "Db": 1, "Ab": 8, "Eb": 3, "Bb": 10, "F": 5} | {
    "C": 0, "G": 7, "D": 2, "A": 9, "E": 4, "B": 11, "F#": 6, "C#": 1
}  # fmt: skip


def score(content: bytes, name: str) -> Score:
    """The tune of a MIDI file's bytes; its voices are the channels of each track.

    Raises:
        UserError: its tracks are tunes of their own, or its quarter notes have no ticks.
    """
    import mido

    file = mido.MidiFile(file=io.BytesIO(content), clip=True)
    if file.type == 2:
        raise UserError("MIDI of type 2, whose tracks are tunes of their own; save it as type 1")
    quarter = _ticks_of_quarter(content)
    keys: dict[float, int] = {}
    meters: dict[float, tuple[int, int]] = {}
    tempos: dict[float, float] = {}
    voices = []
    programs = _programs(file.tracks)
    for number, track in enumerate(file.tracks, start=1):
        for message, now in _timed(track):
            if message.type == "key_signature":
                keys[now / quarter] = _tonic(message.key)
            elif message.type == "time_signature":
                meters[now / quarter] = (message.numerator, message.denominator)
            elif message.type == "set_tempo" and message.tempo:
                tempos[now / quarter] = 60e6 / message.tempo
        voices += _voices(track, programs, quarter=quarter, name=f"track {number}")
    if keys:
        keys.setdefault(0.0, 0)  # no signature is the signature of C
    tempo = tempos[min(tempos)] if tempos else None
    return Score(
        name,
        [[note[:3] for note in voice.notes] for voice in voices if not voice.drums],
        sorted(keys.items()),
        [(time, *meter) for time, meter in sorted(meters.items())],
        recording=Recording(voices, tempo, len(set(tempos.values())) > 1),
    )


def _ticks_of_quarter(content: bytes) -> float:
    """Ticks of a quarter note; of SMPTE's division, which counts frames, at 120 quarters a minute.

    Raises:
        UserError: the division is zero.
    """
    high, low = content[12:14]
    ticks = (256 - high) * low / 2 if high & 0x80 else 256 * high + low
    if not ticks:
        raise UserError("its header says that a quarter note has no ticks")
    return ticks


def _timed(track: Any) -> Iterator[tuple[Any, int]]:
    now = 0
    for message in track:
        now += message.time
        yield message, now


def _programs(tracks: Any) -> dict[int, int]:
    """The first program of each channel, which a track without the channel's notes may set."""
    programs: dict[int, int] = {}
    for message in itertools.chain(*tracks):
        if message.type == "program_change":
            programs.setdefault(message.channel, message.program)
    return programs


def _voices(track: Any, programs: dict[int, int], *, quarter: float, name: str) -> list[Voice]:
    """The voices of a track, one a channel."""
    notes: dict[int, list[tuple[float, float, int, int]]] = {}
    programs = programs | _programs([track])
    sounding: dict[tuple[int, int], list[tuple[int, int]]] = {}
    now = 0

    def end(channel: int, pitch: int) -> None:
        begin, velocity = sounding[channel, pitch].pop(0)
        if now > begin:
            held = (begin / quarter, now / quarter, pitch, velocity)
            notes.setdefault(channel, []).append(held)

    for message, now in _timed(track):  # noqa: B007  `end` reads it
        if message.type == "track_name":
            # mido reads every byte as Latin-1.
            name = files.decoded(message.name.encode("latin-1")).text.strip("\0 ") or name
        elif message.type in ("note_on", "note_off"):
            begun = sounding.setdefault((message.channel, message.note), [])
            if message.type == "note_on" and message.velocity:
                begun.append((now, message.velocity))
            elif begun:
                end(message.channel, message.note)
    for (channel, pitch), begun in sounding.items():  # a file that is cut has notes without end
        for _ in list(begun):
            end(channel, pitch)
    alone = len(notes) == 1
    return [
        Voice(
            name if alone else f"{name}, channel {channel + 1}",
            programs.get(channel, 0),
            channel == DRUM_CHANNEL,
            sorted(of_channel),
        )
        for channel, of_channel in sorted(notes.items())
    ]


def _tonic(key: str) -> int:
    """Pitch class of a key signature's major tonic.

    >>> _tonic("Am"), _tonic("Bb")
    (0, 10)
    """
    minor = key.endswith("m")
    return (TONICS[key.removesuffix("m")] + MINOR_TO_MAJOR * minor) % 12
