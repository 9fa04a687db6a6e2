"""Front end in the graph: a request -> tokens in C, with their bar position and chords.

Axis letters: B batch, T notes, S slots (places where a note may begin), N beats of the chart,
P pitch indices (0 a rest, then `LOWEST` .. `HIGHEST` in C), D durations of 1 .. `LONGEST`
ticks.
"""

from typing import NamedTuple

import tensorflow as tf

from seqapps.app import Tensors
from seqapps.apps.jazz.tunes import HIGHEST, LONGEST, LOWEST, TICKS

PITCHES = HIGHEST - LOWEST + 2
"""P."""

VALUES = PITCHES * LONGEST
"""V = P * D: every (pitch, duration) that can be said, whether it was ever played or not."""

START = 0
"""Place and ticks of the note before the first one: a rest of no length."""

MAX_INTERVAL = 15
"""Intervals beyond this many semitones are one."""

MODEL_DIM = 96
"""Width of the layers around the recurrent stack."""

BARS_OF_A_PHRASE = 4
BEATS_OF_A_BAR = 8


class Chart(NamedTuple):
    """The accompaniment in C; ticks of a beat, a bar and the pickup, int32 (B,).

    `chords` is float32 (B, N, 12); `bass` (-1 = none) and `shift`, semitones to C, int32 (B, N).
    """

    chords: tf.Tensor
    bass: tf.Tensor
    shift: tf.Tensor
    beat: tf.Tensor
    bar: tf.Tensor
    pickup: tf.Tensor


class Slots(NamedTuple):
    """Context of a slot before its note: int32 (B, S), float32 (B, S, 12)."""

    onset: tf.Tensor
    position: tf.Tensor  # ticks into the bar
    bars: tf.Tensor  # whole bars before it
    now: tf.Tensor
    following: tf.Tensor
    bass: tf.Tensor  # one-hot
    bass_following: tf.Tensor


class Line(NamedTuple):
    """A melody in C: all int32 (B, T) but `sounds`, bool (B, T), false in padding."""

    pitch_index: tf.Tensor
    ticks: tf.Tensor
    onset: tf.Tensor
    sounds: tf.Tensor

    @property
    def value(self) -> tf.Tensor:
        """Place and duration as one number below V, int32 (B, T); 0 in padding."""
        return self.pitch_index * LONGEST + tf.maximum(self.ticks - 1, 0)


def chart(batch: Tensors) -> Chart:
    """The chart of a request: `chords`, `bass`, `tonic` by beat, `meter`, `pickup`.

    `moved` (B,), if there, moves a train tune by so many semitones.
    """
    tonic = tf.cast(batch["tonic"], tf.int32)
    shift = tf.where(tonic <= 6, -tonic, 12 - tonic)
    if "moved" in batch:
        shift += tf.cast(batch["moved"], tf.int32)[:, None]
    meter = tf.cast(batch["meter"], tf.int32)
    unit = 4 * TICKS // meter[:, 1]
    compound = (meter[:, 1] == 8) & (meter[:, 0] > 3) & (meter[:, 0] % 3 == 0)  # pyright: ignore[reportOperatorIssue] stubs lack the operator
    bass = tf.cast(batch["bass"], tf.int32)
    return Chart(
        rolled(batch["chords"], shift),
        tf.where(bass < 0, -1, (bass + shift) % 12),  # pyright: ignore[reportOperatorIssue] stubs lack the operator
        shift,
        tf.where(compound, 3 * unit, unit),
        meter[:, 0] * unit,
        tf.cast(tf.round(batch["pickup"] * TICKS), tf.int32),
    )


