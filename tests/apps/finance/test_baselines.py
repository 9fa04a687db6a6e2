"""Baselines see nothing of the future."""

import numpy as np
import pandas as pd
import pytest

from seqapps.apps.finance import baselines, protocol
from seqapps.apps.finance.params import Preprocess
from tests.apps.finance.conftest import walk
from tests.apps.finance.test_leak import SPLIT


def history(table, **split):
    fold = protocol.folds(Preprocess(**SPLIT | split), "2013-06-30")[0]
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


@pytest.mark.parametrize("name", ["last+lhar", "last+gjr_garch", "last+egarch"])
def test_rules_with_leverage_forecast_more_after_a_fall_than_after_a_rise(name):
    # A series in which the days after falls are wilder, which the rules can learn.
    rng = np.random.default_rng(4)
    table = walk(520)
    moves, scale = np.zeros(520), 0.01
    for day in range(520):
        moves[day] = scale * rng.normal()
        scale = 0.008 + 0.8 * max(-moves[day], 0)
    close = 100 * np.exp(np.cumsum(moves))
    before = np.concatenate([[100], close[:-1]])
    table["open"], table["close"] = before, close
    table["high"] = np.maximum(before, close) * (1 + 0.3 * np.abs(moves))
    table["low"] = np.minimum(before, close) * (1 - 0.3 * np.abs(moves))
    found = history(table)
    variance = baselines.RULES[name](found)[1]
    days = np.arange(300, 519)
    large = days[np.abs(found.change[days]) > 0.01]
    fell = found.change[large] < 0
    assert variance[large][fell].mean() > 1.3 * variance[large][~fell].mean()


def test_a_series_that_begins_in_the_train_block_has_finite_rivals():
    found = history(walk(520).iloc[30:])
    for rule in baselines.RULES.values():
        variance = baselines._scaled(found, rule(found)[1])
        assert np.isfinite(variance[found.fitted]).all() and (variance[found.fitted] > 0).all()
        assert 0.1 < np.median(variance[found.fitted]) / np.median(found.variance) < 10
