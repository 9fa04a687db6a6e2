"""Metrics shared by applications, and the bootstrap interval of the headline metric.

Edit distances are counted by jiwer.

Axis letters: N rows, T thresholds.
"""

from collections.abc import Callable, Iterable

import jiwer
import numpy as np

from seqapps.app import Columns


def bootstrap(
    score: Callable[[Columns, Columns], float],
    *,
    truth: Columns,
    response: Columns,
    samples: int,
    seed: int,
    groups: np.ndarray | None = None,
) -> tuple[float, float]:
    """The 95 % percentile interval of a score by the bootstrap over rows (Efron 1979).

    Args:
        score: value of a (truth, response) pair of columns.
        truth: columns of length N.
        response: columns of length N, in the same order.
        samples: number of bootstrap samples, drawn with replacement.
        seed: of the draws.
        groups: (N,) labels; whole groups are drawn instead of rows; None: rows.
    """
    count = len(next(iter(truth.values())))
    rng = np.random.default_rng(seed)
    blocks = (
        [np.array([row]) for row in range(count)]
        if groups is None
        else [np.flatnonzero(groups == name) for name in np.unique(groups.astype(str))]
    )
    values = []
    for _ in range(samples):
        drawn = rng.integers(len(blocks), size=len(blocks))
        rows = np.concatenate([blocks[block] for block in drawn])
        values.append(score(*({n: v[rows] for n, v in side.items()} for side in (truth, response))))
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)


def auroc(positive: np.ndarray, probability: np.ndarray) -> float:
    """Area under the ROC curve, a scalar: P(a positive row ranks above a negative one).

    Rows are (N,); nan unless both classes occur. A tie counts half:
    `auroc([1, 0, 1, 0], [.9, .8, .4, .1])` is 3 of 4 pairs, .75.
    """
    positive = np.asarray(positive, bool)
    yes, no = np.asarray(probability)[positive], np.sort(np.asarray(probability)[~positive])
    if not len(yes) or not len(no):
        return float("nan")
    wins = (np.searchsorted(no, yes, "left") + np.searchsorted(no, yes, "right")) / 2
    return float(wins.mean() / len(no))


def auprc(positive: np.ndarray, probability: np.ndarray) -> float:
    """Average precision, a scalar: precision at the thresholds, weighted by the recall each adds.

    Rows are (N,); nan unless both classes occur.
    `auprc([1, 0, 1, 0], [.9, .8, .4, .1])` is 1/2 * 1/1 + 1/2 * 2/3.
    """
    precision, recall = precision_recall(positive, probability)
    if not len(precision) or np.isnan(recall[-1]) or np.all(positive):
        return float("nan")
    return float(np.sum(precision * np.diff(recall, prepend=0.0)))


def precision_recall(
    positive: np.ndarray, probability: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall, (T,) each, of rows (N,) at T distinct thresholds, the highest first."""
    order = np.argsort(-np.asarray(probability), kind="stable")
    hits, ranked = np.cumsum(np.asarray(positive, float)[order]), np.asarray(probability)[order]
    last = np.flatnonzero(np.diff(ranked, append=np.inf))  # of each run of ties
    total = hits[-1] if len(hits) and hits[-1] else np.nan
    return hits[last] / (last + 1), hits[last] / total


def error_rates(references: Iterable[str], hypotheses: Iterable[str]) -> dict[str, float]:
    """Word and character error rates of texts (N,), scalars: edits over the references' length.

    `wer` is the sum of `substitutions`, `deletions` and `insertions`, each per word of all
    references together; `cer` counts characters, spaces included. "the cat sat" heard as "a cat"
    has one substitution and one deletion: `wer` 2/3.
    Without a single word in the references the three parts are nan.

    Raises:
        ValueError: the two differ in length.
    """
    expected, answered = list(references), list(hypotheses)
    words = jiwer.process_words(expected, answered)
    count = sum(len(text.split()) for text in expected) or float("nan")
    return {
        "wer": words.wer,
        "substitutions": words.substitutions / count,
        "deletions": words.deletions / count,
        "insertions": words.insertions / count,
        "cer": jiwer.process_characters(expected, answered).cer,
    }
