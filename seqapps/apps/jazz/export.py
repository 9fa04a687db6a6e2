"""The endpoints: how likely the notes of a line are, and new lines over a chart.

Axis letters: B batch, N beats of the chart, T notes, P pitches in C, D durations, K shown.
"""

from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from seqapps.app import Endpoints
from seqapps.apps.jazz import frontend, playing
from seqapps.apps.jazz.frontend import LONGEST, PITCHES
from seqapps.apps.jazz.params import Params
from seqapps.apps.jazz.tunes import LOWEST, MOST_QUARTERS, TICKS
from seqapps.kit.rows import require_all, require_small

SHOWN = 5
"""K."""

CHART = (
    tf.TensorSpec([None, None, 12], tf.float32, name="chords"),
    tf.TensorSpec([None, None], tf.int64, name="bass"),
    tf.TensorSpec([None, None], tf.int64, name="tonic"),
    tf.TensorSpec([None, 2], tf.int64, name="meter"),
    tf.TensorSpec([None], tf.float32, name="pickup"),
)
LINE = (
    tf.TensorSpec([None, None], tf.int64, name="pitch"),
    tf.TensorSpec([None, None], tf.float32, name="duration"),
)
WISHES = (
    tf.TensorSpec([None], tf.int64, name="beats"),
    tf.TensorSpec([None], tf.float32, name="temperature"),
    tf.TensorSpec([None], tf.float32, name="top_p"),
    tf.TensorSpec([None], tf.int64, name="seed"),
)


MOST_UNITS_OF_A_BAR = 255
"""Largest number over a meter's line, as in MIDI."""

NEAR_A_TICK = 0.01
"""Ticks that a duration may be away from a whole one."""

MOST_BEATS, MOST_LINE = 8192, 12_000
"""Beats and notes of all rows of a request, padded to the longest."""

MOST_TEMPERATURE = 1000


def endpoints(params: Params, model: keras.Model, assets: Path) -> Endpoints:
    """`score` and `serving_default`; both take a chart, see the features of the application.

    `score` takes a line, `pitch` and `duration` (B, T), and gives, per note, `log_probability`
    (B, T), `pitch_log_probability` (B, T, P) (a rest, then MIDI 36..100 in C),
    `duration_log_probability` (B, T, D) given the note's pitch (1..48 twelfths of a quarter note),
    and the likeliest `top_pitch` (B, T, K) as they sound and `top_duration` (B, T, K).

    `serving_default` takes `beats` (B,) of the chart, `temperature`, `top_p`, `seed` (B,), and in
    `pitch` and `duration` the notes to go on from, none if durations are 0. It gives a line: MIDI
    `pitch` (B, T), 0 a rest; `onset` and `duration` (B, T) in quarter notes, duration 0 after the
    end; `log_probability` (B, T). A temperature of 0 asks for beam search.

    A row that can be no tune (a meter over 5, chords of other numbers than 0 and 1, negative
    durations, ...) fails the request, with its number and the rule.
    """
    del params, assets

    def score(*request):
        batch = _checked(_named(LINE + CHART, request))
        chart = frontend.chart(batch)
        line = frontend.line(batch, chart)
        joint = model.joint(chart, line)
        return judged(chart, line, joint)

    def serving_default(*request):
        batch = _checked(_named(LINE + CHART + WISHES, request))
        chart = frontend.chart(batch)
        primer = frontend.line(batch, chart)
        total = tf.cast(batch["beats"], tf.int32) * chart.beat
        past = playing.sampled(model, chart, primer=primer, total=total, request=batch)
        searched = batch["temperature"] <= 0
        likely = tf.cond(
            tf.reduce_any(searched),
            lambda: playing.beamed(model, chart, primer, total),
            lambda: past,
        )
        return _heard(chart, tf.nest.map_structure(choose(searched), likely, past))

    return {
        "serving_default": (serving_default, list(LINE + CHART + WISHES)),
        "score": (score, list(LINE + CHART)),
    }


def _named(specs: Any, request: Any) -> dict[str, tf.Tensor]:
    return {spec.name: value for spec, value in zip(specs, request, strict=True)}


