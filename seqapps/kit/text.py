"""Tokenization and vocabularies of words, for networks that read or write text."""

import re
from collections.abc import Mapping, Sequence

PAD, START, END, UNKNOWN = range(4)
SPECIAL = ("<pad>", "<start>", "<end>", "<unknown>")
"""The special tokens: the first entries of every vocabulary, in the order of the numbers above."""

_WORD = re.compile(r"[^\W_]+(?:[-'’.:/,][^\W_]+)*%?")


def tokenize(sentence: str) -> list[str]:
    """The words in lower case; of punctuation only -'’.:/, inside a word and % at its end stay.

    >>> tokenize("Red (top), white-edged; 50% of L'Union")
    ['red', 'top', 'white-edged', '50%', 'of', "l'union"]
    """
    return _WORD.findall(sentence.lower())


def vocabulary(counts: Mapping[str, int], *, min_count: int) -> list[str]:
    """The special tokens, then words that occur `min_count` times or more, most frequent first."""
    kept = (word for word, count in counts.items() if count >= min_count)
    return [*SPECIAL, *sorted(kept, key=lambda word: (-counts[word], word))]


def encode(tokens: Sequence[str], numbers: Mapping[str, int], *, max_words: int) -> list[int]:
    """Token numbers: start, at most `max_words` words, end, padding to length max_words + 2.

    >>> encode(["red", "star"], {"red": 4}, max_words=3)
    [1, 4, 3, 2, 0]
    """
    row = [START, *(numbers.get(word, UNKNOWN) for word in tokens[:max_words]), END]
    return row + [PAD] * (max_words + 2 - len(row))
