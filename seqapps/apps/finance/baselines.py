"""Baselines: rules for the next close, and for the next day's variance.

Every rule is fitted on a fold's train and validation blocks, for it has nothing to choose by the
second, and then walks through the test block with what is known each day. Every variance rule is
scaled so that its QLIKE where it was fitted is least: none loses for its units (GARCH forecasts
close-to-close variance, the target is a day's range).

Axis letters: N test days, D days of a series, Q quantiles.
"""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import tensorflow as tf

from seqapps.app import Evaluation
from seqapps.apps.finance import indicators, preprocess, prices, protocol, statistics
from seqapps.apps.finance.metrics import LEVELS
from seqapps.apps.finance.params import Params

EWMA_DECAY = 0.94
"""RiskMetrics (1996), daily."""

LAGS = 4
HORIZONS = (1, 5, 22)
"""Days of a day, a week, a month: HAR's."""


@dataclass(frozen=True)
class History:
    """A symbol's whole series; `fitted` marks the days before a fold's test block.

    `change` (D,) is the log return into a day, `variance` (D,) the log range variance of it.
    """

    dates: pd.DatetimeIndex
    close: np.ndarray
    change: np.ndarray
    variance: np.ndarray
    fitted: np.ndarray


def responses(evaluation: Evaluation[Params]) -> dict[str, dict[str, np.ndarray]]:
    """Each pair of a price rule and a variance rule: its answers (N, Q), (N,) to the test days."""
    truth = evaluation.truth
    count = len(truth["key"])
    answers = {
        name: {
            "log_return_quantiles": np.zeros((count, len(LEVELS))),
            "variance": np.zeros(count),
        }
        for name in RULES
    }
    for fold in protocol.folds(evaluation.params.preprocess, preprocess.last_day(evaluation.raw)):
        for symbol in np.unique(truth["symbol"][truth["fold"] == fold.name].astype(str)):
            rows = np.flatnonzero((truth["fold"] == fold.name) & (truth["symbol"] == symbol))
            history = read(evaluation.raw, symbol, fold)
            days = history.dates.get_indexer(pd.DatetimeIndex(truth["date"][rows].astype(str)))
            for name in RULES:
                middle, variance = RULES[name](history)
                quantiles = _quantiles(history, middle, variance=variance)
                answers[name]["log_return_quantiles"][rows] = quantiles[days]
                answers[name]["variance"][rows] = _scaled(history, variance)[days]
    return answers


def read(raw: Path, symbol: str, fold: protocol.Fold) -> History:
    """The history of a symbol, cut where the fold's test block ends."""
    table = prices.load(raw / f"{symbol}.csv")
    table = table[table.index < fold.end]
    close = table["close"].to_numpy()  # pyright: ignore[reportAttributeAccessIssue] pandas' stubs are too wide
    rows = tf.constant(table[prices.OHLCV].to_numpy())  # pyright: ignore[reportAttributeAccessIssue] pandas' stubs are too wide
    variance = indicators.log_range_variance(rows).numpy()
    dates = pd.DatetimeIndex(table.index)
    fitted = (dates >= fold.train) & (dates < fold.test)
    return History(dates, close, np.diff(np.log(close), prepend=np.log(close[0])), variance, fitted)


def last_value(history: History) -> tuple[np.ndarray, np.ndarray]:
    """Last value: return 0 and today's variance, float64 (N,) each."""
    return np.zeros(len(history.close)), history.variance


def drift_ewma(history: History) -> tuple[np.ndarray, np.ndarray]:
    """The mean return so far, and exponentially weighted squared returns, (N,) each."""
    drift = np.full(len(history.close), history.change[history.fitted].mean())
    squares = np.maximum(history.change**2, indicators.VARIANCE_FLOOR)
    squares[0] = squares[1]  # no return is known of the first day
    return drift, _weighted(squares)


def always_up_mean(history: History) -> tuple[np.ndarray, np.ndarray]:
    """The smallest rise every day, and the mean variance, (N,) each."""
    days = len(history.close)
    return np.full(days, 1e-6), np.full(days, history.variance[history.fitted].mean())


def lags_har(history: History) -> tuple[np.ndarray, np.ndarray]:
    """Least squares on four returns, and HAR on log variance (Corsi 2009), (N,) each."""
    lagged = np.stack([np.roll(history.change, lag) for lag in range(LAGS)], axis=1)
    design = np.column_stack([np.ones(len(lagged)), lagged])
    now, nxt = _pairs(history)
    slopes, *_ = np.linalg.lstsq(design[now], history.change[nxt], rcond=None)
    return design @ slopes, _regressed(history, _log_variances(history))


