from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from seqapps import plots
from seqapps.finance import figures, paper
from tests.finance.conftest import walk


@pytest.fixture
def evaluation():
    """Test days of made-up prices from 2010-10 on, called sp500, and answers to them."""
    table = walk(700, start="2010-09-01")
    rows, days = table.to_numpy(np.float32), np.arange(30, 690)
    dates = table.index.strftime("%Y-%m-%d").to_numpy().astype(object)
    truth = {
        "key": dates[days],
        "symbol": np.full(len(days), "sp500", object),
        "target_date": dates[days + 1],
        "window": np.stack([rows[day - 5 : day + 1] for day in days]),
        "next": rows[days + 1],
    }
    answer = {
        "log_return_quantiles": np.tile([-0.02, -0.01, 0.0, 0.01, 0.02], (len(days), 1)),
        "variance": np.full(len(days), 1e-4),
    }
    return SimpleNamespace(
        truth=truth,
        response=answer,
        baselines={"autoarima+garch": answer},
        params=SimpleNamespace(evaluate=SimpleNamespace(cost_percent=0.01)),
    )


@pytest.fixture
def findings(evaluation):
    networks = {"lstm/none": evaluation.response, "wlstm/full_leaky": evaluation.response}
    values = {"direction": 0.5, "low": 0.4, "high": 0.6, "return_per_year": 0.1}
    return {
        "networks": networks,
        "years": paper.by_year(evaluation.truth, networks),
        "leaks": {"sp500": dict.fromkeys(figures.leak.MODES, values)},
    }


def words(figure):
    """All text on a figure, cells of tables too."""
    cells = [c for a in figure.axes for t in a.tables for c in t.get_celld().values()]
    texts = [*figure.findobj(figures.mpl.text.Text), *(cell.get_text() for cell in cells)]
    return " ".join(text.get_text() for text in texts)


def test_every_figure_is_drawn_and_names_the_leak_where_it_stands(evaluation, findings, tmp_path):
    drawn = dict(figures.all_of(evaluation, findings))
    assert list(drawn) == ["closes", "paper_table", "leak", "calibration", "earnings", "volatility"]
    for name, figure in drawn.items():
        plots.save(figure, tmp_path / f"{name}.png")
        assert name == "volatility" or "USES THE FUTURE" in words(figure), name


def test_the_table_holds_the_published_row_and_the_whole_years_of_ours(evaluation, findings):
    assert sorted(findings["years"]["lstm/none"]) == [0, 1]
    text = words(figures.paper_table(findings["years"]))
    assert "published: wsaes_lstm" in text and "0.014" in text
    assert f"{findings['years']['lstm/none'][0]:.4f}" in text


def test_a_year_that_is_not_whole_is_left_out(evaluation):
    dates = pd.DatetimeIndex(evaluation.truth["target_date"].astype(str))
    rows = np.flatnonzero(dates < "2011-06-01")
    cut = {name: values[rows] for name, values in evaluation.truth.items()}
    answer = {name: values[rows] for name, values in evaluation.response.items()}
    assert paper.by_year(cut, {"x": answer}) == {"x": {}}
