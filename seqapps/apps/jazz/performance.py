"""A solo over its accompaniment as files that a musician opens: MIDI, MusicXML, WAV, pictures.

Times are quarter notes; swing is in what is heard (MIDI, WAV), not in what is written.
"""

import io
import warnings
import wave
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from seqapps.apps.jazz.scores import Note, Voice
from seqapps.apps.jazz.tunes import TICKS, beat_ticks
from seqapps.kit import plots

VELOCITY = {"solo": 92, "accompaniment": 62}
RESOLUTION = 480
PIANO = 0
MOST_VOICES = 14
"""Of the accompaniment: MIDI has 15 channels beside the drums', one is the solo's."""

PEAK = 0.8
SHARPS_OF_TONIC = {7 * sharps % 12: sharps for sharps in range(-5, 7)}
BASS_FROM, CHORD_FROM = 36, 54
ROLL_QUARTERS = 32
PAGE = {
    "pageWidth": 2100,
    "adjustPageHeight": True,
    "scale": 45,
    "header": "none",
    "footer": "none",
    "breaks": "auto",
}


@dataclass(frozen=True)
class Performance:
    """A performance: notes (onset, end, MIDI pitch) of solo and accompaniment, tempo and meter.

    `voices` is the accompaniment as its file plays it, with programs, dynamics and drums; without
    them a piano plays it.
    """

    title: str
    solo: list[Note]
    accompaniment: list[Note]
    meter: tuple[int, int]
    pickup: float
    tonic: int
    tempo: float = 120
    swing: bool = False
    voices: tuple[Voice, ...] = ()


def solo_of(response: dict[str, Any]) -> list[Note]:
    """The notes of an answer of `serving_default`; rests and what follows the end are none."""
    rows = zip(response["onset"], response["duration"], response["pitch"], strict=True)
    return [
        (float(onset), float(onset + length), int(pitch))
        for onset, length, pitch in rows
        if length > 0 and pitch > 0
    ]


def comping(chords: np.ndarray, bass: np.ndarray, *, meter: tuple[int, int]) -> list[Note]:
    """An accompaniment for chords (N, 12) by beat: bass and chord in turn, bass on the first."""
    beat = beat_ticks(*meter) / TICKS
    beats_of_bar = max(round(meter[0] * 4 / meter[1] / beat), 1)
    notes: list[Note] = []
    for index, (classes, lowest) in enumerate(zip(chords, bass, strict=True)):
        begin, end = index * beat, (index + 1) * beat
        on_bass = index % beats_of_bar % 2 == 0 or beats_of_bar == 1
        if on_bass and lowest >= 0:
            notes.append((begin, end, _from(BASS_FROM, int(lowest))))
        elif not on_bass:
            notes += [(begin, end, _from(CHORD_FROM, int(c))) for c in np.flatnonzero(classes)]
    return notes


def write(performance: Performance, out: Path, name: str) -> list[Path]:
    """Writes `<name>.mid`, `.musicxml`, `.wav`, `-roll.png`, `-score.png`; returns the paths."""
    paths = [out / f"{name}{end}" for end in (".mid", ".musicxml", ".wav", "-roll.png")]
    midi(performance).write(str(paths[0]))
    notation(performance, paths[1])
    paths[2].write_bytes(sound(paths[0].read_bytes()))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # of a title in a script that the font lacks
        plots.save(roll(performance), paths[3])
    picture = out / f"{name}-score.png"
    picture.write_bytes(engraved(paths[1]))
    return [*paths, picture]


def midi(performance: Performance) -> Any:
    """The performance as a `pretty_midi.PrettyMIDI`, melody first; swing and tempo are in it."""
    import pretty_midi

    file = pretty_midi.PrettyMIDI(resolution=RESOLUTION, initial_tempo=performance.tempo)
    numerator, denominator = performance.meter
    file.time_signature_changes.append(pretty_midi.TimeSignature(numerator, denominator, 0))
    file.key_signature_changes.append(pretty_midi.KeySignature(performance.tonic, 0))
    second = 60 / performance.tempo
    voices = performance.voices or (by_piano("accompaniment", performance.accompaniment),)
    for voice in (by_piano("solo", performance.solo), *_within_channels(voices)):
        # mido writes names as Latin-1; so their UTF-8 lies in the file.
        name = voice.name.encode("utf-8", "replace").decode("latin-1")
        instrument = pretty_midi.Instrument(voice.program, voice.drums, name=name)
        for onset, end, pitch, velocity in voice.notes:
            begin, until = (swung(time) if performance.swing else time for time in (onset, end))
            instrument.notes.append(
                pretty_midi.Note(velocity, pitch, begin * second, until * second)
            )
        file.instruments.append(instrument)
    return file


def by_piano(part: str, notes: list[Note]) -> Voice:
    """The solo or the accompaniment as a piano plays it, a part of `VELOCITY`."""
    return Voice(part, PIANO, False, [(*note, VELOCITY[part]) for note in notes])


def swung(time: float) -> float:
    """A time with the half of each quarter moved to its second third.

    >>> [round(swung(t), 3) for t in (0, 0.25, 0.5, 0.75, 1)]
    [0.0, 0.333, 0.667, 0.833, 1.0]
    """
    whole = time // 1
    part = time - whole
    return whole + (part * 4 / 3 if part < 0.5 else 2 / 3 + (part - 0.5) * 2 / 3)


def notation(performance: Performance, path: Path) -> None:
    """Writes MusicXML: the solo on one staff, the accompaniment below, in whole bars."""
    from music21 import metadata, stream, tempo

    score = stream.Score()
    score.metadata = metadata.Metadata(title=performance.title)
    voices = [_chords(performance.solo), _chords(performance.accompaniment)]
    end = max((until for voice in voices for _, until, _ in voice), default=Fraction(0))
    for number, voice in enumerate(voices):
        if voice:
            part = _part(performance, voice, _bars_end(performance, end))
            if number == 0:
                part.insert(0, tempo.MetronomeMark(number=round(performance.tempo)))
            score.insert(0, part)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        score.makeNotation(inPlace=True)
        score.write("musicxml", str(path))


