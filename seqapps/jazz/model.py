"""The networks: the next (pitch, duration) of a line over its chart.

`soloist` is a recurrent net over whole tunes, its state carried from segment to segment, with a
head that sees each candidate pitch in the light of the last note and of the chords, and a memory of
what the tune has played. The lectures' network is in `deepjazz`.

Axis letters: B batch, T notes, S slots, P pitches, D durations, V = P * D values, U units.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from seqapps.jazz import front, heads, memory
from seqapps.jazz.deepjazz import DeepJazz
from seqapps.jazz.front import LONGEST, PITCHES, READ, VALUES, Tensors
from seqapps.jazz.improviser import Improviser, at, last_note
from seqapps.jazz.tunes import TICKS

VALIDATION_NOTES = 512
"""A validation tune is judged on so many notes: one static shape."""

FAR = -1e9


def feed(params: Any, assets: Path, training: bool) -> Callable[[Tensors, Any], Tensors]:
    """A function (record, seed) -> a window of a tune and its chart, in static shapes.

    A train window begins at a random note and some are moved by a few semitones; a validation one
    is the tune's beginning.
    """
    del assets
    table = params.train
    notes = table.window_notes if training else VALIDATION_NOTES

    def one(record: Tensors, seed: Any) -> Tensors:
        first, moved = tf.constant(0), tf.constant(0)
        if training:
            draws = tf.random.stateless_uniform([3], seed)
            spare = tf.maximum(tf.size(record["pitch"]) - notes, 0)
            first = tf.cast(draws[0] * tf.cast(spare + 1, tf.float32), tf.int32)
            far = table.transpose_semitones
            moved = tf.cast(tf.floor(draws[1] * (2 * far + 1)), tf.int32) - far
            moved = tf.where(draws[2] < table.transpose_share, moved, 0)
        return window(record, first, notes) | {"moved": moved}

    return one


def window(record: Tensors, first: tf.Tensor, notes: int) -> Tensors:
    """`notes` notes of a record from the first-th, and as many beats of chart from there."""
    chart = front.chart({name: value[None] for name, value in record.items()})
    ticks = tf.cast(tf.round(record["duration"] * TICKS), tf.int32)
    onset = tf.reduce_sum(ticks[:first])
    beat = onset // chart.beat[0]
    before = beat * chart.beat[0]
    cut = {name: _cut(record[name], first, notes) for name in ("pitch", "duration")}
    cut |= {name: _cut(record[name], beat, notes) for name in ("chords", "bass", "tonic")}
    return cut | {
        "meter": record["meter"],
        "pickup": record["pickup"] - tf.cast(before, tf.float32) / TICKS,
        "start": onset - before,
    }


def build(params: Any, assets: Path) -> keras.Model:
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


class Soloist(Improviser):
    """The default: factorised heads over a recurrent stack, mixed with a memory of the tune."""

    def __init__(self, table: Any):
        super().__init__(table)
        self.shows_last = table.cell != "dense"
        self.read = keras.layers.Dense(READ, name="read")
        self.mix = keras.layers.Dense(READ, activation="relu", name="mix")
        self.drop = keras.layers.Dropout(table.dropout)
        self.pitch = heads.PitchHead()
        self.duration = heads.DurationHead()
        self.memory: Any = None
        self.gate: Any = None
        if table.memory:
            self.memory = memory.Memory()
            self.gate = keras.layers.Dense(1, kernel_initializer="zeros", name="gate")

    def log_probability(self, chart, line, training):
        """See `Improviser.call`; what lies in padding is any number."""
        slots = front.slots(chart, line.onset)
        last = front.previous(line.place)
        seen = self.seen(slots, last, front.previous(line.ticks), front.previous(last))
        mixed = self.mixed(self.walk(seen, training), seen, training)
        pitch = self.pitch(mixed, slots, last)
        duration = self.duration(mixed, slots, line.place[..., None])[..., 0, :]
        made = at(pitch, line.place) + at(duration, tf.maximum(line.ticks - 1, 0))
        if self.memory is None:
            return made
        copied, own = self.copies(slots, line, mixed)
        same = line.value[:, :, None] == line.value[:, None, :]
        copied = tf.reduce_logsumexp(tf.where(same, copied, FAR), axis=-1)
        return tf.math.reduce_logsumexp(tf.stack([own + made, copied]), axis=0)

    def joint(self, chart, line):
        """Log-probability of every value at each slot of a line: float32 (B, T, V)."""
        slots = front.slots(chart, line.onset)
        last = front.previous(line.place)
        seen = self.seen(slots, last, front.previous(line.ticks), front.previous(last))
        mixed = self.mixed(self.walk(seen, False), seen, False)
        made = self.made(mixed, slots, last)
        if self.memory is None:
            return made
        copied, own = self.copies(slots, line, mixed)
        return mixture(made, own, copied, line.value)

    def step(self, number, slots, past, states):
        """Log-probability (B, V) of the note to come, and the states after reading its slot.

        Args:
            number: int32, how many notes were played.
            slots: (B, 1), of the note to come.
            past: `playing.Past`.
            states: of the stack.
        """
        last, ticks = last_note(number, past)
        seen = self.seen(slots, last // LONGEST, ticks, past.before[:, None])
        hidden, states = self.stack.carry(seen, states)
        mixed = self.mixed(hidden, seen, False)
        made = self.made(mixed, slots, last // LONGEST)
        if self.memory is None:
            return made[:, 0], states
        logits = self.memory(past.match[:, None], memory.places(slots), past.places)
        played = tf.range(tf.shape(past.value)[1]) < number
        copied, own = self.shares(logits, played, mixed)
        return mixture(made, own, copied, past.value)[:, 0], states

    def seen(self, slots, place, ticks, before):
        """The slots as the stack reads them: float32 (B, S, `READ`)."""
        found = front.features(slots, place, ticks, before)
        played = found["played"] if self.shows_last else tf.zeros_like(found["played"])
        return self.read(tf.concat([played, found["given"]], axis=-1))

    def mixed(self, hidden, seen, training):
        """H and what was read, for the heads: float32 (B, S, `READ`)."""
        return self.drop(self.mix(tf.concat([hidden, seen], axis=-1)), training=training)

    def made(self, mixed, slots, last):
        """Log-probability (B, S, V) of a value that is not copied."""
        everything = tf.broadcast_to(tf.range(PITCHES), [*_sizes(last), PITCHES])
        pitch = self.pitch(mixed, slots, last)[..., None]
        joint = pitch + self.duration(mixed, slots, everything)
        return tf.reshape(joint, [*_sizes(last), VALUES])

    def copies(self, slots, line, mixed):
        """Log-probability (B, T, T) of copying each earlier note, and (B, T) of copying none."""
        places = memory.places(slots)
        logits = self.memory(memory.matches(line.value), places, places)
        slot = tf.range(tf.shape(line.place)[1])
        return self.shares(logits, slot[:, None] > slot, mixed)

    def shares(self, logits, allowed, mixed):
        """Logits (B, S, T) of copying as log-probabilities; a gate decides how easily."""
        logits = tf.where(allowed, logits + self.gate(mixed), FAR)
        none = tf.zeros_like(logits[..., :1])
        shares = tf.nn.log_softmax(tf.concat([none, logits], axis=-1))
        return shares[..., 1:], shares[..., 0]


def mixture(made, own, copied, value):
    """Log-probability (B, S, V): values made (weight `own`), and copied from values int32 (B, T).

    `copied` is the log-probability (B, S, T) of copying each.
    """
    rows = tf.shape(copied)[0]
    target = value + VALUES * tf.range(rows)[:, None]
    by_source = tf.transpose(tf.exp(copied), [0, 2, 1])  # (B, T, S)
    flat = tf.reshape(by_source, [-1, tf.shape(copied)[1]])
    summed = tf.math.unsorted_segment_sum(flat, tf.reshape(target, [-1]), rows * VALUES)
    summed = tf.reshape(summed, [rows, VALUES, tf.shape(copied)[1]])
    return tf.math.log(tf.transpose(summed, [0, 2, 1]) + tf.exp(made + own[..., None]))


def _sizes(values: tf.Tensor) -> list[Any]:
    return [tf.shape(values)[0], tf.shape(values)[1]]


def _cut(values: tf.Tensor, first: tf.Tensor, length: int) -> tf.Tensor:
    cut = values[first : first + length]
    padding = [[0, length - tf.shape(cut)[0]], *[[0, 0]] * (cut.shape.rank - 1)]
    return tf.ensure_shape(tf.pad(cut, padding), [length, *cut.shape[1:]])