def line(batch: Tensors, chart: Chart) -> Line:
    """The melody of a request: `pitch` (MIDI, 0 = rest), `duration` (quarter notes, 0 = padding).

    `start` (B,), if there, is the onset of the first note in ticks.
    """
    ticks = tf.cast(tf.round(batch["duration"] * TICKS), tf.int32)
    ticks = tf.clip_by_value(ticks, 0, LONGEST)
    onset = tf.cumsum(ticks, axis=1, exclusive=True)
    if "start" in batch:
        onset += batch["start"][:, None]
    pitch = tf.cast(batch["pitch"], tf.int32)
    moved = pitch + at_beat(chart.shift, chart, onset=onset)
    below = tf.maximum(0, (LOWEST - moved + 11) // 12)
    above = tf.maximum(0, (moved - HIGHEST + 11) // 12)
    pitch_index = moved + 12 * (below - above) - LOWEST + 1
    sounds = ticks > 0
    return Line(tf.where((pitch > 0) & sounds, pitch_index, 0), ticks, onset, sounds)


def slots(chart: Chart, onset: tf.Tensor) -> Slots:
    """Context of the chart at onsets int32 (B, S)."""
    since = onset - chart.pickup[:, None]
    bar = chart.bar[:, None]
    after = onset + chart.beat[:, None]
    return Slots(
        onset,
        since % bar,  # pyright: ignore[reportOperatorIssue] stubs lack the operator
        since // bar,
        at_beat(chart.chords, chart, onset=onset),
        at_beat(chart.chords, chart, onset=after),
        tf.one_hot(at_beat(chart.bass, chart, onset=onset), 12),
        tf.one_hot(at_beat(chart.bass, chart, onset=after), 12),
    )


def at_beat(values: tf.Tensor, chart: Chart, *, onset: tf.Tensor) -> tf.Tensor:
    """Values (B, N, ...) of the beats that onsets (B, S) fall in; the last one never ends."""
    beat = tf.minimum(onset // chart.beat[:, None], tf.shape(values)[1] - 1)
    return tf.gather(values, beat, batch_dims=1)


def rolled(classes: tf.Tensor, by: tf.Tensor) -> tf.Tensor:
    """Pitch classes (..., 12) moved up by `by` (...) semitones."""
    source = (tf.range(12) - by[..., None]) % 12  # pyright: ignore[reportArgumentType] stubs know no Ellipsis
    return tf.gather(classes, source, batch_dims=by.shape.rank)


def previous(values: tf.Tensor) -> tf.Tensor:
    """Values (B, T) one step later; the first is START."""
    return tf.pad(values[:, :-1], [[0, 0], [1, 0]], constant_values=START)


def features(
    slots: Slots, pitch_index: tf.Tensor, *, ticks: tf.Tensor, before: tf.Tensor
) -> Tensors:
    """Inputs of the network at each slot: `played` and `given`, float32 (B, S, F).

    Args:
        slots: of the note to come.
        pitch_index: int32 (B, S), the last note's.
        ticks: int32 (B, S), the last token's.
        before: int32 (B, S), that of the note before the last.
    """
    pitch_class = (pitch_index + LOWEST - 1) % 12  # pyright: ignore[reportOperatorIssue] stubs lack the operator
    interval = tf.clip_by_value(pitch_index - before, -MAX_INTERVAL, MAX_INTERVAL) + MAX_INTERVAL
    played = [
        tf.one_hot(pitch_index, PITCHES),
        tf.one_hot(ticks, LONGEST + 1),
        tf.one_hot(interval, 2 * MAX_INTERVAL + 1),
        *(
            rolled(chord, -pitch_class)
            for chord in (slots.now, slots.following, slots.bass, slots.bass_following)
        ),
    ]
    parts = [
        tf.one_hot(slots.position % TICKS, TICKS),  # pyright: ignore[reportOperatorIssue] stubs lack the operator
        tf.one_hot(slots.position // TICKS, BEATS_OF_A_BAR),
        tf.one_hot(slots.bars % BARS_OF_A_PHRASE, BARS_OF_A_PHRASE),  # pyright: ignore[reportOperatorIssue] stubs lack the operator
        slots.now,
        slots.following,
        slots.bass,
        slots.bass_following,
    ]
    return {"played": tf.concat(played, -1), "given": tf.concat(parts, -1)}
