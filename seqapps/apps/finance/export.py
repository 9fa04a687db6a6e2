"""The endpoints: a window of raw OHLCV rows in, tomorrow's quantiles and variance out.

The widths of the 80 and 95 % intervals are calibrated on the validation block, with the trained
network, when the endpoints are made (split conformal prediction: Romano, Patterson & Candes 2019).

Axis letters: B batch, W days of a window, M networks, N validation examples, Q quantiles.
"""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from seqapps.app import Endpoints
from seqapps.apps.finance import APP, preprocess, prices
from seqapps.apps.finance.metrics import LEVELS
from seqapps.apps.finance.model import MEDIAN
from seqapps.apps.finance.params import Params
from seqapps.apps.finance.statistics import BATCH
from seqapps.apps.finance.wavelet import lagged
from seqapps.config import UserError
from seqapps.kit import rows
from seqapps.pipeline import records

INTERVALS = ((1, 3), (0, 4))
"""Places of the quantiles that bound the 80 and the 95 % interval."""


def endpoints(params: Params, model: keras.Model, assets: Path) -> Endpoints:
    """`serving_default`, and for evaluate `compared`: all networks side by side.

    `serving_default` takes `window` float32 (B, W, 5) and gives `close_quantiles` float64 (B, Q) in
    the units of the window's closes, `log_return_quantiles` float32 (B, Q), `levels` float32 (B, Q)
    of both, and `variance` float32 (B,), the range variance of the next day's log prices. Days come
    oldest first, which prices alone cannot show. A window with a price that is not above zero, a
    High below its Low, an Open or Close outside of both (by more than rounding), or a volume below
    zero fails the request, with its row and day (counted from 0).

    Raises:
        UserError: the shipped network is full_leaky and this is export.
    """
    leaky = params.train.denoise == "full_leaky"
    exporting = hasattr(params, "export")
    if leaky and exporting:
        raise UserError(
            "train.denoise = full_leaky uses prices from after the forecast: no request could hold "
            "them, so it is not exported. Use none or causal"
        )
    known = preprocess.facts(assets)
    widths = tf.constant(calibration(model, assets.parent))
    shape = [None, known["window_days"], 5]
    window_only = [tf.TensorSpec(shape, tf.float32, name="window")]
    both = window_only + (
        [tf.TensorSpec(shape, tf.float32, name="leaky")] if known["leaky"] else []
    )

    def compared(*request):
        answer = model(dict(zip(("window", "leaky"), request, strict=False)), training=False)
        quantiles = widened(answer["quantiles"][:, :, -1], widths)
        return {
            "log_return_quantiles": quantiles,
            "variance": tf.exp(answer["log_variance"][:, :, -1]),
        }

    def serving_default(window, *more):
        window = checked(window, leaps=exporting)
        batch = dict(zip(("window", "leaky"), (window, *more), strict=False))
        answer = model.shipped(batch)
        quantiles = widened(answer["quantiles"][:, None, -1], widths[:1])[:, 0]
        # In double precision: a price of 3000 has only four decimals in single.
        close = tf.cast(window[:, -1, 3:4], tf.float64)
        return {
            "close_quantiles": close * tf.exp(tf.cast(quantiles, tf.float64)),
            "log_return_quantiles": quantiles,
            "levels": tf.repeat(tf.constant([LEVELS]), tf.shape(window)[0], axis=0),
            "variance": tf.exp(answer["log_variance"][:, -1]),
        }

    named = {"serving_default": (serving_default, both if leaky else window_only)}
    return named if exporting else named | {"compared": (compared, both)}


