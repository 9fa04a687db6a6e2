"""Words of sentences and their numbers, for networks that read or write text."""

import re
from collections.abc import Mapping, Sequence

PAD, START, END, UNKNOWN = range(4)
SPECIAL = ("<pad>", "<start>", "<end>", "<unknown>")
"""The texts of the first numbers of a vocabulary."""

_WORD = re.compile(r"[^\W_]+(?:[-'’.:/,][^\W_]+)*%?")


def tokenize(sentence: str) -> list[str]:
    """The words in lower case, without punctuation; hyphens, apostrophes and percent signs stay.

    >>> tokenize("Red (top), white-edged; 50% of L'Union")
    ['red', 'top', 'white-edged', '50%', 'of', "l'union"]
    """
    return _WORD.findall(sentence.lower())


def vocabulary(counts: Mapping[str, int], *, min_count: int) -> list[str]:
    """The special texts, then the words that occur `min_count` times, most frequent first."""
    kept = (word for word, count in counts.items() if count >= min_count)
    return [*SPECIAL, *sorted(kept, key=lambda word: (-counts[word], word))]


def encode(tokens: Sequence[str], numbers: Mapping[str, int], *, max_words: int) -> list[int]:
    """Start, at most `max_words` words, end, padding to max_words + 2: a row of numbers.

    >>> encode(["red", "star"], {"red": 4}, max_words=3)
    [1, 4, 3, 2, 0]
    """
    row = [START, *(numbers.get(word, UNKNOWN) for word in tokens[:max_words]), END]
    return row + [PAD] * (max_words + 2 - len(row))
