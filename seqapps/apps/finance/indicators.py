"""The front end in the graph: OHLCV rows to features that do not change with the scale of prices.

Everything at a day uses that day and those before it. Days before the window count as its first
day, so the first `WARMUP_DAYS` only feed the averages.

Axis letters: B batch, W days of a window, F features. Rows are float32 (B, W, 5): open, high, low,
close, volume.
"""

from typing import Any

import numpy as np
import tensorflow as tf

from seqapps.apps.finance.wavelet import causal, lagged

WARMUP_DAYS = 64
VARIANCE_FLOOR = 1e-8
"""A day's log range variance is at least that of a 0.01 % range: days without a range exist."""

PAPER = (
    "macd", "cci", "atr", "boll", "ema20", "ma5", "ma10", "mtm6", "mtm12", "roc", "smi", "wvad",
)  # fmt: skip
VARIANCES = ("log_variance_1", "log_variance_5", "log_variance_22")
FALLS = ("fall", "fall_5", "fall_22")
"""The mean return of a day, a week and a month where it is below zero."""

NAMES = (
    "return", "overnight", "intraday", "range", "volume", *FALLS, *VARIANCES, "gap", *PAPER,
)  # fmt: skip


def features(rows: tf.Tensor, actual: tf.Tensor) -> tf.Tensor:
    """float32 (B, W, F) in the order of `NAMES`, none of which has a unit of price or volume.

    Args:
        rows: the rows, denoised or not.
        actual: the rows as they were; `gap` is log(close / actual close), 0 without denoising.
    """
    rows = _relative(rows, actual)
    opened, high, low, close, volume = tf.unstack(rows, axis=-1)
    before = lagged(close, 1)
    change = tf.math.log(close / before)
    variance = log_range_variance(rows)
    by_name = {
        "return": change,
        "overnight": tf.math.log(opened / before),
        "intraday": tf.math.log(close / opened),
        "range": tf.math.log(high / low),
        "volume": tf.math.divide_no_nan(volume, average(volume, 20)),
        "fall": tf.minimum(change, 0.0),
        "fall_5": tf.minimum(tf.math.log(close / lagged(close, 5)) / 5, 0.0),
        "fall_22": tf.minimum(tf.math.log(close / lagged(close, 22)) / 22, 0.0),
        "log_variance_1": tf.math.log(variance),
        "log_variance_5": tf.math.log(average(variance, 5)),
        "log_variance_22": tf.math.log(average(variance, 22)),
        "gap": tf.math.log(close / _relative(actual, actual)[..., 3]),  # pyright: ignore[reportArgumentType] stubs know no Ellipsis
    }
    by_name |= {
        name: _without_unit(name, value, rows=rows) for name, value in indicators(rows).items()
    }
    return tf.stack([by_name[name] for name in NAMES], axis=-1)


def indicators(rows: tf.Tensor) -> dict[str, tf.Tensor]:
    """The twelve indicators of Bao 2017, table 1, each float32 (B, W), in the units of `rows`.

    The paper names them without their lengths where there are several in use; ours: CCI 20, ATR 14
    (Wilder), BOLL 20 (the middle band), ROC 12, SMI 10 smoothed twice by 3 (Blau), WVAD 24.
    """
    opened, high, low, close, volume = tf.unstack(rows, axis=-1)
    return {
        "macd": ema(close, 12) - ema(close, 26),
        "cci": _cci((high + low + close) / 3),
        "atr": _smooth(_true_range(high, low, close=close), 1 / 14),
        "boll": average(close, 20),
        "ema20": ema(close, 20),
        "ma5": average(close, 5),
        "ma10": average(close, 10),
        "mtm6": close - lagged(close, 6),
        "mtm12": close - lagged(close, 12),
        "roc": 100 * (close / lagged(close, 12) - 1),
        "smi": _smi(high, low, close=close),
        "wvad": tf.reduce_sum(frames(_accumulated(opened, high, low, close, volume), 24), axis=-1),
    }


def log_range_variance(rows: tf.Tensor) -> tf.Tensor:
    """Garman & Klass (1980): (ln H/L)^2 / 2 - (2 ln 2 - 1) (ln C/O)^2, of (..., 5), per day."""
    opened, high, low, close, _ = tf.unstack(rows, axis=-1)
    spread, move = tf.math.log(high / low), tf.math.log(close / opened)
    return tf.maximum(spread**2 / 2 - (2 * np.log(2) - 1) * move**2, VARIANCE_FLOOR)


