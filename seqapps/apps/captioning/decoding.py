"""Decoding of sentences in the graph: greedy, and a beam search.

The probabilities of several networks are averaged at each step (an ensemble).

Axis letters: B batch, K beams, L longest sentence, N cells, V words.
"""

from typing import Any, NamedTuple

import tensorflow as tf

from seqapps.app import Tensors
from seqapps.apps.captioning.model import Network
from seqapps.kit.text import END, PAD, START, UNKNOWN

BEAMS = 3
LENGTH_POWER = 1.4
"""A beam's log-probability is divided by length ** this before beams are compared."""

NEVER = -1e9


class Sentences(NamedTuple):
    """A sentence for each picture.

    `words` int64 (B, L) with padding after the end, `log_probability` float32 (B,) of the sentence
    with its end, `attention` float32 (B, L, N) at each word, zero at padding.
    """

    words: tf.Tensor
    log_probability: tf.Tensor
    attention: tf.Tensor


class Word(NamedTuple):
    """One step of the networks together: the next word's distribution.

    `log_probs` float32 (B * K, V), `attention` float32 (B * K, N), `states` of each network.
    """

    log_probs: tf.Tensor
    attention: tf.Tensor
    states: tuple[Any, ...]


def decode(networks: list[Network], batch: Tensors, *, longest: int, beams: int) -> Sentences:
    """The likeliest `Sentences` for a batch of pictures, `view` (B, ...) or `cells` (B, N, C).

    `beams` = 1 is greedy.
    """
    encoded = [net.encode(batch) for net in networks]
    size = tf.shape(encoded[0][1])[0]
    encoded = [tuple(tf.repeat(part, beams, axis=0) for part in pair) for pair in encoded]
    rows = size * beams
    # At first all beams of a picture are the same: only the first may be continued.
    first = tf.where(tf.range(beams) == 0, 0.0, NEVER)
    states = {
        "step": tf.constant(0),
        "words": tf.fill([rows, longest], tf.constant(PAD, tf.int64)),
        "previous": tf.fill([rows], tf.constant(START, tf.int64)),
        "score": tf.tile(first, [size]),  # pyright: ignore[reportArgumentType] stubs take no tensor in a list
        "length": tf.zeros([rows]),
        "maps": tf.zeros([rows, longest, encoded[0][0].shape[1]]),
        "open": tf.ones([rows], tf.bool),
        "networks": tuple(net.begin(rows) for net in networks),
    }

    def step(now: dict[str, Any]) -> tuple[dict[str, Any]]:
        word = _ensemble(networks, encoded, now)
        scores, parent, number = _best(now, word.log_probs, size, beams)
        kept = {name: tf.gather(now[name], parent) for name in ("words", "maps", "length", "open")}
        counts = tf.cast(kept["open"], tf.float32)
        emitted = tf.where(kept["open"], number, tf.constant(PAD, tf.int64))
        at = tf.one_hot(now["step"], longest)
        shown = kept["open"] & (number != END)
        slot = tf.cast(at, tf.int64)[None] * tf.cast(shown, tf.int64)[:, None]
        maps = tf.gather(word.attention, parent) * tf.cast(shown, tf.float32)[:, None]
        return (
            {
                "step": now["step"] + 1,
                "words": kept["words"] * (1 - slot) + emitted[:, None] * slot,
                "previous": emitted,
                "score": scores,
                "length": kept["length"] + counts,
                "maps": kept["maps"] + at[None, :, None] * maps[:, None],
                "open": shown,
                "networks": tf.nest.map_structure(lambda s: tf.gather(s, parent), word.states),
            },
        )

    # One more step than words, for the end of the longest.
    (last,) = tf.while_loop(
        lambda now: tf.reduce_any(now["open"]), step, (states,), maximum_iterations=longest + 1
    )
    return _chosen(last, size, beams)


def _ensemble(networks, encoded, now):
    """The `Word` after the last ones: the mean of the networks' probabilities and attention."""
    steps = []
    for net, (cells, summary), state in zip(networks, encoded, now["networks"], strict=True):
        steps.append(net.step(now["previous"], state, cells, summary))
    log_probs = tf.stack([tf.nn.log_softmax(step.logits) for step in steps])
    mean = tf.reduce_logsumexp(log_probs, axis=0) - tf.math.log(float(len(networks)))
    attention = tf.reduce_mean(tf.stack([step.attention for step in steps]), axis=0)
    return Word(mean, attention, tuple(step.states for step in steps))


def _best(now, log_probs, size, beams):
    """The `beams` best continuations of each picture: their scores, their parents, their words.

    A closed beam has one continuation, padding, that costs nothing; after the longest sentence
    there is nothing but its end.
    """
    count = log_probs.shape[-1]
    full = tf.equal(now["step"], now["words"].shape[1])
    only_end = tf.one_hot(END, count, on_value=0.0, off_value=NEVER)
    unsaid = tf.reduce_sum(tf.one_hot([PAD, START, UNKNOWN], count), axis=0) * NEVER
    never = tf.where(full, only_end, unsaid)
    closed = tf.one_hot(PAD, count, on_value=0.0, off_value=NEVER)
    log_probs = tf.where(now["open"][:, None], log_probs + never, closed[None])
    totals = now["score"][:, None] + log_probs
    length = now["length"] + tf.cast(now["open"], tf.float32)
    ranked = totals / tf.maximum(length, 1.0)[:, None] ** LENGTH_POWER if beams > 1 else totals
    _, best = tf.math.top_k(tf.reshape(ranked, [size, beams * count]), beams)
    flat = tf.reshape(best + tf.range(size)[:, None] * beams * count, [-1])
    parent = flat // count
    return tf.gather(tf.reshape(totals, [-1]), flat), parent, tf.cast(flat % count, tf.int64)


def _chosen(last, size, beams):
    """The first beam of each picture: top_k left them in order."""
    first = tf.range(size) * beams
    return Sentences(*(tf.gather(last[name], first) for name in ("words", "score", "maps")))
