"""Two-level Haar denoising of log prices by soft thresholds, applied twice as in Bao 2017.

Two ways that differ in one thing. `causal`: the value of a day comes from the block of four days
that ends with it. `full_leaky`: the series is cut into blocks of four once, so the value of a day
holds up to three days after it. The second is what a study does that denoises before it splits.

Axis letters: N days, C columns, B batch, W days of a window.
"""

import numpy as np
import tensorflow as tf

TIMES = 2
BLOCK = 4
ROOT2 = 2**0.5


def threshold(values: np.ndarray) -> float:
    """The universal threshold of Donoho & Johnstone (1994) for a series (N,).

    sigma sqrt(2 ln N), with sigma the median absolute first-level detail / 0.6745.
    """
    even = values[: len(values) // 2 * 2]
    details = (even[0::2] - even[1::2]) / ROOT2
    return float(np.median(np.abs(details)) / 0.6745 * np.sqrt(2 * np.log(len(values))))


def full_leaky(values: np.ndarray, limit: float) -> np.ndarray:
    """The whole series (N, C) denoised in blocks of four from its start: each day sees its future.

    The last block is filled up with the last row.
    """
    fill = -len(values) % BLOCK
    out = np.concatenate([values, np.repeat(values[-1:], fill, axis=0)])
    for _ in range(TIMES):
        out = _blocks(out.reshape(-1, BLOCK, values.shape[1]), limit).reshape(out.shape)
    return out[: len(values)]


def causal(values: tf.Tensor, limit: tf.Tensor) -> tf.Tensor:
    """Each day of float32 (B, W, C) denoised as the last of the four days that end with it.

    The first three days see the first one repeated.
    """
    for _ in range(TIMES):
        first, second, third, last = (lagged(values, lag) for lag in (3, 2, 1, 0))
        mean = (first + second + third + last) / 4
        coarse = _soft((first + second - third - last) / 2, limit)
        fine = _soft((third - last) / ROOT2, limit)
        values = mean - coarse / 2 - fine / ROOT2
    return values


def lagged(values: tf.Tensor, days: int) -> tf.Tensor:
    """Values (B, W, ...) as they were `days` ago; the first one before the window began."""
    if days == 0:
        return values
    return tf.concat([tf.repeat(values[:, :1], days, axis=1), values[:, :-days]], axis=1)


def _blocks(blocks: np.ndarray, limit: float) -> np.ndarray:
    first, second, third, last = np.moveaxis(blocks, 1, 0)
    mean = (first + second + third + last) / 4
    coarse = _soft_numpy((first + second - third - last) / 2, limit) / 2
    left = _soft_numpy((first - second) / ROOT2, limit) / ROOT2
    right = _soft_numpy((third - last) / ROOT2, limit) / ROOT2
    early, late = mean + coarse, mean - coarse
    return np.stack([early + left, early - left, late + right, late - right], axis=1)


def _soft(details: tf.Tensor, limit: tf.Tensor) -> tf.Tensor:
    return tf.sign(details) * tf.maximum(tf.abs(details) - limit, 0.0)


def _soft_numpy(details: np.ndarray, limit: float) -> np.ndarray:
    return np.sign(details) * np.maximum(np.abs(details) - limit, 0.0)
