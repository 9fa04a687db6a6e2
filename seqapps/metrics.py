"""Metrics shared by applications, and the interval that stands beside every headline.

Axis letters: N examples.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Columns = dict[str, Any]


def bootstrap(
    score: Callable[[Columns, Columns], float],
    truth: Columns,
    response: Columns,
    *,
    samples: int,
    seed: int,
    groups: np.ndarray | None = None,
) -> tuple[float, float]:
    """The 95 % percentile interval of a score when the examples are drawn anew (Efron 1979).

    Args:
        score: value of a (truth, response) pair of columns.
        truth: columns of length N.
        response: columns of length N, in the same order.
        samples: how many draws with replacement.
        seed: of the draws.
        groups: [N] labels; whole groups are drawn instead of rows when given.
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
        values.append(score(take(truth, rows), take(response, rows)))
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)


def take(columns: Columns, rows: np.ndarray) -> Columns:
    """The given rows of every column."""
    return {name: values[rows] for name, values in columns.items()}
