"""Sentences to words: the same in training, in decoding and in the scores."""

import re

PAD, START, END, UNKNOWN = range(4)
SPECIAL = ("<pad>", "<start>", "<end>", "<unknown>")

_WORD = re.compile(r"[^\W_]+(?:[-'’.:/,][^\W_]+)*%?")
_CLAUSE = re.compile(r"\s*;\s*")


def words(sentence: str) -> list[str]:
    """The words in lower case, without punctuation; hyphens, apostrophes and percent signs stay.

    >>> words("Red (top), white-edged; 50% of L'Union")
    ['red', 'top', 'white-edged', '50%', 'of', "l'union"]
    """
    return _WORD.findall(sentence.lower())


def first_clause(sentence: str) -> str:
    """The text before the first semicolon.

    In the Factbook that is the clause that says what is seen; the rest says what it stands for.
    """
    return _CLAUSE.split(sentence.strip())[0]
