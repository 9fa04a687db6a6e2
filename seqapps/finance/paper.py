"""Bao, Yue & Rao (2017): what they published for the S&P 500, and our scores for the same years."""

from typing import Any

import numpy as np

from seqapps.finance import scores
from seqapps.finance.model import MEDIAN

FIRST_YEAR, YEARS = 2010, 6
"""A year runs from 1 October to 30 September; year 1 begins in 2010."""

WHOLE_YEAR_DAYS = 240

MAPE = {
    "wsaes_lstm": (0.012, 0.014, 0.010, 0.008, 0.011, 0.010),
    "wlstm": None,
    "lstm": None,
    "rnn": None,
}
MEAN_MAPE = {"wsaes_lstm": 0.011, "wlstm": 0.015, "lstm": 0.017, "rnn": 0.018}
MEAN_R = {"wsaes_lstm": 0.946, "wlstm": 0.894, "lstm": 0.875, "rnn": 0.847}
MEAN_THEIL_U = {"wsaes_lstm": 0.007, "wlstm": 0.010, "lstm": 0.011, "rnn": 0.012}
RETURN_PERCENT = {"wsaes_lstm": 46.0, "wlstm": 25.6, "lstm": 11.6, "rnn": 8.2, "buy_and_hold": 7.0}
"""Per year, S&P 500; MAPE, R and Theil U are means over the six years."""


def year(date: str) -> int:
    """0 for the paper's year 1.

    >>> year("2010-10-01"), year("2011-09-30"), year("2011-10-03")
    (0, 0, 1)
    """
    return int(date[:4]) - FIRST_YEAR - (date[5:7] < "10")


def by_year(truth: Any, responses: dict[str, Any]) -> dict[str, dict[int, float]]:
    """MAPE on the S&P 500 by the paper's years, of each response.

    Years that the test days do not fill are absent.
    """
    years = np.array([year(date) for date in truth["target_date"].astype(str)])
    found = {}
    for name, response in responses.items():
        found[name] = {}
        for number in range(YEARS):
            rows = np.flatnonzero((years == number) & (truth["symbol"] == "sp500"))
            if len(rows) >= WHOLE_YEAR_DAYS:
                last, actual = truth["window"][rows, -1, 3], truth["next"][rows, 3]
                said = last * np.exp(response["log_return_quantiles"][rows, MEDIAN])
                found[name][number] = scores.mape(actual.astype(float), said.astype(float))
    return found