def checked(window: tf.Tensor, *, leaps: bool) -> tf.Tensor:
    """Windows (B, W, 5), once every day of each row can be one: the rules of predict's reader.

    With `leaps` also those of `prices.breaks`, which windows of shuffled days (a control) break.
    """
    opened, high, low, close, volume = tf.unstack(window, axis=-1)
    top, bottom = tf.maximum(opened, close), tf.minimum(opened, close)
    smallest, largest = prices.PRICES
    rules = [
        (tf.reduce_all(tf.math.is_finite(window), axis=-1), "a value is not finite"),
        (tf.reduce_min([opened, high, low, close], axis=0) > 0, "prices must be above zero"),
        (high >= low, "High is below Low"),
        (high >= top * (1 - prices.ROUNDING), "High is below Open or Close"),
        (low <= bottom * (1 + prices.ROUNDING), "Low is above Open or Close"),
        (volume >= 0, "Volume must not be below zero"),
        ((low >= smallest) & (high <= largest), "no price is so small or so large"),
        (volume <= prices.MOST_VOLUME, "no Volume is so large"),
    ]
    if leaps:
        before = lagged(close, 1)
        step, overnight = tf.math.log(close / before), tf.math.log(opened / before)
        far = (tf.abs(step) > prices.LONGEST_STEP) | prices.split_of_3_for_2(step, overnight)
        first = tf.one_hot(0, tf.shape(close)[1], on_value=True, off_value=False)
        rules += [
            (high / low <= np.exp(prices.WIDEST_RANGE), "High is too far above Low"),
            (first | ~far, "the close leaps: a split not applied, or a wrong price"),
        ]
    kept = tf.stack([rule for rule, _ in rules], axis=1)  # (B, rules, W)
    broken = tf.argmin(tf.cast(tf.reduce_all(kept, axis=2), tf.int32), axis=1)
    day = tf.argmin(tf.cast(tf.gather(kept, broken, batch_dims=1), tf.int32), axis=1)
    reasons = tf.gather(tf.constant([reason for _, reason in rules]), broken)
    reasons = tf.strings.join(["day ", tf.strings.as_string(day), " of 'window': ", reasons])
    return rows.require(tf.reduce_all(kept, axis=[1, 2]), reasons, window)


def calibration(model: keras.Model, folder: Path) -> np.ndarray:
    """Factors float32 (M, 2) of the 80 and the 95 % interval's half-widths.

    The factor is the ceil((N + 1) p)-th smallest of how many half-widths from the median the
    validation returns fell.
    """
    quantiles, change = _validation(model, folder)
    middle = quantiles[..., MEDIAN]
    factors = []
    for low, high in INTERVALS:
        below = (middle - change) / (middle - quantiles[..., low])
        above = (change - middle) / (quantiles[..., high] - middle)
        rank = int(np.ceil((len(change) + 1) * (LEVELS[high] - LEVELS[low]))) - 1
        distances = np.sort(np.maximum(below, above), axis=0)
        factors.append(distances[min(rank, len(distances) - 1)])
    return np.stack(factors, axis=-1).astype(np.float32)


def widened(quantiles: tf.Tensor, widths: tf.Tensor) -> tf.Tensor:
    """Quantiles (B, M, Q) with their distances from the median times `widths` (M, 2)."""
    inner, outer = widths[:, 0], widths[:, 1]
    factors = tf.stack([outer, inner, tf.ones_like(inner), inner, outer], axis=-1)
    middle = quantiles[..., MEDIAN : MEDIAN + 1]  # pyright: ignore[reportArgumentType] stubs know no Ellipsis
    return tf.sort(middle + (quantiles - middle) * factors, axis=-1)


def _validation(model: keras.Model, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    examples = list(records.read(APP, folder, "validation"))
    quantiles = []
    for start in range(0, len(examples), BATCH):
        batch = {
            name: tf.constant(np.stack([row[name] for row in examples[start : start + BATCH]]))
            for name in ("window", "leaky")
        }
        quantiles.append(model(batch, training=False)["quantiles"][:, :, -1].numpy())
    change = np.array([np.log(row["next"][3] / row["window"][-1, 3]) for row in examples])
    return np.concatenate(quantiles), change[:, None]