def denoised(rows: tf.Tensor, limit: Any) -> tf.Tensor:
    """Rows (B, T, 5) with causally denoised prices; High and Low stay the outer ones."""
    logs = causal(tf.math.log(_relative(rows, rows)[..., :4]), limit)  # pyright: ignore[reportArgumentType] stubs know no Ellipsis
    opened, _, _, close = tf.unstack(logs, axis=-1)
    high, low = tf.reduce_max(logs, axis=-1), tf.reduce_min(logs, axis=-1)
    prices = tf.exp(tf.stack([opened, high, low, close], axis=-1)) * rows[:, :1, 3:4]
    return tf.concat([prices, rows[..., 4:]], axis=-1)  # pyright: ignore[reportArgumentType] stubs know no Ellipsis


def frames(values: tf.Tensor, days: int) -> tf.Tensor:
    """The last `days` values of each day, (B, W) -> (B, W, days)."""
    length: Any = values.shape[1]
    places = np.arange(length)[:, None] - np.arange(days)[None, ::-1]
    return tf.gather(values, np.maximum(places, 0), axis=1)


def average(values: tf.Tensor, days: int) -> tf.Tensor:
    """The simple moving average of (B, W)."""
    return tf.reduce_mean(frames(values, days), axis=-1)


def ema(values: tf.Tensor, days: int) -> tf.Tensor:
    """The exponential moving average of (B, W) with weight 2 / (days + 1), begun at the first."""
    return _smooth(values, 2 / (days + 1))


def _smooth(values: tf.Tensor, weight: float) -> tf.Tensor:
    length: Any = values.shape[1]
    age = np.arange(length)[None, :] - np.arange(length)[:, None]
    weights = np.where(age >= 0, weight * (1 - weight) ** np.maximum(age, 0), 0.0)
    weights[0] = (1 - weight) ** np.arange(length)
    return tf.matmul(values, tf.constant(weights, tf.float32))


def _relative(rows: tf.Tensor, actual: tf.Tensor) -> tf.Tensor:
    # By the first close, not the last: a later row must not touch an earlier feature.
    return tf.concat([rows[..., :4] / actual[:, :1, 3:4], rows[..., 4:]], axis=-1)  # pyright: ignore[reportArgumentType] stubs know no Ellipsis


def _true_range(high: tf.Tensor, low: tf.Tensor, *, close: tf.Tensor) -> tf.Tensor:
    before = lagged(close, 1)
    spread = tf.maximum(high, before) - tf.minimum(low, before)
    return tf.concat([(high - low)[:, :1], spread[:, 1:]], axis=1)


def _cci(typical: tf.Tensor) -> tf.Tensor:
    last = frames(typical, 20)
    mean = tf.reduce_mean(last, axis=-1)
    deviation = tf.reduce_mean(tf.abs(last - mean[..., None]), axis=-1)  # pyright: ignore[reportArgumentType] stubs know no Ellipsis
    return tf.math.divide_no_nan(typical - mean, 0.015 * deviation)


def _smi(high: tf.Tensor, low: tf.Tensor, *, close: tf.Tensor) -> tf.Tensor:
    top, bottom = tf.reduce_max(frames(high, 10), -1), tf.reduce_min(frames(low, 10), -1)
    distance = ema(ema(close - (top + bottom) / 2, 3), 3)
    return 100 * tf.math.divide_no_nan(distance, ema(ema(top - bottom, 3), 3) / 2)


def _accumulated(opened, high, low, close, volume) -> tf.Tensor:
    return tf.math.divide_no_nan(close - opened, high - low) * volume


def _without_unit(name: str, values: tf.Tensor, *, rows: tf.Tensor) -> tf.Tensor:
    close, volume = rows[..., 3], rows[..., 4]  # pyright: ignore[reportArgumentType] stubs know no Ellipsis
    if name in ("macd", "atr", "mtm6", "mtm12"):
        return values / close
    if name in ("boll", "ema20", "ma5", "ma10"):
        return values / close - 1
    if name == "wvad":
        return tf.math.divide_no_nan(values, tf.reduce_sum(frames(volume, 24), axis=-1))
    return values / 100