def _checked(batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """The batch, once every row is a tune that can be: the rules of predict's readers."""

    def all_of(values: tf.Tensor) -> tf.Tensor:
        return tf.reduce_all(values, axis=list(range(1, values.shape.rank)))

    def within(name: str, low: float, *, high: float) -> tuple[tf.Tensor, str]:
        values = batch[name]
        inside = (values >= low) & (values <= high)
        return all_of(inside), f"'{name}' holds a number outside {low:g} to {high:g}"

    def every_row(holds: tf.Tensor) -> tf.Tensor:
        return tf.fill([tf.shape(batch["pickup"])[0]], holds)

    chords, meter, duration = batch["chords"], batch["meter"], batch["duration"]
    beats, notes = tf.shape(chords)[1], tf.shape(duration)[1]
    alike = (tf.shape(batch["bass"])[1] == beats) & (tf.shape(batch["tonic"])[1] == beats)
    ticks = duration * TICKS
    fit = (tf.abs(ticks - tf.round(ticks)) < NEAR_A_TICK) & (ticks >= 0) & (ticks <= LONGEST)
    denominator = tf.reduce_any(meter[:, 1:] == tf.constant([[2, 4, 8]], tf.int64), axis=1)
    numerator = (meter[:, 0] >= 1) & (meter[:, 0] <= MOST_UNITS_OF_A_BAR)
    rules = [
        (every_row(alike & (beats > 0)), "'chords', 'bass', 'tonic' differ in beats or have none"),
        (every_row(tf.shape(batch["pitch"])[1] == notes), "'pitch', 'duration' differ in notes"),
        (all_of((chords == 0) | (chords == 1)), "'chords' holds numbers other than 0 and 1"),
        within("bass", -1, high=11),
        within("tonic", 0, high=11),
        (numerator & denominator, "'meter' is not a number over 2, 4 or 8"),
        within("pickup", 0, high=MOST_QUARTERS),
        within("pitch", 0, high=127),
        (all_of(fit), "'duration' is not 0 to 48 twelfths of a quarter note"),
        (
            all_of((duration[:, 1:] == 0) | (duration[:, :-1] > 0)),
            "'duration' is 0, which ends a line, before other notes",
        ),
    ]
    if "beats" in batch:
        in_chart = (batch["beats"] >= 1) & (batch["beats"] <= tf.cast(beats, tf.int64))
        above_zero = (batch["top_p"] > 0) & (batch["top_p"] <= 1)
        rules += [
            (in_chart, "'beats' is not a number from 1 to the beats of 'chords'"),
            within("temperature", 0, high=MOST_TEMPERATURE),
            (above_zero, "'top_p' is not above 0 and at most 1"),
        ]
    batch = require_all(rules, batch)
    for name, most, unit in (("bass", MOST_BEATS, "beats"), ("pitch", MOST_LINE, "notes")):
        rows, longest = tf.unstack(tf.shape(batch[name]))
        batch = require_small(tf.fill([rows], longest), most, unit, batch)
    return batch


def choose(first: tf.Tensor) -> Any:
    """A function (one, other) that takes the rows of `one` where `first` (B,) is true."""

    def pick(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
        rows = tf.reshape(first, [-1] + [1] * (one.shape.rank - 1))
        return tf.where(rows, one, other)

    return pick


def judged(chart: frontend.Chart, line: frontend.Line, joint: tf.Tensor) -> dict[str, tf.Tensor]:
    """The answer of `score`, from the log-probability (B, T, V) of every value at each note."""
    rows, notes = tf.shape(line.pitch_index)[0], tf.shape(line.pitch_index)[1]
    table = tf.reshape(joint, [rows, notes, PITCHES, LONGEST])
    pitch = tf.reduce_logsumexp(table, axis=-1)
    of_note = tf.gather(table, line.pitch_index, batch_dims=2)
    log_probs = tf.gather(joint, line.value, batch_dims=2)
    _, top = tf.math.top_k(joint, k=SHOWN)
    shift = frontend.at_beat(chart.shift, chart, onset=line.onset)[..., None]  # pyright: ignore[reportArgumentType] stubs know no Ellipsis
    return {
        "log_probability": tf.where(line.sounds, log_probs, 0.0),
        "pitch_log_probability": pitch,
        "duration_log_probability": tf.nn.log_softmax(of_note),
        "top_pitch": sounding(top // LONGEST, shift),
        "top_duration": tf.cast(top % LONGEST + 1, tf.float32) / TICKS,
    }


def _heard(chart: frontend.Chart, past: playing.Past) -> dict[str, tf.Tensor]:
    length = tf.reduce_max(past.count)
    ticks = past.ticks[:, :length]
    onset = tf.cumsum(ticks, axis=1, exclusive=True)
    shift = frontend.at_beat(chart.shift, chart, onset=onset)
    return {
        "pitch": sounding(past.value[:, :length] // LONGEST, shift),
        "onset": tf.cast(onset, tf.float32) / TICKS,
        "duration": tf.cast(ticks, tf.float32) / TICKS,
        "log_probability": past.log_probability[:, :length],
    }


def sounding(pitch_index: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
    """MIDI pitch int32 (B, T) of a pitch index, the key moved by `shift`; 0 for a rest."""
    return tf.cast(tf.where(pitch_index > 0, pitch_index + LOWEST - 1 - shift, 0), tf.int64)
