"""Scores of price and volatility forecasts.

Axis letters: N days, Q quantiles. Closes are prices, returns are logs, variances are per day.
"""

import math
from typing import NamedTuple

import numpy as np

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)
"""The quantiles of the next log return, here and everywhere."""

TRADING_DAYS = 252


class Interval(NamedTuple):
    """A share and its 95 % interval."""

    value: float
    low: float
    high: float


def mape(actual: np.ndarray, forecast: np.ndarray) -> float:
    """Mean of abs(y - y*) / y over days (N,), Bao 2017, equation 12: a share, not per cent."""
    return float(np.mean(np.abs((actual - forecast) / actual)))


def correlation(actual: np.ndarray, forecast: np.ndarray) -> float:
    """Pearson's R of levels (N,), Bao 2017, equation 13: high for all that stays near the close."""
    return float(np.corrcoef(actual, forecast)[0, 1])


def theil_u(actual: np.ndarray, forecast: np.ndarray) -> float:
    """RMSE / (rms y + rms y*) over days (N,), as Bao 2017, equation 14."""
    error = np.sqrt(np.mean((actual - forecast) ** 2))
    return float(error / (np.sqrt(np.mean(actual**2)) + np.sqrt(np.mean(forecast**2))))


def relative_mae(actual: np.ndarray, forecast: np.ndarray, *, last: np.ndarray) -> float:
    """MAE over days (N,) relative to that of the last value: below 1 beats it."""
    return float(np.mean(np.abs(actual - forecast)) / np.mean(np.abs(actual - last)))


def mase(actual: np.ndarray, forecast: np.ndarray, *, scale: np.ndarray) -> float:
    """Mean of abs(y - y*) / scale over days (N,), see Hyndman & Koehler 2006."""
    return float(np.mean(np.abs(actual - forecast) / scale))


def direction(change: np.ndarray, forecast: np.ndarray) -> Interval:
    """Share of days (N,) on which forecast and return have the same sign."""
    decided = change != 0
    return binomial(int(((change > 0) == (forecast > 0))[decided].sum()), int(decided.sum()))


def binomial(hits: int, count: int) -> Interval:
    """A share with its Wilson (1927) interval."""
    z = 1.959964
    share = hits / count
    middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z / (1 + z**2 / count)
    half *= math.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return Interval(share, middle - half, middle + half)


def pinball(change: np.ndarray, quantiles: np.ndarray, *, levels: tuple[float, ...]) -> float:
    """Mean pinball loss over levels, of log returns (N,) and quantiles (N, Q)."""
    error = change[:, None] - quantiles
    level = np.array(levels)
    return float(np.mean(np.maximum(level * error, (level - 1) * error)))


def crps(change: np.ndarray, quantiles: np.ndarray, *, levels: tuple[float, ...]) -> float:
    """CRPS from quantiles (N, Q): twice the pinball loss, weighted by the nearest levels.

    With five levels it comes out about a tenth too low; compare it at the same levels only.
    """
    error = change[:, None] - quantiles
    level = np.array(levels)
    borders = np.concatenate([[0.0], (level[1:] + level[:-1]) / 2, [1.0]])
    loss = np.maximum(level * error, (level - 1) * error).mean(axis=0)
    return float(2 * np.sum(loss * np.diff(borders)))


def coverage(change: np.ndarray, low: np.ndarray, *, high: np.ndarray) -> float:
    """Share of returns (N,) inside the interval."""
    return float(np.mean((low <= change) & (change <= high)))


def qlike(variance: np.ndarray, forecast: np.ndarray) -> np.ndarray:
    """V / f - ln(v / f) - 1 (Patton 2011), float64 (N,), per day; 0 only where they agree."""
    ratio = variance / forecast
    return ratio - np.log(ratio) - 1


def r2(actual: np.ndarray, forecast: np.ndarray) -> float:
    """1 - residual / total sum of squares of (N,); no refitting, so a biased forecast pays."""
    return float(1 - np.sum((actual - forecast) ** 2) / np.sum((actual - actual.mean()) ** 2))


def diebold_mariano(
    loss: np.ndarray, rival: np.ndarray, *, days: np.ndarray
) -> tuple[float, float]:
    """Statistic and two-sided p that two forecasts lose alike; negative: the first loses less.

    Diebold & Mariano (1995) with a Newey-West variance, on the mean loss difference of each day, so
    that series which move together count once.

    Args:
        loss: (N,) of one forecast.
        rival: (N,) of the other.
        days: (N,) labels that sort by time.
    """
    _, day_index = np.unique(days, return_inverse=True)
    gap = np.bincount(day_index, loss - rival) / np.bincount(day_index)
    count, centred = len(gap), gap - gap.mean()
    lags = int(4 * (count / 100) ** (2 / 9))
    variance = np.mean(centred**2)
    for lag in range(1, lags + 1):
        variance += 2 * (1 - lag / (lags + 1)) * np.mean(centred[lag:] * centred[:-lag])
    if variance <= 0:
        return 0.0, 1.0
    statistic = gap.mean() / math.sqrt(variance / count)
    return float(statistic), math.erfc(abs(statistic) / math.sqrt(2))
