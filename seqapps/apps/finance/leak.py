"""The leak, shown without a network: least squares on the last four denoised closes.

The only thing that differs between the rows is the denoising; with `full_leaky` the regression
looks like a discovery.
"""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from seqapps.apps.finance import metrics, preprocess, prices, protocol, strategy, wavelet
from seqapps.apps.finance.params import Params

LAGS = 4
MODES = ("none", "causal", "full_leaky")
LABEL = "full_leaky: USES THE FUTURE"


def shown(name: str) -> str:
    """A network's name in tables and figures; a leaking one says so.

    >>> shown("lstm/none"), shown("wlstm/causal"), shown("lstm/full_leaky")
    ('lstm', 'wlstm causal', 'lstm full_leaky: USES THE FUTURE')
    """
    kind, _, mode = name.partition("/")
    return {"full_leaky": f"{kind} {LABEL}", "causal": f"{kind} causal"}.get(mode, kind)


def demonstration(raw: Path, params: Params) -> dict[str, dict[str, dict[str, float]]]:
    """Symbol -> mode -> direction with its interval, and return per year net of costs."""
    results: dict[str, dict[str, dict[str, float]]] = {}
    folds = protocol.folds(params.preprocess, preprocess.last_day(raw))
    for path in sorted(raw.glob("*.csv")):
        table = prices.load(path)
        logs = np.log(table["close"].to_numpy())
        for mode in MODES:
            parts = [_walk(table.index, logs, mode, fold) for fold in folds]
            change, forecast = np.concatenate(parts, axis=1)
            if len(change):
                cost = params.evaluate.cost_percent
                right = metrics.direction(change, forecast)
                earned = strategy.long_short(change, forecast, cost_percent=cost)
                values = {"direction": right.value, "low": right.low, "high": right.high}
                values |= {"return_per_year": earned.per_year}
                results.setdefault(path.stem, {})[mode] = values
    return results


def denoised(logs: np.ndarray, mode: str, *, train: np.ndarray) -> np.ndarray:
    """Log closes (N,) as a mode shows them.

    Args:
        logs: (N,).
        mode: "causal" takes its threshold from the train days alone, "full_leaky" from all days.
        train: the places of the train days, in order.
    """
    if mode == "none":
        return logs
    if mode == "full_leaky":
        return wavelet.full_leaky(logs[:, None], wavelet.threshold(logs))[:, 0]
    limit = wavelet.threshold(logs[train])
    return wavelet.causal(tf.constant(logs[None, :, None]), limit).numpy()[0, :, 0]  # pyright: ignore[reportArgumentType] TensorFlow converts it


def _walk(dates: Any, logs: np.ndarray, mode: str, fold: protocol.Fold) -> np.ndarray:
    """The test block's log returns and those forecast, (2, days)."""
    splits = fold.splits(dates)
    train, test = (np.flatnonzero(splits == name) for name in ("train", "test"))
    train, test = train[train >= LAGS], test[test >= LAGS]
    if len(train) < 10 * LAGS or not len(test):
        return np.zeros((2, 0))
    denoised_logs = denoised(logs, mode, train=train)
    design = np.stack(
        [np.ones(len(logs)), *(np.roll(denoised_logs, lag) for lag in range(LAGS))], axis=1
    )
    # Learns and speaks of levels, as the paper's networks do.
    slopes, *_ = np.linalg.lstsq(design[train], logs[train + 1], rcond=None)
    return np.stack([logs[test + 1] - logs[test], design[test] @ slopes - logs[test]])
