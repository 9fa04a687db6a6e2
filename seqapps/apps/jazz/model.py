"""The networks: the next (pitch, duration) of a line over its chart.

`soloist` is a recurrent net over whole tunes, its state carried from segment to segment, with a
head that scores each candidate pitch by the last note and the chords, and a memory of the tune so
far. The network of the lectures' exercise is in `deepjazz`.

Axis letters: B batch, T notes, S slots, P pitches, D durations, V = P * D values, U units.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from seqapps.apps.jazz import frontend, heads, memory
from seqapps.apps.jazz.deepjazz import DeepJazz
from seqapps.apps.jazz.frontend import LONGEST, MODEL_DIM, PITCHES, VALUES, Tensors
from seqapps.apps.jazz.improviser import Improviser, at, last_note
from seqapps.apps.jazz.params import Params, Train
from seqapps.apps.jazz.tunes import TICKS

VALIDATION_NOTES = 512
"""A validation tune is judged on so many notes: one static shape."""

FAR = -1e9


def feed(params: Params, assets: Path, training: bool) -> Callable[[Tensors, tf.Tensor], Tensors]:
    """A function (records, seed) -> windows (B, T) of tunes and their charts, in static shapes.

    A train window begins at a random note and some are moved by a few semitones; a validation one
    is the tune's beginning.
    """
    del assets
    table = params.train
    notes = table.window_notes if training else VALIDATION_NOTES

    def batch(records: Tensors, seed: tf.Tensor) -> Tensors:
        count = tf.math.count_nonzero(records["duration"], axis=1, dtype=tf.int32)
        first = moved = tf.zeros_like(count)
        if training:
            draws = tf.random.stateless_uniform([3, tf.size(count)], seed)
            spare = tf.maximum(count - notes, 0)
            first = tf.cast(draws[0] * tf.cast(spare + 1, tf.float32), tf.int32)
            far = table.transpose_semitones
            moved = tf.cast(tf.floor(draws[1] * (2 * far + 1)), tf.int32) - far
            moved = tf.where(draws[2] < table.transpose_share, moved, 0)
        return windows(records, first, notes) | {"moved": moved}

    return batch


def windows(records: Tensors, first: tf.Tensor, notes: int) -> Tensors:
    """Tensors (B, notes) of records from notes `first` (B,) on, and as many beats of chart."""
    chart = frontend.chart(records)
    ticks = tf.cast(tf.round(records["duration"] * TICKS), tf.int32)
    earlier = tf.range(tf.shape(ticks)[1])[None] < first[:, None]
    onset = tf.reduce_sum(tf.where(earlier, ticks, 0), axis=1)
    beat = onset // chart.beat
    before = beat * chart.beat
    cut = {name: _cut(records[name], first, length=notes) for name in ("pitch", "duration")}
    cut |= {name: _cut(records[name], beat, length=notes) for name in ("chords", "bass", "tonic")}
    return cut | {
        "meter": records["meter"],
        "pickup": records["pickup"] - tf.cast(before, tf.float32) / TICKS,
        "start": onset - before,
    }


def build(params: Params, assets: Path) -> keras.Model:
    """The network that `[train]` names, its weights made."""
    values = json.loads((assets / "values.json").read_text())
    table = params.train
    model = Soloist(table) if table.kind == "soloist" else DeepJazz(table, values)
    blank = {
        "pitch": tf.ones([1, 2], tf.int64),
        "duration": tf.ones([1, 2]),
        "chords": tf.zeros([1, 2, 12]),
        "bass": tf.zeros([1, 2], tf.int64),
        "tonic": tf.zeros([1, 2], tf.int64),
        "meter": tf.constant([[4, 4]], tf.int64),
        "pickup": tf.zeros([1]),
    }
    model(blank)
    return model


class Pointer(NamedTuple):
    """Log-probabilities of copying each of T earlier notes (B, S, T), and none (B, S)."""

    copy_log_probs: tf.Tensor
    gate_log_probs: tf.Tensor


class Soloist(Improviser):
    """The default: factorised heads over a recurrent stack, mixed with a memory of the tune."""

    def __init__(self, table: Train):
        super().__init__(table)
        self.shows_last = table.cell != "dense"
        self.read = keras.layers.Dense(MODEL_DIM, name="read")
        self.mix = keras.layers.Dense(MODEL_DIM, activation="relu", name="mix")
        self.drop = keras.layers.Dropout(table.dropout)
        self.pitch = heads.PitchHead()
        self.duration = heads.DurationHead()
        self.memory: Any = None
        self.gate: Any = None
        if table.memory:
            self.memory = memory.Memory()
            self.gate = keras.layers.Dense(1, kernel_initializer="zeros", name="gate")

    def log_probability(self, chart, line, training):
        """Log-probabilities float32 (B, T), see `Improviser.call`; any number in padding."""
        slots = frontend.slots(chart, line.onset)
        last = frontend.previous(line.pitch_index)
        inputs = self.embed(slots, last, frontend.previous(line.ticks), frontend.previous(last))
        hidden = self.combine(self.walk(inputs, training), inputs, training)
        pitch = self.pitch(hidden, slots, last)
        duration = self.duration(hidden, slots, line.pitch_index[..., None])[..., 0, :]
        vocab_log_probs = at(pitch, line.pitch_index) + at(duration, tf.maximum(line.ticks - 1, 0))
        if self.memory is None:
            return vocab_log_probs
        pointer = self.pointer(slots, line, hidden)
        same = line.value[:, :, None] == line.value[:, None, :]
        copied = tf.reduce_logsumexp(tf.where(same, pointer.copy_log_probs, FAR), axis=-1)
        generated = pointer.gate_log_probs + vocab_log_probs
        return tf.math.reduce_logsumexp(tf.stack([generated, copied]), axis=0)

    def joint(self, chart, line):
        """Log-probability of every value at each slot of a line: float32 (B, T, V)."""
        slots = frontend.slots(chart, line.onset)
        last = frontend.previous(line.pitch_index)
        inputs = self.embed(slots, last, frontend.previous(line.ticks), frontend.previous(last))
        hidden = self.combine(self.walk(inputs, False), inputs, False)
        vocab_log_probs = self.vocab_log_probs(hidden, slots, last)
        if self.memory is None:
            return vocab_log_probs
        pointer = self.pointer(slots, line, hidden)
        return pointer_mix(vocab_log_probs, pointer, value=line.value)

    def step(self, number, slots, past, states):
        """Log-probability (B, V) of the note to come, and the states after reading its slot.

        Args:
            number: int32, how many notes were played.
            slots: (B, 1), of the note to come.
            past: `playing.Past`.
            states: of the stack.
        """
        last, ticks = last_note(number, past)
        inputs = self.embed(slots, last // LONGEST, ticks, past.before[:, None])
        outputs, states = self.stack.carry(inputs, states)
        hidden = self.combine(outputs, inputs, False)
        vocab_log_probs = self.vocab_log_probs(hidden, slots, last // LONGEST)
        if self.memory is None:
            return vocab_log_probs[:, 0], states
        logits = self.memory(past.match[:, None], memory.places(slots), past.places)
        played = tf.range(tf.shape(past.value)[1]) < number
        pointer = self.gated(logits, played, hidden)
        return pointer_mix(vocab_log_probs, pointer, value=past.value)[:, 0], states

    def embed(self, slots, pitch_index, ticks, before):
        """Inputs of the stack at slots (B, S): float32 (B, S, `MODEL_DIM`)."""
        embedded = frontend.features(slots, pitch_index, ticks=ticks, before=before)
        played = embedded["played"] if self.shows_last else tf.zeros_like(embedded["played"])
        return self.read(tf.concat([played, embedded["given"]], axis=-1))

    def combine(self, outputs, inputs, training):
        """Inputs of the heads, float32 (B, S, `MODEL_DIM`), from the stack's outputs (B, S, U)."""
        return self.drop(self.mix(tf.concat([outputs, inputs], axis=-1)), training=training)

    def vocab_log_probs(self, hidden, slots, last):
        """Log-probability (B, S, V) of a value that is not copied."""
        everything = tf.broadcast_to(tf.range(PITCHES), [*_sizes(last), PITCHES])
        pitch = self.pitch(hidden, slots, last)[..., None]
        joint = pitch + self.duration(hidden, slots, everything)
        return tf.reshape(joint, [*_sizes(last), VALUES])

    def pointer(self, slots, line, hidden):
        """`Pointer` (B, T, T) over the notes before each slot."""
        places = memory.places(slots)
        logits = self.memory(memory.matches(line.value), places, places)
        slot = tf.range(tf.shape(line.pitch_index)[1])
        return self.gated(logits, slot[:, None] > slot, hidden)

    def gated(self, logits, allowed, hidden):
        """`Pointer` of copying logits (B, S, T) where `allowed` (bool, broadcast) and the gate."""
        logits = tf.where(allowed, logits + self.gate(hidden), FAR)
        none = tf.zeros_like(logits[..., :1])  # pyright: ignore[reportArgumentType] stubs know no Ellipsis
        log_probs = tf.nn.log_softmax(tf.concat([none, logits], axis=-1))
        return Pointer(log_probs[..., 1:], log_probs[..., 0])


