"""Clauses of flag descriptions: the visual one, and the one of the picture turned."""

import re

from seqapps.kit.text import tokenize

_BANDS = set(
    "two three four five six seven nine horizontal vertical equal bands stripes of top bottom "
    "hoist fly side center alternating with and double half triple width double-width half-width "
    "light red white blue green yellow black orange gold maroon".split()
)
_ARMS = re.compile(
    r" with (the|an?) (national )?(coat of arms|emblem) centered (in|on) the \w+ band$"
)
_TURNED = {"horizontal": "vertical", "top": "hoist side", "bottom": "fly side"}
_TURNED |= {after: before for before, after in _TURNED.items()}
_TURNS = re.compile(rf"\b({'|'.join(_TURNED)})\b")
_CLAUSE = re.compile(r"\s*;\s*")


def first_clause(sentence: str) -> str:
    """The text before the first semicolon.

    In the Factbook that is the clause that says what is seen; the rest says what it stands for.
    """
    return _CLAUSE.split(sentence.strip())[0]


def turned(sentence: str) -> str | None:
    """The caption of the picture with rows and columns swapped; None: not only about bands.

    The swap takes the top to the hoist side and the bottom to the fly side.

    >>> turned("three equal vertical bands of blue (hoist side), white, and red")
    'three equal horizontal bands of blue top white and red'
    """
    normal = " ".join(tokenize(sentence))
    bands = _ARMS.sub("", normal).split()
    if not _BANDS.issuperset(bands) or not {"horizontal", "vertical"} & set(bands):
        return None
    return _TURNS.sub(lambda match: _TURNED[match[0]], normal)
