"""Character n-gram language models as finite automata: two table lookups per character.

A state is a context of up to `order - 1` characters that occurs; character c in state s has the
log-probability `log_probability[s, c]` and leads to state `following[s, c]`.

Witten-Bell interpolation (Witten & Bell 1991): P(c | h) = (n(h, c) + t(h) P(c | h')) / (n(h) +
t(h)), where t(h) counts the different characters that occur after h and h' is h without its oldest
character.

Axis letters: S states, V letters.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

START = 0
"""The initial state of a text: the context of one space."""

Counts = dict[str, float]
"""Next character -> how often it follows."""


@dataclass(frozen=True)
class Automaton:
    """`log_probability` float32 (S, V), `following` int32 (S, V); state START begins a text."""

    log_probability: np.ndarray
    following: np.ndarray

    def save(self, path: Path) -> None:
        """Writes both arrays as npz."""
        np.savez_compressed(path, log_probability=self.log_probability, following=self.following)


def load(path: Path) -> Automaton:
    """The automaton that `save` wrote."""
    with np.load(path) as saved:
        return Automaton(saved["log_probability"], saved["following"])


def fit(texts: Iterable[str], letters: str, *, order: int, words: Mapping[str, float]) -> Automaton:
    """The automaton fitted to normalised texts.

    Args:
        texts: each counts once, with a space before and after it.
        letters: the alphabet; holds a space.
        order: length of the n-grams, in characters.
        words: further words -> their counts, each read as ` word `.
    """
    counts: defaultdict[str, Counts] = defaultdict(lambda: defaultdict(float))
    for line in texts:
        _count(counts, f" {line} ", weight=1.0, order=order)
    for word, weight in words.items():
        _count(counts, f" {word} ", weight=weight, order=order)
    contexts = sorted(counts, key=lambda c: (len(c), c))
    contexts = [" ", *(c for c in contexts if c != " ")] if " " in counts else ["", *contexts]
    number = {context: n for n, context in enumerate(contexts)}
    probabilities: dict[str, np.ndarray] = {}
    uniform = np.full(len(letters), 1 / len(letters))
    for context in sorted(contexts, key=len):
        shorter = probabilities[context[1:]] if context else uniform
        letter_counts = np.array([counts[context].get(letter, 0.0) for letter in letters])
        kinds = max(np.count_nonzero(letter_counts), 1)
        probabilities[context] = (letter_counts + kinds * shorter) / (letter_counts.sum() + kinds)
    following = np.zeros((len(contexts), len(letters)), np.int32)
    for context, row in number.items():
        for column, letter in enumerate(letters):
            following[row, column] = number[_longest(context + letter, number, order)]
    table = np.log(np.stack([probabilities[context] for context in contexts])).astype(np.float32)
    return Automaton(table, following)


def _count(counts: Mapping[str, Counts], line: str, *, weight: float, order: int) -> None:
    for end in range(1, len(line)):
        for start in range(max(0, end - order + 1), end + 1):
            counts[line[start:end]][line[end]] += weight


def _longest(context: str, known: Mapping[str, int], order: int) -> str:
    """The longest suffix of a context that is a state."""
    context = context[max(0, len(context) - order + 1) :]
    while context and context not in known:
        context = context[1:]
    return context
