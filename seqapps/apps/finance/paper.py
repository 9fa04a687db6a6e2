"""Bao, Yue & Rao (2017): what they published for the S&P 500, and our scores for the same years."""

from typing import Any

import numpy as np

from seqapps.apps.finance import metrics
from seqapps.apps.finance.model import MEDIAN

FIRST_YEAR, YEARS = 2010, 6
"""A year runs from 1 October to 30 September; year 1 begins in 2010."""

WHOLE_YEAR_DAYS = 240

MAPE_COLUMNS = tuple(f"mape_y{number + 1}" for number in range(YEARS))
MAPE = {"wsaes_lstm": (0.012, 0.014, 0.010, 0.008, 0.011, 0.010)}
MEAN_MAPE = {"wsaes_lstm": 0.011, "wlstm": 0.015, "lstm": 0.017, "rnn": 0.018}
MEAN_R = {"wsaes_lstm": 0.946, "wlstm": 0.894, "lstm": 0.875, "rnn": 0.847}
MEAN_THEIL_U = {"wsaes_lstm": 0.007, "wlstm": 0.010, "lstm": 0.011, "rnn": 0.012}
RETURN_PERCENT = {"wsaes_lstm": 46.0, "wlstm": 25.6, "lstm": 11.6, "rnn": 8.2}
"""Per year, S&P 500; MAPE, R and Theil U are means over the six years. Buy and hold: 7.0."""


def year(date: str) -> int:
    """0 for the paper's year 1.

    >>> year("2010-10-01"), year("2011-09-30"), year("2011-10-03")
    (0, 0, 1)
    """
    return int(date[:4]) - FIRST_YEAR - (date[5:7] < "10")


def by_year(truth: Any, responses: dict[str, Any]) -> dict[str, dict[int, dict[str, float]]]:
    """Bao's scores on the S&P 500, of each response: row -> year (0..5) -> mape, r, theil_u.

    Years that the test days do not fill are absent.
    """
    years = np.array([year(date) for date in truth["target_date"].astype(str)])
    scores: dict[str, dict[int, dict[str, float]]] = {name: {} for name in responses}
    for number in range(YEARS):
        rows = np.flatnonzero((years == number) & (truth["symbol"] == "sp500"))
        if len(rows) < WHOLE_YEAR_DAYS:
            continue
        last, actual = (truth[name][rows].astype(float) for name in ("window", "next"))
        last, actual = last[:, -1, 3], actual[:, 3]
        for name, response in responses.items():
            forecast = last * np.exp(response["log_return_quantiles"][rows, MEDIAN].astype(float))
            scores[name][number] = {
                "mape": metrics.mape(actual, forecast),
                "r": metrics.correlation(actual, forecast),
                "theil_u": metrics.theil_u(actual, forecast),
            }
    return scores


def table(
    years: dict[str, dict[int, dict[str, float]]], returns: dict[str, float]
) -> dict[str, dict[str, float]]:
    """The paper's table beside ours: row -> {mape_y1 .. mape_y6, mape, r, theil_u, ...}.

    mape, r and theil_u are means over the six years, and absent if a year is; `returns` are per
    cent a year, after costs.
    """
    rows_of_model: dict[str, dict[str, float]] = {}
    for name, mean in MEAN_MAPE.items():
        by = dict(zip(MAPE_COLUMNS, MAPE[name], strict=True)) if name in MAPE else {}
        means = {"mape": mean, "r": MEAN_R[name], "theil_u": MEAN_THEIL_U[name]}
        rows_of_model[f"published: {name}"] = by | means | {"return_percent": RETURN_PERCENT[name]}
    for name, values in years.items():
        row = {MAPE_COLUMNS[number]: cells["mape"] for number, cells in values.items()}
        if len(values) == YEARS:
            for metric in ("mape", "r", "theil_u"):
                row[metric] = float(np.mean([cells[metric] for cells in values.values()]))
        row |= {"return_percent": returns[name]} if name in returns else {}
        rows_of_model[f"here: {name}"] = row
    return rows_of_model
