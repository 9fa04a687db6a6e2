"""N-gram baselines of (pitch, duration) in C, and repetition of the last bar.

All give each of the V values a probability, seen in training or not, as the network does. An n-gram
backs off to the next shorter one, which counts as so many notes more (MacKay & Peto 1995, or Witten
& Bell 1991), down to the product of the pitches' and the durations' shares, one added to each
count.

Axis letters: T notes, V values, P pitches, D durations.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

from seqapps.apps.jazz.frontend import LONGEST, PITCHES, VALUES

WEIGHTS = (None, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""How many notes a shorter context may count as, None as Witten and Bell's: chosen by validation,
for each n-gram."""

Context = tuple[int, ...]


class Counts:
    """Counts of values after contexts, each backing off to the next shorter one.

    A shorter context counts as `weight` notes; None: as many as there are different values after
    the longer one (Witten & Bell 1991, their method C).
    """

    def __init__(self, base: np.ndarray, weight: float | None):
        self.base, self.weight = base, weight
        self.after: defaultdict[Context, Counter[int]] = defaultdict(Counter)

    def learn(self, contexts: Iterable[Context], value: int) -> None:
        """Counts a value, a scalar, after each context."""
        for context in contexts:
            self.after[context][value] += 1

    def probabilities(self, contexts: Iterable[Context]) -> np.ndarray:
        """The probability of each value after contexts, the shortest first: float64 (V,)."""
        probabilities = self.base
        for counts in self._known(contexts):
            rest = self._rest(counts)
            whole = counts.total() + rest
            probabilities = probabilities * (rest / whole)
            probabilities[np.fromiter(counts.keys(), int)] += (
                np.fromiter(counts.values(), float) / whole
            )
        return probabilities

    def probability(self, contexts: Iterable[Context], value: int) -> float:
        """The probability of one value, a scalar: an entry of `probabilities`."""
        probability = float(self.base[value])
        for counts in self._known(contexts):
            rest = self._rest(counts)
            probability = (counts[value] + rest * probability) / (counts.total() + rest)
        return probability

    def known(self, contexts: Iterable[Context]) -> int:
        """The number of contexts, from the shortest on, after which something was counted."""
        return sum(1 for _ in self._known(contexts))

    def _known(self, contexts: Iterable[Context]) -> Iterator[Counter[int]]:
        for context in contexts:
            counts = self.after.get(context)
            if not counts:
                return
            yield counts

    def _rest(self, counts: Counter[int]) -> float:
        return len(counts) if self.weight is None else self.weight


class NGram:
    """`Counts` of values after up to `order` - 1 others."""

    def __init__(self, lines: Iterable[np.ndarray], order: int, weight: float | None = 1.0):
        self.order = order
        lines = list(lines)
        base = shares(np.concatenate(lines)) if lines else np.full(VALUES, 1 / VALUES)
        self.counts = Counts(base, weight)
        for line in lines:
            for index, value in enumerate(line):
                self.learn(line[:index], int(value))

    def learn(self, before: np.ndarray, value: int) -> None:
        """Counts a value, a scalar, after the notes before it."""
        self.counts.learn(preceding(before, self.order), value)

    def probabilities(self, before: np.ndarray) -> np.ndarray:
        """The probability of each value after some notes: float64 (V,)."""
        return self.counts.probabilities(preceding(before, self.order))

    def probability(self, before: np.ndarray, value: int) -> float:
        """The probability of one value, a scalar: an entry of `probabilities`."""
        return self.counts.probability(preceding(before, self.order), value)


def preceding(before: np.ndarray, order: int) -> list[Context]:
    """The contexts of none, one, ... up to `order` - 1 of the last notes before a note (T,)."""
    return [
        tuple(before[len(before) - length :].tolist())
        for length in range(min(order, len(before) + 1))
    ]


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
