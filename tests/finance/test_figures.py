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
    leaking = figures.leak.shown("wlstm/full_leaky")
    networks = {"lstm": evaluation.response, leaking: evaluation.response}
    values = {"direction": 0.5, "low": 0.4, "high": 0.6, "return_per_year": 0.1}
    return {
        "networks": networks,
        "table": paper.table(paper.by_year(evaluation.truth, networks), {"lstm": 4.5}),
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


def test_the_table_holds_the_published_row_and_the_whole_years_of_ours(findings):
    table = findings["table"]
    assert table["published: wsaes_lstm"]["mape_y2"] == 0.014
    own = table["here: lstm"]
    assert [name for name in own if "y" in name] == ["mape_y1", "mape_y2"]
    assert own["return_percent"] == 4.5 and "mape" not in own  # four years are not there
    text = words(figures.paper_table(table))
    assert "published: wsaes_lstm" in text and f"{own['mape_y1']:.4g}" in text


def test_without_the_sp500_there_is_no_table_of_the_paper(evaluation, findings):
    drawn = dict(figures.all_of(evaluation, findings | {"table": {}}))
    assert "paper_table" not in drawn and "closes" in drawn


def test_a_year_that_is_not_whole_is_left_out(evaluation):
    dates = pd.DatetimeIndex(evaluation.truth["target_date"].astype(str))
    rows = np.flatnonzero(dates < "2011-06-01")
    cut = {name: values[rows] for name, values in evaluation.truth.items()}
    answer = {name: values[rows] for name, values in evaluation.response.items()}
    assert paper.by_year(cut, {"x": answer}) == {"x": {}}
