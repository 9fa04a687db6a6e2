"""Metrics shared by applications, and the intervals of scores and of their differences.

Edit distances are counted by jiwer.

Axis letters: N rows, M rows of a draw, K statistics, T thresholds.
"""

from collections.abc import Callable, Iterable

import jiwer
import numpy as np
from scipy.stats import t as student

from seqapps.app import Columns

FEW_UNITS = 20
"""Below this number of units the percentile bootstrap is too narrow: its "95 %" hold .83 with 5
units and .89 with 8."""


def intervals(
    statistics: Callable[[np.ndarray], np.ndarray], units: np.ndarray, *, samples: int, seed: int
) -> tuple[np.ndarray, str]:
    """The 95 % intervals (K, 2) of K statistics of test rows, and the method's name.

    From 20 units on: percentiles of the bootstrap (Efron 1979). With fewer these are too narrow,
    and the interval is Student's t around the statistic, with the standard error of the jackknife's
    pseudo-values over the units (Tukey 1958); for a mean of units that is the textbook's. A single
    unit tells nothing of its spread: its rows are taken for units.

    Args:
        statistics: a function of row numbers (M,) to values (K,).
        units: (N,) labels; the rows of a unit are drawn, or left out, together.
        samples: number of bootstrap samples, drawn with replacement.
        seed: of the draws.
    """
    if len(np.unique(units)) < 2:
        units = np.arange(len(units))
    blocks = [np.flatnonzero(units == name) for name in np.unique(units)]
    count = len(blocks)
    if count < FEW_UNITS:
        whole = np.asarray(statistics(np.arange(len(units))), float)
        without = [statistics(np.concatenate(blocks[:n] + blocks[n + 1 :])) for n in range(count)]
        pseudo = count * whole - (count - 1) * np.asarray(without, float)
        known = np.sum(np.isfinite(pseudo), axis=0)
        error = np.nanstd(pseudo, axis=0, ddof=1) / np.sqrt(known)
        reach = student.ppf(0.975, np.maximum(known - 1, 1)) * error
        return np.stack([whole - reach, whole + reach], axis=1), f"t over {count} units"
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(samples):
        drawn = rng.integers(count, size=count)
        values.append(statistics(np.concatenate([blocks[block] for block in drawn])))
    bounds = np.nanpercentile(np.asarray(values, float), [2.5, 97.5], axis=0)
    return bounds.T, f"bootstrap over {count} units"


def interval(
    score: Callable[[Columns, Columns], float],
    *,
    truth: Columns,
    response: Columns,
    samples: int,
    seed: int,
    groups: np.ndarray | None = None,
) -> tuple[float, float]:
    """The 95 % interval of one score, see `intervals`.

    Args:
        score: value of a (truth, response) pair of columns.
        truth: columns of length N.
        response: columns of length N, in the same order.
        samples: number of bootstrap samples.
        seed: of the draws.
        groups: (N,) labels; whole groups are drawn instead of rows; None: rows.
    """
    count = len(next(iter(truth.values())))
    units = np.arange(count) if groups is None else groups.astype(str)

    def statistics(rows: np.ndarray) -> np.ndarray:
        sides = ({n: v[rows] for n, v in side.items()} for side in (truth, response))
        return np.array([score(*sides)])

    (bounds,), _ = intervals(statistics, units, samples=samples, seed=seed)
    return float(bounds[0]), float(bounds[1])


def deranged(units: np.ndarray, *, seed: int) -> np.ndarray:
    """An order (N,) of rows in which each row stands in the place of a row of another unit.

    The units, in a random order, are moved along by the size of the largest, so that none meets
    itself. Where one unit has more than half of the rows that cannot be, and its rows meet others
    of its own.
    """
    rng = np.random.default_rng(seed)
    names, where = np.unique(units, return_inverse=True)
    drawn = rng.permutation(len(names))[where]
    by_unit = np.lexsort((rng.random(len(units)), drawn))
    step = min(int(np.bincount(where).max()), len(units) // 2)
    order = np.empty(len(units), int)
    order[by_unit] = np.roll(by_unit, step)
    return order


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
        "cer": character_error_rate(expected, answered),
    }


def character_error_rate(references: Iterable[str], hypotheses: Iterable[str]) -> float:
    """Edits of characters, spaces included, over the characters of all references together."""
    return jiwer.process_characters(list(references), list(hypotheses)).cer