def pointer_mix(vocab_log_probs: tf.Tensor, pointer: Pointer, *, value: tf.Tensor) -> tf.Tensor:
    """Log-probability (B, S, V) of a pointer mixture (Merity et al. 2017).

    Args:
        vocab_log_probs: float32 (B, S, V), of generating each value.
        pointer: (B, S, T), of copying an earlier note.
        value: int32 (B, T), the earlier notes.
    """
    copy_log_probs, gate_log_probs = pointer
    rows = tf.shape(copy_log_probs)[0]
    target = value + VALUES * tf.range(rows)[:, None]
    by_source = tf.transpose(tf.exp(copy_log_probs), [0, 2, 1])  # (B, T, S)
    flat = tf.reshape(by_source, [-1, tf.shape(copy_log_probs)[1]])
    summed = tf.math.unsorted_segment_sum(flat, tf.reshape(target, [-1]), rows * VALUES)
    summed = tf.reshape(summed, [rows, VALUES, tf.shape(copy_log_probs)[1]])
    return tf.math.log(
        tf.transpose(summed, [0, 2, 1])
        + tf.exp(vocab_log_probs + tf.expand_dims(gate_log_probs, -1))
    )


def _sizes(values: tf.Tensor) -> list[Any]:
    return [tf.shape(values)[0], tf.shape(values)[1]]


def _cut(values: tf.Tensor, first: tf.Tensor, *, length: int) -> tf.Tensor:
    """Values (B, N, ...) from `first` (B,) on, (B, length, ...): zeros after the end."""
    index = first[:, None] + tf.range(length)
    last = tf.shape(values)[1] - 1
    cut = tf.gather(values, tf.minimum(index, last), axis=1, batch_dims=1)
    inside = tf.reshape(index <= last, [-1, length, *[1] * (len(values.shape) - 2)])
    return tf.where(inside, cut, tf.zeros_like(cut))
