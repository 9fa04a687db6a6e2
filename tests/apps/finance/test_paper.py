"""The paper's table and years."""

from types import SimpleNamespace

import numpy as np
import pandas as pd

from seqapps.apps.finance import ingest, paper, prices
from seqapps.apps.finance.params import Ingest


def test_the_last_value_on_the_sp500_in_the_papers_six_years(tmp_path):
    ingest.ingest(SimpleNamespace(ingest=Ingest(symbols=("sp500",))), tmp_path)
    close = prices.load(tmp_path / "sp500.csv")["close"].loc["2010-09-30":"2016-09-30"]
    rows = np.zeros((len(close) - 1, 1, 5))
    rows[:, 0, 3] = close.to_numpy()[:-1]
    following = np.zeros((len(rows), 5))
    following[:, 3] = close.to_numpy()[1:]
    dates = close.index.strftime("%Y-%m-%d").to_numpy()[1:]
    truth = {
        "window": rows,
        "next": following,
        "target_date": dates,
        "symbol": np.full(len(rows), "sp500"),
    }
    same = {"log_return_quantiles": np.zeros((len(rows), 5))}
    found = paper.by_year(truth, {"last": same})["last"]
    assert [round(found[n]["mape"], 4) for n in range(6)] == [
        0.0083,
        0.0078,
        0.0056,
        0.0049,
        0.0070,
        0.0066,
    ]
    assert round(paper.table({"last": found}, {})["here: last"]["mape"], 4) == 0.0067


def test_a_year_that_is_not_whole_is_left_out(evaluation):
    dates = pd.DatetimeIndex(evaluation.truth["target_date"].astype(str))
    rows = np.flatnonzero(dates < "2011-06-01")
    cut = {name: values[rows] for name, values in evaluation.truth.items()}
    answer = {name: values[rows] for name, values in evaluation.response.items()}
    assert paper.by_year(cut, {"x": answer}) == {"x": {}}
