"""Walk-forward: the blocks of days of each fold.

Blocks begin on the first of a month. An example is the pair (day of the forecast, day that is
forecast); it belongs to a block if both days lie in it. Pairs that straddle a border are purged
from what is learnt or chosen by. The one into the test block is a test pair: nothing before it
knows that return, and so every test day is judged.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from seqapps.apps.finance.params import Preprocess
from seqapps.config import UserError

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Fold:
    """The first days of the three blocks, and the first day after the last."""

    train: pd.Timestamp
    validation: pd.Timestamp
    test: pd.Timestamp
    end: pd.Timestamp

    @property
    def name(self) -> str:
        """The month in which the test block begins: names sort by time."""
        return f"{self.test:%Y-%m}"

    def splits(self, days: pd.DatetimeIndex) -> np.ndarray:
        """The block (D - 1,) of each day and the next: "purged" across a border, "" outside.

        >>> fold = Fold(*map(pd.Timestamp, ("2010", "2012", "2013", "2014")))
        >>> fold.splits(pd.DatetimeIndex(["2011-12-29", "2011-12-30", "2012-01-03"])).tolist()
        ['train', 'purged']
        """
        borders = pd.DatetimeIndex([self.train, self.validation, self.test, self.end])
        block = np.searchsorted(borders.to_numpy(), days.to_numpy(), side="right")
        names = np.array(["", *SPLITS, ""])
        one, other = names[block[:-1]], names[block[1:]]
        inside = (one != "") & (other != "")
        same = (one == other) | (inside & (other == "test"))
        return np.where(same, other, np.where(inside, "purged", ""))


def folds(table: Preprocess, last: Any) -> list[Fold]:
    """The folds of `[preprocess]`, in order of time; the last test block may be short.

    Args:
        table: names the blocks; without `test_until` they end with `last`, and without `test_from`
            there is one, whose last month is that of its end.
        last: the last day of all series.
    """
    blocks: list[Fold] = []
    after: Any = pd.Timestamp(table.test_until or last) + pd.Timedelta(days=1)
    month = (after - pd.Timedelta(days=1)).normalize().replace(day=1)
    test: Any = pd.Timestamp(table.test_from or month - pd.DateOffset(months=table.test_months - 1))
    if test >= after:
        raise UserError(
            f"preprocess.test_from is {test:%Y-%m-%d}, after the last day of the series or "
            f"test_until, {after - pd.Timedelta(days=1):%Y-%m-%d}; leave out both for the last "
            "test_months"
        )
    while test < after:
        end = min(test + pd.DateOffset(months=table.test_months), after)
        validation = test - pd.DateOffset(months=table.validation_months)
        train = validation - pd.DateOffset(months=table.train_months)
        blocks.append(Fold(train, validation, test, end))
        test = end
    return blocks
