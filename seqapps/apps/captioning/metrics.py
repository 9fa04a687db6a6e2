"""BLEU, ROUGE-L and CIDEr-D as pycocoevalcap computes them, without Java.

A sentence here is a string of words with spaces between them, a row has one candidate and one or
more references. `tests/captioning/published.json` holds values of pycocoevalcap.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

ORDERS = 4
SIGMA = 6.0
ROUGE_BETA = 1.2
TINY, SMALL = 1e-15, 1e-9

Grams = dict[tuple[str, ...], int]


@lru_cache(maxsize=200_000)
def grams(sentence: str) -> tuple[Grams, ...]:
    """Counts of n-grams of 1, 2, 3 and 4 words: one dict per length."""
    words = sentence.split()
    return tuple(
        dict(Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1)))
        for n in range(1, ORDERS + 1)
    )


def bleu(candidates: Sequence[str], references: Sequence[tuple[str, ...]]) -> list[float]:
    """BLEU-1 to BLEU-4 of a corpus (Papineni et al. 2002), brevity by the closest reference."""
    counts = np.sum([_matches(*row) for row in zip(candidates, references, strict=True)], axis=0)
    length, closest = counts[:2]
    matched, possible = counts[2 : 2 + ORDERS], counts[2 + ORDERS :]
    precisions = (matched + TINY) / (possible + SMALL)
    values = np.cumprod(precisions) ** (1 / np.arange(1, ORDERS + 1))
    ratio = (length + TINY) / (closest + SMALL)
    return (values * (math.exp(1 - 1 / ratio) if ratio < 1 else 1.0)).tolist()


def rouge_l(candidates: Sequence[str], references: Sequence[tuple[str, ...]]) -> float:
    """Mean ROUGE-L (Lin 2004): F with beta 1.2 of the best precision and recall of a row."""
    return float(np.mean([_rouge(*row) for row in zip(candidates, references, strict=True)]))


def cider_d(
    candidates: Sequence[str], references: Sequence[tuple[str, ...]], *, keys: Iterable[str]
) -> np.ndarray:
    """CIDEr-D of each row (Vedantam et al. 2015), float64 (rows,), 0 to 10.

    A run of words weighs the logarithm of (rows / rows whose references hold it). Rows with the
    same key count once there: in a bootstrap draw a picture that was drawn twice makes its words no
    more common.
    """
    documents = dict(zip(keys, references, strict=True))
    return weighted_cider(candidates, references, document_counts(list(documents.values())))


def document_counts(references: Sequence[tuple[str, ...]]) -> tuple[Counter, float]:
    """Number of rows that hold each run of words, and the logarithm of the number of rows."""
    rows: Counter = Counter()
    count = 0
    for texts in references:
        count += 1
        rows.update({gram for text in texts for part in grams(text) for gram in part})
    return rows, math.log(max(count, 1))


def weighted_cider(
    candidates: Sequence[str],
    references: Sequence[tuple[str, ...]],
    documents: tuple[Counter, float],
) -> np.ndarray:
    """CIDEr-D float64 (N,) with document counts from elsewhere."""
    vectors: dict[str, tuple] = {}

    def vector(sentence: str) -> tuple:
        if sentence not in vectors:
            vectors[sentence] = _vector(sentence, documents)
        return vectors[sentence]

    return np.array(
        [
            10 * np.mean([_similarity(vector(candidate), vector(text)) for text in texts])
            for candidate, texts in zip(candidates, references, strict=True)
        ]
    )


@lru_cache(maxsize=200_000)
def _matches(candidate: str, references: tuple[str, ...]) -> np.ndarray:
    """Length, length of the closest reference, clipped matches and grams of each order."""
    length = len(candidate.split())
    closest = min((len(text.split()) for text in references), key=lambda n: (abs(n - length), n))
    matched, possible = [], []
    for order, candidate_grams in enumerate(grams(candidate)):
        theirs = [grams(text)[order] for text in references]
        matched.append(
            sum(min(n, max(t.get(g, 0) for t in theirs)) for g, n in candidate_grams.items())
        )
        possible.append(max(0, length - order))
    return np.array([length, closest, *matched, *possible], float)


@lru_cache(maxsize=200_000)
def _rouge(candidate: str, references: tuple[str, ...]) -> float:
    tokens = candidate.split()
    if not tokens:
        return 0.0
    common = [(_common(tokens, text.split()), len(text.split())) for text in references]
    precision = max(n / len(tokens) for n, _ in common)
    recall = max(n / length for n, length in common)
    if not precision * recall:
        return 0.0
    return (1 + ROUGE_BETA**2) * precision * recall / (recall + ROUGE_BETA**2 * precision)


def _common(one: list[str], other: list[str]) -> int:
    """The length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for word in one:
        diagonal = 0
        for column, theirs in enumerate(other, 1):
            above = row[column]
            row[column] = diagonal + 1 if word == theirs else max(above, row[column - 1])
            diagonal = above
    return row[-1]


def _vector(sentence: str, documents: tuple[Counter, float]) -> tuple:
    """Per order the weights of the grams and their norm; and the number of words less one."""
    rows, log_rows = documents
    weights = [
        {gram: n * (log_rows - math.log(max(1, rows[gram]))) for gram, n in part.items()}
        for part in grams(sentence)
    ]
    norms = [math.sqrt(sum(w * w for w in part.values())) for part in weights]
    # The length is the number of pairs of words, as in the reference implementation.
    return weights, norms, sum(grams(sentence)[1].values())


def _similarity(candidate: tuple, truth: tuple) -> float:
    """Mean over orders of the clipped cosine, with CIDEr-D's penalty for another length."""
    total = 0.0
    for candidate_grams, theirs, norm, other in zip(
        candidate[0], truth[0], candidate[1], truth[1], strict=True
    ):
        product = sum(
            min(w, theirs[g]) * theirs[g] for g, w in candidate_grams.items() if g in theirs
        )
        total += product / (norm * other) if norm and other else 0.0
    return total / ORDERS * math.exp(-((candidate[2] - truth[2]) ** 2) / (2 * SIGMA**2))