def last_lhar(history: History) -> tuple[np.ndarray, np.ndarray]:
    """Return 0, and HAR with leverage (Corsi & Reno 2012): the mean returns that were negative."""
    falls = [np.minimum(_mean(history.change, days), 0) for days in HORIZONS]
    logs = np.column_stack([_log_variances(history), *falls])
    return np.zeros(len(history.close)), _regressed(history, logs)


def autoarima_garch(history: History) -> tuple[np.ndarray, np.ndarray]:
    """AutoARIMA on log closes (Hyndman & Khandakar 2008); GARCH(1,1) on returns."""
    return _arima(history), _garch(history, vol="GARCH")


def last_gjr_garch(history: History) -> tuple[np.ndarray, np.ndarray]:
    """Return 0; GARCH in which falls weigh more (Glosten, Jagannathan & Runkle 1993)."""
    return np.zeros(len(history.close)), _garch(history, vol="GARCH", o=1)


def last_egarch(history: History) -> tuple[np.ndarray, np.ndarray]:
    """Return 0; GARCH on log variance, with leverage (Nelson 1991)."""
    return np.zeros(len(history.close)), _garch(history, vol="EGARCH", o=1)


RULES = {
    "last_value": last_value,
    "drift+ewma": drift_ewma,
    "always_up+mean": always_up_mean,
    "lags+har": lags_har,
    "last+lhar": last_lhar,
    "autoarima+garch": autoarima_garch,
    "last+gjr_garch": last_gjr_garch,
    "last+egarch": last_egarch,
}


def _log_variances(history: History) -> np.ndarray:
    return np.log(np.stack([_mean(history.variance, days) for days in HORIZONS], axis=1))


def _regressed(history: History, regressors: np.ndarray) -> np.ndarray:
    now, nxt = _pairs(history)
    fitted = statistics.har_fit(regressors[now], history.variance[nxt])
    return statistics.har_forecast(fitted, regressors)


def _arima(history: History) -> np.ndarray:
    from statsforecast.models import AutoARIMA

    logs = np.log(history.close)
    first, last = np.flatnonzero(history.fitted)[[0, -1]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = AutoARIMA(season_length=1).fit(logs[first : last + 1])
        # What it would have said before each day, with the coefficients fitted.
        predicted = fitted.forward(logs[first:], h=1, fitted=True)
    tomorrow = np.concatenate([predicted["fitted"][1:], predicted["mean"]])
    return np.concatenate([np.zeros(first), tomorrow - logs[first:]])


def _garch(history: History, *, vol: Literal["GARCH", "EGARCH"], o: int = 0) -> np.ndarray:
    from arch import arch_model

    first, last = np.flatnonzero(history.fitted)[[0, -1]]
    percent = 100 * history.change[first:]
    model = arch_model(percent, mean="Constant", vol=vol, p=1, o=o, q=1)
    fitted = model.fit(last_obs=last + 1 - first, disp="off", show_warning=False)
    ahead = fitted.forecast(horizon=1, start=0, reindex=False).variance.to_numpy()[:, 0]
    return np.concatenate([np.full(first, np.nan), ahead / 1e4])


def _pairs(history: History) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the fitted days and of the days after them."""
    now = np.flatnonzero(history.fitted)[:-1]
    return now, now + 1


def _scaled(history: History, variance: np.ndarray) -> np.ndarray:
    now, nxt = _pairs(history)
    return variance * np.mean(history.variance[nxt] / variance[now])


def _quantiles(history: History, middle: np.ndarray, *, variance: np.ndarray) -> np.ndarray:
    """The standardized errors of the fit, times the root of the variance, about `middle`."""
    now, nxt = _pairs(history)
    scale = np.sqrt(variance)
    errors = (history.change[nxt] - middle[now]) / scale[now]
    units = np.quantile(errors, LEVELS) - np.quantile(errors, 0.5)
    return middle[:, None] + scale[:, None] * units


def _weighted(values: np.ndarray) -> np.ndarray:
    return pd.Series(values).ewm(alpha=1 - EWMA_DECAY, adjust=False).mean().to_numpy()


def _mean(values: np.ndarray, days: int) -> np.ndarray:
    return pd.Series(values).rolling(days, min_periods=1).mean().to_numpy()  # pyright: ignore[reportAttributeAccessIssue] pandas' stubs are too wide
