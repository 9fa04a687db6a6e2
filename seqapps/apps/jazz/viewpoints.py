"""A mixture of count models with several viewpoints, the strongest rival that only counts.

A viewpoint (Conklin & Witten 1995) is a list of contexts of a note: the notes before it, its place
in the bar, its chord. Each is counted twice, over all tunes so far and over this tune alone, as in
IDyOM (Pearce 2005); others repeat what stood so many bars earlier. The mixture's weights follow how
well each foresaw the notes so far, none below a share (fixed share: Herbster & Warmuth 1998), with
weights apart for each number of notes before that are known to go on.

Axis letters: T notes, V values, K experts.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from seqapps.app import Columns
from seqapps.apps.jazz import frontend, ngrams
from seqapps.apps.jazz.frontend import LONGEST, VALUES
from seqapps.apps.jazz.ngrams import Context, Counts

ORDER = 8
BARS_EARLIER = (1, 2, 4, 8, 16)
SURE = 0.9
"""Probability that a repeat gives to its note; the rest is shared as in the long run."""

SHARES = (0.01, 0.03, 0.1, 0.2, 0.3)
"""The part of the weight that is dealt out evenly after each note: chosen by validation."""


class Note(NamedTuple):
    """A note: its value, its contexts by viewpoint, the value that began so many bars earlier."""

    value: int
    contexts: dict[str, list[Context]]
    earlier: tuple[int | None, ...]


def notes(columns: Columns) -> list[Note]:
    """The notes of a tune as columns (T,)."""
    batch = {name: tf.constant(np.asarray(values)[None]) for name, values in columns.items()}
    chart = frontend.chart(batch)
    line = frontend.line(batch, chart)
    slots = frontend.slots(chart, line.onset)
    bits = 2 ** np.arange(12)
    now, following, bass = (
        (part.numpy()[0] @ bits).astype(int) for part in (slots.now, slots.following, slots.bass)
    )
    value, position = line.value.numpy()[0].astype(int), slots.position.numpy()[0]
    begun = line.onset.numpy()[0].tolist()
    bar = int(chart.bar.numpy()[0])
    at = dict(zip(begun, value.tolist(), strict=True))
    last = np.concatenate([[-1], value[:-1]])
    ticks = np.where(last < 0, 0, last % LONGEST + 1)

    def of(index: int) -> Note:
        where, before = int(position[index]), int(last[index])
        chord = (int(now[index]), int(bass[index]))
        contexts = {
            "line": ngrams.preceding(value[:index], ORDER),
            "place": [(), (where,), (where, int(ticks[index])), (where, before)],
            "chord": [(), chord, (*chord, where), (*chord, where, before)],
            "ahead": [(), chord[:1], (chord[0], int(following[index]), before)],
        }
        earlier = tuple(at.get(begun[index] - bars * bar) for bars in BARS_EARLIER)
        return Note(int(value[index]), contexts, earlier)

    return [of(index) for index in range(len(value))]


VIEWPOINTS = ("line", "place", "chord", "ahead")
EXPERTS = 2 * len(VIEWPOINTS) + len(BARS_EARLIER)
"""K: each viewpoint over all tunes and over one, and the repeats."""


class Mixture:
    """The experts, learnt from tunes, and their weights float64 (ORDER + 1, K)."""

    def __init__(self, tunes: list[list[Note]], share: float):
        self.share = share
        self.weights = np.full((ORDER + 1, EXPERTS), 1 / EXPERTS)
        self.base = ngrams.shares(np.array([note.value for tune in tunes for note in tune]))
        self.all = {name: Counts(self.base, None) for name in VIEWPOINTS}
        for tune in tunes:
            for note in tune:
                self._count(self.all, note)
        self.begin()

    def begin(self) -> None:
        """Forgets the tune so far, as a new one begins."""
        self.tune = {name: Counts(self.base, None) for name in VIEWPOINTS}

    def probabilities(self, note: Note) -> np.ndarray:
        """The probability of each value at a note: float64 (V,)."""
        whole = np.zeros(VALUES)
        weights = self.weights[self._bucket(note)]
        counted = [
            counts[name].probabilities(note.contexts[name])
            for name in VIEWPOINTS
            for counts in (self.all, self.tune)
        ]
        for weight, probabilities in zip(weights, counted, strict=False):
            whole += weight * probabilities
        for weight, value in zip(weights[len(counted) :], note.earlier, strict=True):
            sure = SURE if value is not None else 0.0
            whole += weight * (1 - sure) * counted[0]
            if value is not None:
                whole[value] += weight * sure
        return whole

    def learn(self, note: Note) -> float:
        """Moves the weights by what was played and counts it; returns its probability before."""
        each = self._each(note)
        bucket = self._bucket(note)
        moved = self.weights[bucket] * each
        probability = float(moved.sum())
        self.weights[bucket] = (1 - self.share) * moved / probability + self.share / EXPERTS
        for counts in (self.all, self.tune):
            self._count(counts, note)
        return probability

    def _each(self, note: Note) -> np.ndarray:
        """The probability (K,) that each expert gave to the note."""
        counted = [
            counts[name].probability(note.contexts[name], note.value)
            for name in VIEWPOINTS
            for counts in (self.all, self.tune)
        ]
        repeats = [
            counted[0] if value is None else (1 - SURE) * counted[0] + SURE * (value == note.value)
            for value in note.earlier
        ]
        return np.array([*counted, *repeats])

    def _bucket(self, note: Note) -> int:
        return self.tune["line"].known(note.contexts["line"])

    @staticmethod
    def _count(counts: dict[str, Counts], note: Note) -> None:
        for name, contexts in note.contexts.items():
            counts[name].learn(contexts, note.value)


def fitted(train: list[list[Note]], validation: list[list[Note]]) -> Mixture:
    """The mixture learnt from all tunes, with the share and weights that validation likes best."""
    best, least = None, np.inf
    for share in SHARES:
        mixture, loss = Mixture(train, share), 0.0
        for tune in validation:
            mixture.begin()
            loss -= sum(np.log(mixture.learn(note)) for note in tune)
        if best is None or loss < least:
            best, least = mixture, loss
    assert best
    best.begin()  # it has counted the validation tunes as it judged them
    return best


def predicted(tune: list[Note], mixture: Mixture) -> np.ndarray:
    """Log-probability float32 (T, V) of every value at each note; each is learnt once judged."""
    log_probs = np.empty((len(tune), VALUES), np.float32)
    for index, note in enumerate(tune):
        log_probs[index] = np.log(mixture.probabilities(note))
        mixture.learn(note)
    return log_probs
