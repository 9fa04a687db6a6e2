"""Statistics of a train block: scales, a HAR regression with leverage, quantiles.

Axis letters: N windows, W days, F features, Q quantiles.
"""

from typing import Any

import numpy as np
import tensorflow as tf

from seqapps.apps.finance import autoencoder, indicators, wavelet
from seqapps.apps.finance.metrics import LEVELS
from seqapps.apps.finance.params import Preprocess

BATCH = 512
"""Windows whose features are made at once."""

LHAR = [indicators.NAMES.index(name) for name in (*indicators.VARIANCES, *indicators.FALLS)]
"""Columns of the features that HAR with leverage reads (Corsi & Reno 2012)."""


def fit(
    table: Preprocess, windows: np.ndarray, *, following: np.ndarray, leaky: np.ndarray
) -> dict[str, Any]:
    """See `preprocess.assets`.

    Args:
        table: `[preprocess]`.
        windows: float32 (N, W, 5).
        following: float32 (N, 5), the rows after them.
        leaky: float32 (N, W, 5), or (N, 0, 5) without leaky windows.
    """
    change = np.log(following[:, 3] / windows[:, -1, 3])
    variance = indicators.log_range_variance(tf.constant(following)).numpy()
    limit = np.float32(np.median([wavelet.threshold(np.log(w[:, 3])) for w in windows]))
    fitted: dict[str, Any] = {"threshold": limit}
    modes = {"none": windows, "causal": windows} | ({"full_leaky": leaky} if leaky.size else {})
    for mode, rows in modes.items():
        features = last_features(rows, windows, limit=limit if mode == "causal" else None)
        mean, std = features.mean(axis=0), features.std(axis=0)
        std = np.where(std > 1e-8, std, 1.0).astype(np.float32)
        fitted |= {f"{mode}/mean": mean, f"{mode}/std": std}
        if table.sae_layers:
            clipped = np.clip((features - mean) / std, -5, 5)
            weights = autoencoder.fit(
                clipped,
                layers=table.sae_layers,
                units=table.sae_units,
                steps=table.sae_steps,
                seed=table.seed,
            )
            fitted |= {f"{mode}/sae/{name}": value for name, value in weights.items()}
        if mode == "none":
            fitted |= _targets(features, change, variance=variance)
    return fitted


def last_features(rows: np.ndarray, actual: np.ndarray, *, limit: Any) -> np.ndarray:
    """The features (N, F) of each window's last day; `limit` denoises causally."""
    parts = []
    for start in range(0, len(rows), BATCH):
        batch = tf.constant(rows[start : start + BATCH])
        inputs = batch if limit is None else indicators.denoised(batch, limit)
        whole = indicators.features(inputs, tf.constant(actual[start : start + BATCH]))
        parts.append(whole[:, -1].numpy())
    return np.concatenate(parts)


def _targets(features: np.ndarray, change: np.ndarray, *, variance: np.ndarray) -> dict[str, Any]:
    har = har_fit(features[:, LHAR], variance)
    scale = np.sqrt(har_forecast(har, features[:, LHAR]))
    return {
        "har": har.astype(np.float32),
        "har_quantiles": np.quantile(change / scale, LEVELS).astype(np.float32),
        "quantiles": np.quantile(change / change.std(), LEVELS).astype(np.float32),
        "return_std": np.float32(change.std()),
        "log_variance": np.float32(np.log(variance.mean())),
    }


def har_fit(logs: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Corsi's (2009) regression of log variance on the log variance of a day, a week, a month.

    Args:
        logs: (N, 3); further regressors may follow, (N, K).
        variance: (N,), of the next day.

    Returns:
        (1 + K,) constant and slopes; the constant is raised so that the mean of variance / forecast
        is 1, where QLIKE is least.
    """
    design = np.column_stack([np.ones(len(logs)), logs])
    slopes, *_ = np.linalg.lstsq(design, np.log(variance), rcond=None)
    slopes[0] += np.log(np.mean(variance / np.exp(design @ slopes)))
    return slopes


def har_forecast(har: np.ndarray, logs: np.ndarray) -> np.ndarray:
    """The variance (N,) that `har_fit`'s coefficients forecast."""
    return np.exp(har[0] + logs @ har[1:])
