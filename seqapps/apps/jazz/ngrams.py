"""N-gram baselines of (pitch, duration) in C, and repetition of the last bar.

All give each of the V values a probability, seen in training or not, as the network does. An n-gram
backs off to the next shorter one, which counts as so many notes more (MacKay & Peto 1995), down to
the product of the pitches' and the durations' shares, one added to each count.

Axis letters: T notes, V values, P pitches, D durations.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable

import numpy as np

from seqapps.apps.jazz.frontend import LONGEST, PITCHES, VALUES

WEIGHTS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""How many notes a shorter context may count as: chosen by validation, for each n-gram."""


class NGram:
    """Counts of values after up to `order` - 1 others; a shorter context counts as `weight`."""

    def __init__(self, lines: Iterable[np.ndarray], order: int, weight: float = 1.0):
        self.order, self.weight = order, weight
        self.after: defaultdict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        self.base = np.full(VALUES, 1 / VALUES)
        lines = list(lines)
        if lines:
            self.base = shares(np.concatenate(lines))
        for line in lines:
            for index, value in enumerate(line):
                self.learn(line[:index], int(value))

    def learn(self, before: np.ndarray, value: int) -> None:
        """Counts a value, a scalar, after the notes before it."""
        for context in self._contexts(before):
            self.after[context][value] += 1

    def probabilities(self, before: np.ndarray) -> np.ndarray:
        """The probability of each value after some notes: float64 (V,)."""
        probabilities = self.base
        for context in self._contexts(before):
            counts = self.after.get(context)
            if not counts:
                break
            whole = counts.total() + self.weight
            probabilities = probabilities * (self.weight / whole)
            probabilities[np.fromiter(counts.keys(), int)] += (
                np.fromiter(counts.values(), float) / whole
            )
        return probabilities

    def probability(self, before: np.ndarray, value: int) -> float:
        """The probability of one value, a scalar: an entry of `probabilities`."""
        probability = float(self.base[value])
        for context in self._contexts(before):
            counts = self.after.get(context)
            if not counts:
                break
            probability = (counts[value] + self.weight * probability) / (
                counts.total() + self.weight
            )
        return probability

    def _contexts(self, before: np.ndarray) -> Iterable[tuple[int, ...]]:
        for length in range(min(self.order, len(before) + 1)):
            yield tuple(before[len(before) - length :].tolist())


def fitted(
    train: list[np.ndarray], validation: list[np.ndarray], *, order: int, adapts: bool = False
) -> NGram:
    """The n-gram of all lines (T,), with the weight that fits the validation lines best."""
    losses = []
    for weight in WEIGHTS:
        model, loss = NGram(train, order, weight), 0.0
        for line in validation:
            for index, value in enumerate(line):
                loss -= np.log(model.probability(line[:index], int(value)))
                if adapts:
                    model.learn(line[:index], int(value))
        losses.append(loss)
    return NGram([*train, *validation], order, WEIGHTS[int(np.argmin(losses))])


def shares(values: np.ndarray) -> np.ndarray:
    """The product of the shares of pitches and of durations, one added to each count: (V,)."""
    pitch = np.bincount(values // LONGEST, minlength=PITCHES) + 1.0
    ticks = np.bincount(values % LONGEST, minlength=LONGEST) + 1.0
    return np.outer(pitch / pitch.sum(), ticks / ticks.sum()).ravel()


def predicted(line: np.ndarray, model: NGram, *, adapts: bool = False) -> np.ndarray:
    """Log-probability float32 (T, V) of every value at each note of a line.

    With `adapts` the model goes on counting: each note once it has been judged.
    """
    log_probs = np.empty((len(line), VALUES), np.float32)
    for index, value in enumerate(line):
        log_probs[index] = np.log(model.probabilities(line[:index]))
        if adapts:
            model.learn(line[:index], int(value))
    return log_probs


def last_bar(line: np.ndarray, bar: int, right: float, unigram: NGram) -> np.ndarray:
    """Log-probability (T, V): the note that began a bar earlier, `right` sure; else the unigram."""
    probabilities = unigram.probabilities(line[:0])
    log_probs = np.tile(np.log(probabilities).astype(np.float32), (len(line), 1))
    for index, value in repeats(line, bar):
        mixture = (1 - right) * probabilities
        mixture[value] += right
        log_probs[index] = np.log(mixture)
    return log_probs


def repeats(line: np.ndarray, bar: int) -> list[tuple[int, int]]:
    """Index of each note of a line (T,) with a note exactly a bar earlier, and its value."""
    ticks = line % LONGEST + 1
    onset = (np.cumsum(ticks) - ticks).tolist()
    at = {begin: int(value) for begin, value in zip(onset, line, strict=True)}
    return [(index, at[begin - bar]) for index, begin in enumerate(onset) if begin - bar in at]