def sound(midi_file: bytes) -> bytes:
    """A MIDI file played by the soundfont that comes with pretty_midi: a WAV, 48 kHz stereo.

    It is made as loud as its highest peak at `PEAK` of the range.
    """
    import midirenderer
    import pretty_midi

    font = Path(pretty_midi.__file__).parent / "TimGM6mb.sf2"
    rendered = midirenderer.render_wave_from(font.read_bytes(), midi_file)
    with wave.open(io.BytesIO(rendered)) as file:
        settings, frames = file.getparams(), file.readframes(file.getnframes())
    samples = np.frombuffer(frames, np.int16)
    loudest = max(int(np.abs(samples.astype(np.int32)).max(initial=0)), 1)
    louder = (samples * (PEAK * 2**15 / loudest)).astype(np.int16)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams(settings)
        file.writeframes(louder.tobytes())
    return buffer.getvalue()


def engraved(musicxml: Path) -> bytes:
    """The first page of a score as PNG."""
    import resvg_py
    import verovio

    toolkit = verovio.toolkit()
    toolkit.setOptions(PAGE)
    toolkit.loadFile(str(musicxml))
    svg = toolkit.renderToSVG(1)
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, background="white"))


def roll(performance: Performance) -> Figure:
    """The first bars as a piano roll: solo over accompaniment."""
    with mpl.rc_context(plots.STYLE):
        drawn = plots.figure(11.0, 4.2)
        panel = drawn.subplots()
        parts = (("accompaniment", plots.REFERENCE), ("solo", plots.MODEL))
        for part, colour in parts:
            shown = [n for n in getattr(performance, part) if n[0] < ROLL_QUARTERS]
            for number, (onset, end, pitch) in enumerate(shown):
                label = part if number == 0 else None
                panel.barh(
                    pitch, min(end, ROLL_QUARTERS) - onset, left=onset, height=0.9,
                    color=colour, label=label, edgecolor="white", linewidth=0.4,
                )  # fmt: skip
        bar = performance.meter[0] * 4 / performance.meter[1]
        panel.set_xticks(np.arange(performance.pickup, ROLL_QUARTERS + 0.1, bar))
        panel.set_xlabel("quarter notes; lines are bars")
        panel.set_ylabel("MIDI pitch")
        panel.set_title(performance.title)
        if panel.get_legend_handles_labels()[0]:
            panel.legend(loc="upper right", ncols=2)
    return drawn


def _within_channels(voices: tuple[Voice, ...]) -> tuple[Voice, ...]:
    """The voices; too many for MIDI's channels are one voice for each program."""
    if len(voices) <= MOST_VOICES:
        return voices
    together: dict[tuple[bool, int], list[Voice]] = {}
    for voice in voices:
        together.setdefault((voice.drums, voice.program), []).append(voice)
    return tuple(
        Voice(", ".join(v.name for v in alike), program, drums, [n for v in alike for n in v.notes])
        for (drums, program), alike in together.items()
    )


def _from(lowest: int, pitch_class: int) -> int:
    return lowest + (pitch_class - lowest) % 12


def _chords(notes: list[Note]) -> list[tuple[Fraction, Fraction, list[int]]]:
    """Notes on the grid of ticks, those that begin together as one chord that ends at the next."""
    together: dict[int, list[tuple[int, int]]] = {}
    for onset, end, pitch in notes:
        begin = round(onset * TICKS)
        together.setdefault(begin, []).append((max(round(end * TICKS), begin + 1), pitch))
    onsets = sorted(together)
    symbols = []
    for begin, following in zip(onsets, [*onsets[1:], None], strict=False):
        end = max(end for end, _ in together[begin])
        end = end if following is None else min(end, following)
        pitches = sorted({pitch for _, pitch in together[begin]})
        symbols.append((Fraction(begin, TICKS), Fraction(end, TICKS), pitches))
    return symbols


def _bars_end(performance: Performance, end: Fraction) -> Fraction:
    """The bar line at or after a time."""
    bar = Fraction(performance.meter[0] * 4, performance.meter[1])
    pickup = Fraction(round(performance.pickup * TICKS), TICKS)
    return pickup + -(-(end - pickup) // bar) * bar


def _part(performance: Performance, voice: Any, end: Fraction) -> Any:
    from music21 import chord, clef, key, meter, note, stream

    part = stream.Part()
    numerator, denominator = performance.meter
    part.append(meter.TimeSignature(f"{numerator}/{denominator}"))
    part.append(key.KeySignature(SHARPS_OF_TONIC[performance.tonic]))
    bar = Fraction(numerator * 4, denominator)
    # A pickup is written as a bar whose first beats rest.
    before = (bar - Fraction(round(performance.pickup * TICKS), TICKS)) % bar
    middle = np.mean([pitch for _, _, pitches in voice for pitch in pitches])
    part.insert(0, clef.TrebleClef() if middle >= 58 else clef.BassClef())
    now = Fraction(0)
    if before:
        part.insert(0, note.Rest(quarterLength=before))
    for begin, until, pitches in voice:
        if begin > now:
            part.insert(before + now, note.Rest(quarterLength=begin - now))
        element = note.Note(pitches[0]) if len(pitches) == 1 else chord.Chord(pitches)
        element.quarterLength = until - begin
        part.insert(before + begin, element)
        now = until
    if end > now:
        part.insert(before + now, note.Rest(quarterLength=end - now))
    return part
