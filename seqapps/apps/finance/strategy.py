"""Earnings of forecasts, in the way of Bao 2017: long or short each day.

Axis letters: N days, in order of time.
"""

from typing import NamedTuple

import numpy as np

from seqapps.apps.finance.metrics import TRADING_DAYS

BUY_AND_HOLD_PERCENT = (0.25, 0.45)
"""Bao 2017: costs of buying and of selling the index once."""


class Earned(NamedTuple):
    """Log return net of costs: cumulative (N,), per year, Sharpe ratio, largest fall from a top."""

    path: np.ndarray
    per_year: float
    sharpe: float
    drawdown: float


def long_short(change: np.ndarray, forecast: np.ndarray, *, cost_percent: float) -> Earned:
    """Long the next day (of N) if the forecast log return (N,) is above 0, else short.

    A turn sells one position and opens the other: two sides, `cost_percent` each; the first day
    opens one.
    """
    position = np.where(forecast > 0, 1.0, -1.0)
    sides = np.abs(np.diff(position, prepend=0.0))
    return _earned(position * change - sides * cost_percent / 100)


def buy_and_hold(change: np.ndarray) -> Earned:
    """Long from the first day to the last of returns (N,)."""
    buying, selling = BUY_AND_HOLD_PERCENT
    net = change.copy()
    net[0] -= buying / 100
    net[-1] -= selling / 100
    return _earned(net)


def _earned(net: np.ndarray) -> Earned:
    path = np.cumsum(net)
    top = np.maximum.accumulate(np.concatenate([[0.0], path]))[1:]
    spread = net.std()
    return Earned(
        path,
        float(net.mean() * TRADING_DAYS),
        float(net.mean() / spread * np.sqrt(TRADING_DAYS)) if spread else 0.0,
        float((top - path).max()),
    )
