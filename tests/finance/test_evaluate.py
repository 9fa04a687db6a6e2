from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from seqapps.finance import baselines, evaluate, ingest, leak, paper, prices, protocol
from seqapps.finance.params import Evaluate, Ingest, Preprocess
from tests.finance.conftest import walk

SPLIT = {
    "test_from": "2013-07-01",
    "test_until": "2014-06-30",
    "test_months": 6,
    "validation_months": 3,
    "train_months": 12,
    "steps": 4,
    "seed": 1,
}


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


def history(table, **split):
    fold = protocol.folds(Preprocess(**SPLIT | split))[0]
    dates = pd.DatetimeIndex(table.index)
    close = table["close"].to_numpy()
    return baselines.History(
        dates,
        close,
        np.diff(np.log(close), prepend=np.log(close[0])),
        np.asarray(baselines.indicators.log_range_variance(table.to_numpy())),
        (dates >= fold.train) & (dates < fold.test),
    )


@pytest.mark.parametrize("name", baselines.RULES)
def test_no_rival_sees_what_comes_after_its_day(name):
    before, after = walk(520), walk(520)
    after.iloc[450:, :4] *= 1.3
    one, other = (baselines.RULES[name](history(table)) for table in (before, after))
    for mine, yours in zip(one, other, strict=True):
        assert mine[300:450] == pytest.approx(yours[300:450], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", baselines.RULES)
def test_no_rival_loses_for_its_units(name):
    made = history(walk(520))
    scaled = baselines._scaled(made, baselines.RULES[name](made)[1])
    now, nxt = baselines._pairs(made)
    assert np.mean(made.variance[nxt] / scaled[now]) == pytest.approx(1)


def test_garch_forecasts_more_after_a_large_return():
    table = walk(520)
    table.iloc[450:, :4] *= 0.85
    variance = baselines.RULES["autoarima+garch"](history(table))[1]
    assert variance[450] > variance[449]


def test_a_series_that_begins_in_the_train_block_has_finite_rivals():
    found = history(walk(520).iloc[30:])
    for rule in baselines.RULES.values():
        variance = baselines._scaled(found, rule(found)[1])
        assert np.isfinite(variance[found.fitted]).all() and (variance[found.fitted] > 0).all()
        assert 0.1 < np.median(variance[found.fitted]) / np.median(found.variance) < 10


def test_only_the_leaking_mode_finds_the_direction_of_a_random_walk(tmp_path):
    prices.save(walk(2600, start="2004-01-01"), tmp_path / "walk.csv")
    given = SimpleNamespace(
        preprocess=Preprocess(**SPLIT | {"test_from": "2008-01-01", "test_until": "2013-12-31"}),
        evaluate=Evaluate(cost_percent=0.01),
    )
    found = leak.demonstration(tmp_path, given)["walk"]
    assert found["full_leaky"]["low"] > 0.6
    for mode in ("none", "causal"):
        assert found[mode]["low"] < 0.5 < found[mode]["high"]
    assert found["full_leaky"]["return_per_year"] > 0.4


def test_only_the_leaking_mode_shows_a_past_day_otherwise_when_later_closes_change():
    logs = np.log(walk(400)["close"].to_numpy())
    train, later = np.arange(300), logs + np.where(np.arange(400) > 349, 0.1, 0.0)
    for mode in leak.MODES:
        seen, moved = (leak.denoised(values, mode, train)[:350] for values in (logs, later))
        assert (seen == moved).all() == (mode != "full_leaky"), mode


def forecast(truth, middle=0.0):
    quantiles = middle + np.tile(np.array([-0.02, -0.01, 0.0, 0.01, 0.02]), (len(truth["key"]), 1))
    return {"log_return_quantiles": quantiles, "variance": evaluate.variances(truth)}


@pytest.fixture
def truth():
    table = walk(120).to_numpy()
    days = np.arange(80, 119)
    return {
        "key": days,
        "symbol": np.full(len(days), "made"),
        "target_date": np.array([f"{day:04d}" for day in days]),
        "window": np.stack([table[day - 20 : day + 1] for day in days]),
        "next": table[days + 1],
    }


def test_the_last_value_has_relative_mae_1_and_a_perfect_variance_qlike_0(truth):
    params = SimpleNamespace(evaluate=Evaluate(cost_percent=0.01))
    found = evaluate.score(params, truth, forecast(truth))
    assert found["relative_mae"] == pytest.approx(1)
    assert found["qlike"] == pytest.approx(0, abs=1e-12)
    assert found["r2_log_variance"] == pytest.approx(1)
    assert 0 <= found["coverage80"] <= found["coverage95"] <= 1


def test_a_forecast_that_is_always_up_is_right_on_the_days_that_rose(truth):
    params = SimpleNamespace(evaluate=Evaluate(cost_percent=0.01))
    found = evaluate.score(params, truth, forecast(truth, middle=1e-4))
    assert found["direction"] == pytest.approx((evaluate.changes(truth) > 0).mean())
