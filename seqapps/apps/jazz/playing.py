"""Improvising in the graph: one note after the other, until the chart is full.

One loop serves sampling (a note is drawn) and beam search (the likeliest lines go on). Axis
letters: B batch, R rows in the loop (B, or B times `BEAM`), T notes so far, V values.
"""

from typing import Any, NamedTuple, Protocol

import tensorflow as tf

from seqapps.apps.jazz import frontend, memory
from seqapps.apps.jazz.frontend import LONGEST, PITCHES, VALUES, Chart, Line
from seqapps.apps.jazz.memory import LONGEST_MATCH, Places
from seqapps.apps.jazz.tunes import GRID, TICKS

BEAM = 4
MOST_NOTES = 4096
NOTES_PER_BEAT = 8
"""A line that has so many notes for each beat of its chart ends there."""

NEVER = -1e9

OFF_GRID = -1e4
"""Added to values that end where no note of a tune may begin: a line stays on the grid."""


class Past(NamedTuple):
    """The notes so far: int32 (R, L) and their number (R,); unused places hold zeros."""

    value: tf.Tensor
    match: tf.Tensor
    places: Places
    ticks: tf.Tensor
    log_probability: tf.Tensor
    before: tf.Tensor  # pitch index (R,) of the note before the last
    onset: tf.Tensor  # ticks (R,) of the next note
    count: tf.Tensor  # notes (R,)


Choice = tuple[tf.Tensor, tf.Tensor]
"""Row of `Past` that goes on, and its next value: each (R,)."""


def sampled(model: Any, chart: Chart, *, primer: Line, total: tf.Tensor, request: Any) -> Past:
    """A line per row, each note drawn; `request` holds temperature, top_p and seed (B,).

    The same seed draws the same notes, whatever else is in the batch.
    """
    draws = tf.map_fn(
        lambda seed: tf.random.stateless_uniform([MOST_NOTES], tf.stack([seed, 0])),
        tf.cast(request["seed"], tf.int32),
        fn_output_signature=tf.TensorSpec([MOST_NOTES], tf.float32),
    )
    temperature = tf.maximum(request["temperature"], 1e-3)[:, None]

    def choose(step: tf.Tensor, past: Past, *, log_probs: tf.Tensor) -> Choice:
        value = drawn(log_probs / temperature, request["top_p"], draw=draws[:, step])
        del past
        return tf.range(tf.shape(value)[0]), value

    return _loop(model, chart, primer, total, choose)


def beamed(model: Any, chart: Chart, primer: Line, total: tf.Tensor) -> Past:
    """A line per row of (B, L): the likeliest by mean log-probability a note in a beam search."""
    chart, primer, total = _repeated((chart, primer, total), BEAM)

    def choose(step: tf.Tensor, past: Past, *, log_probs: tf.Tensor) -> Choice:
        return _best(step, past, log_probs=log_probs, primer=primer, total=total)

    past = _loop(model, chart, primer, total, choose)
    mean = tf.reduce_sum(past.log_probability, 1) / tf.cast(tf.maximum(past.count, 1), tf.float32)
    best = tf.argmax(tf.reshape(mean, [-1, BEAM]), axis=1, output_type=tf.int32)
    return _rows(past, best + BEAM * tf.range(tf.shape(best)[0]))


def drawn(logits: tf.Tensor, top_p: tf.Tensor, *, draw: tf.Tensor) -> tf.Tensor:
    """A value (B,) for each row of logits (B, V), drawn from the nucleus (Holtzman et al. 2020).

    The nucleus is the likeliest values that together hold `top_p` (B,); `draw` (B,) is in 0..1.
    """
    probability, value = tf.math.top_k(tf.nn.softmax(logits), k=VALUES)
    until = tf.cumsum(probability, axis=1)
    inside = (until - probability) < top_p[:, None]
    kept = tf.where(inside, probability, 0.0)
    until = tf.cumsum(kept, axis=1)
    index = tf.reduce_sum(tf.cast(until <= draw[:, None] * until[:, -1:], tf.int32), axis=1)
    index = tf.minimum(index, tf.reduce_sum(tf.cast(inside, tf.int32), axis=1) - 1)
    return tf.gather(value, index, batch_dims=1)


class Choose(Protocol):
    """A function that chooses the next note of each row."""

    def __call__(self, step: tf.Tensor, past: Past, *, log_probs: tf.Tensor) -> Choice:
        """Parents and values, int32 (R,) each, from log-probabilities float32 (R, V)."""
        ...


def _loop(
    model: Any,
    chart: Chart,
    primer: Line,
    total: tf.Tensor,
    choose: Choose,
) -> Past:
    rows = tf.shape(total)[0]
    limit = tf.minimum(MOST_NOTES, NOTES_PER_BEAT * tf.shape(chart.bass)[1])

    def goes_on(step: tf.Tensor, past: Past, states: Any) -> tf.Tensor:
        del states
        return (step < limit) & tf.reduce_any(past.onset < total)

    def body(step: tf.Tensor, past: Past, states: Any) -> Any:
        slots = frontend.slots(chart, past.onset[:, None])
        log_probs, states = model.step(step, slots, past, states)
        allowed = log_probs + OFF_GRID * _off_grid(past.onset)
        parent, value = choose(step, past, log_probs=allowed)
        past, states, slots, log_probs = _rows((past, states, slots, log_probs), parent)
        # The chart ends where it ends: the last note is cut there.
        left = tf.maximum(total - past.onset, 0)
        value = _cut(_primed(step, primer, value=value), left)
        gain = tf.where(left > 0, tf.gather(log_probs, value, batch_dims=1), 0.0)
        return step + 1, _played(step, past, slots=slots, value=value, gain=gain, left=left), states

    first = (tf.constant(0), _nothing(rows, limit), model.stack.zero_states(rows))
    shapes = tf.nest.map_structure(lambda value: value.shape, first)
    _, past, _ = tf.while_loop(goes_on, body, first, shape_invariants=shapes)
    return past


def _off_grid(onset: tf.Tensor) -> tf.Tensor:
    """1 for each value (R, V) that, begun at onsets (R,), would not end on the grid."""
    ends = (onset[:, None] + tf.range(1, LONGEST + 1)) % TICKS
    on = tf.reduce_any(ends[..., None] == tf.constant(GRID), axis=-1)
    return tf.tile(tf.cast(~on, tf.float32), [1, PITCHES])


def _nothing(rows: tf.Tensor, limit: tf.Tensor) -> Past:
    blank = tf.zeros([rows, limit], tf.int32)
    none = tf.zeros([rows], tf.int32)
    places = Places(*[blank] * len(Places._fields))
    return Past(blank, blank, places, blank, tf.zeros([rows, limit]), none, none, none)


def _primed(step: tf.Tensor, primer: Line, *, value: tf.Tensor) -> tf.Tensor:
    """The primer's note where it has one, else the one chosen."""
    size = tf.shape(primer.value)[1]
    index = tf.minimum(step, size)
    primed = tf.pad(primer.value, [[0, 0], [0, 1]])[:, index]
    return tf.where(tf.pad(primer.sounds, [[0, 0], [0, 1]])[:, index], primed, value)


def _cut(value: tf.Tensor, left: tf.Tensor) -> tf.Tensor:
    ticks = tf.minimum(value % LONGEST + 1, left)  # pyright: ignore[reportOperatorIssue] stubs lack the operator
    return tf.where(left > 0, value // LONGEST * LONGEST + ticks - 1, 0)


def _played(step: Any, past: Past, *, slots: Any, value: Any, gain: Any, left: Any) -> Past:
    """The past with one note more; a row with no ticks left gets none."""
    more = left > 0
    ticks = tf.where(more, value % LONGEST + 1, 0)
    here = memory.places(slots)
    last = past.value[:, tf.maximum(step - 1, 0)]

    def put(held: tf.Tensor, new: tf.Tensor) -> tf.Tensor:
        at = tf.range(tf.shape(held)[1])[None] == step
        return tf.where(at, new[:, None], held)

    held = put(past.value, value)
    earlier = tf.range(tf.shape(held)[1])[None] <= step
    run = tf.where((held == value[:, None]) & earlier, past.match + 1, 0)
    return Past(
        value=held,
        # Slot i + 1 comes after note i: its match is one longer than slot i's, or nothing.
        match=tf.minimum(tf.pad(run[:, :-1], [[0, 0], [1, 0]]), LONGEST_MATCH),
        places=Places(*(put(a, b[:, 0]) for a, b in zip(past.places, here, strict=True))),
        ticks=put(past.ticks, ticks),
        log_probability=put(past.log_probability, gain),
        before=tf.where(step > 0, last // LONGEST, frontend.START),
        onset=past.onset + ticks,
        count=past.count + tf.cast(more, tf.int32),
    )


def _best(step: Any, past: Past, *, log_probs: Any, primer: Line, total: Any) -> Choice:
    """The `BEAM` continuations of each request with the best mean log-probability a note."""
    full = past.onset >= total
    rank = tf.range(tf.shape(log_probs)[0]) % BEAM
    gain, value = tf.math.top_k(log_probs, k=BEAM)
    # A full line goes on as itself, once; until the first free note all lines are the same.
    free = tf.reduce_sum(tf.cast(primer.sounds, tf.int32), axis=1)
    itself = tf.constant([0.0] + [NEVER] * (BEAM - 1))
    gain = tf.where(full[:, None], itself, gain)
    gain = tf.where(((step <= free) & (rank > 0))[:, None], NEVER, gain)
    count = past.count + tf.cast(~full, tf.int32)
    reached = tf.reduce_sum(past.log_probability, 1)[:, None] + gain
    mean = tf.reshape(reached / tf.cast(count, tf.float32)[:, None], [-1, BEAM * BEAM])
    _, chosen = tf.math.top_k(mean, k=BEAM)
    parent = chosen // BEAM + BEAM * tf.range(tf.shape(chosen)[0])[:, None]
    flat = tf.reshape(BEAM * parent + chosen % BEAM, [-1])
    return tf.reshape(parent, [-1]), tf.gather(tf.reshape(value, [-1]), flat)


def _rows(values: Any, rows: tf.Tensor) -> Any:
    return tf.nest.map_structure(lambda value: tf.gather(value, rows), values)


def _repeated(values: Any, times: int) -> Any:
    return tf.nest.map_structure(lambda value: tf.repeat(value, times, axis=0), values)
