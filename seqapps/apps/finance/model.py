"""The networks: from raw rows to quantiles of the next log return and the next day's variance.

Several networks may stand side by side in one model, each with weights of its own: the shipped one
first, then those it is compared with (`train.compare`). What they share is the front end, the two
targets and the heads. The shipped one may be several that begin apart (`train.averaged`): each
learns by itself, and the mean of their answers is the answer.

Axis letters: B batch, W days of a window, T steps (the last days of it), M networks, F features,
Q quantiles, A averaged networks.
"""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from seqapps.app import Tensors
from seqapps.apps.finance import indicators, preprocess, statistics
from seqapps.apps.finance.metrics import LEVELS
from seqapps.apps.finance.params import Params, Train
from seqapps.kit import layers

CLIP = 5.0
"""Standardized features end here: a crash must not drive a network out of what it knows."""

LOG_RATIO_LIMIT = 8.0
MEDIAN = LEVELS.index(0.5)


def feed(params: Params, assets: Path, training: bool) -> Callable[[Tensors, tf.Tensor], Tensors]:
    """A function (records, seed) -> window (B, W, 5), next (B, 5), weight (B, T) [, leaky].

    `weight` says which steps' forecasts count: all of them in training if `loss_steps` is "all",
    else the last, which is the only one whose target no other block has.
    """
    known = preprocess.facts(assets)
    days, steps = known["window_days"], known["steps"]
    last = np.zeros(steps, np.float32)
    last[-1] = 1.0
    weight = np.ones_like(last) if training and params.train.loss_steps == "all" else last

    def batch(records: Tensors, seed: tf.Tensor) -> Tensors:
        del seed
        rows = tf.shape(records["next"])[0]
        fed = {
            "window": tf.ensure_shape(records["window"], [None, days, 5]),
            "next": records["next"],
            "weight": tf.repeat(tf.constant(weight)[None], rows, axis=0),
        }
        if known["leaky"]:
            fed["leaky"] = tf.ensure_shape(records["leaky"], [None, days, 5])
        return fed

    return batch


def build(params: Params, assets: Path) -> keras.Model:
    """The networks that `[train]` names, their weights made."""
    known = preprocess.facts(assets)
    with np.load(assets / "statistics.npz") as file:
        fitted = dict(file)
    model = Forecaster(params.train, fitted, known["steps"])
    blank = tf.ones([1, known["window_days"], 5])
    model({"window": blank, "leaky": blank}, training=True)
    return model


class Forecaster(keras.Model):
    """The networks named `kind/denoise`, side by side."""

    def __init__(self, table: Train, fitted: dict[str, np.ndarray], steps: int):
        super().__init__()
        self.steps = steps
        modes = dict.fromkeys(member.split("/")[1] for member in table.members)
        self.fronts = [FrontEnd(fitted, mode, steps) for mode in modes]
        self.averaged = table.averaged
        first, *others = table.members
        self.networks = [
            (Anchored if member.startswith("seqapps") else Network)(table, fitted, member)
            for member in (*[first] * table.averaged, *others)
        ]
        self.qlike = keras.metrics.Mean(name="qlike")
        self.pinball = keras.metrics.Mean(name="pinball")

    def call(self, batch, training=False):
        """Quantiles of the log return float32 (B, M, T, Q) and log variance (B, M, T).

        In training the averaged networks answer each for itself, (B, A - 1 + M, ...).

        `batch` holds `window` (B, W, 5) and, if a network is full_leaky, `leaky` (B, W, 5).
        """
        inputs = {front.mode: front(batch) for front in self.fronts}
        answers = [net(*inputs[net.mode], training=training) for net in self.networks]
        if not training:
            answers = [_mean(answers[: self.averaged]), *answers[self.averaged :]]
        return {
            name: tf.stack([answer[name] for answer in answers], axis=1)
            for name in ("quantiles", "log_variance")
        }

    def shipped(self, batch):
        """The answer of the shipped networks alone: quantiles (B, T, Q), log variance (B, T)."""
        first, *others = self.networks[: self.averaged]
        [front] = [front for front in self.fronts if front.mode == first.mode]
        inputs = front(batch)
        return _mean([net(*inputs, training=False) for net in (first, *others)])

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Pinball loss in units of a typical return, plus QLIKE, a scalar; sum over M."""
        assert x is not None and y_pred is not None
        pinball, qlike = losses(x, y_pred, steps=self.steps)
        self.pinball.update_state(pinball[0])
        self.qlike.update_state(qlike[0])
        scale = self.networks[0].return_std
        return tf.reduce_sum(pinball / scale + qlike)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """The loss, and its two parts for the shipped network, scalars."""
        return self.get_metrics_result()


def _mean(answers: list[Tensors]) -> Tensors:
    return {name: tf.add_n([one[name] for one in answers]) / len(answers) for name in answers[0]}


def losses(batch: Tensors, answer: Tensors, *, steps: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Mean pinball loss over quantiles and QLIKE, each (M,), over the steps that have weight.

    QLIKE is v / f - ln(v / f) - 1 (Patton 2011).
    """
    change, log_variance = targets(batch["window"], batch["next"], steps=steps)
    error = change[:, None, :, None] - answer["quantiles"]
    levels = tf.constant(LEVELS)
    pinball = tf.reduce_mean(tf.maximum(levels * error, (levels - 1) * error), axis=-1)
    ratio = tf.minimum(log_variance[:, None] - answer["log_variance"], LOG_RATIO_LIMIT)
    weight = batch["weight"][:, None]
    total = tf.reduce_sum(weight)
    means = (
        tf.reduce_sum(weight * values, axis=[0, 2]) / total
        for values in (pinball, tf.exp(ratio) - ratio - 1)
    )
    return next(means), next(means)


def targets(window: tf.Tensor, following: tf.Tensor, *, steps: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The next day's log return and log variance, each (B, T), of windows (B, W, 5)."""
    rows = tf.concat([window, following[:, None]], axis=1)[:, -steps - 1 :]
    close = tf.math.log(rows[..., 3] / rows[:, :1, 3])  # pyright: ignore[reportArgumentType] stubs know no Ellipsis
    variance = indicators.log_range_variance(rows[:, 1:])
    return close[:, 1:] - close[:, :-1], tf.math.log(variance)


class FrontEnd(keras.layers.Layer):
    """Rows to features: float32 (B, T, F), raw and standardized by the train block."""

    def __init__(self, fitted: dict[str, np.ndarray], mode: str, steps: int):
        super().__init__()
        self.mode, self.steps = mode, steps
        self.limit = float(fitted["threshold"])
        self.mean, self.std = fitted[f"{mode}/mean"], fitted[f"{mode}/std"]

    def call(self, batch):
        """Features (B, T, C) and log closes; "causal" denoises, "full_leaky" sees the future."""
        actual = batch["window"]
        rows = {"none": actual, "causal": actual, "full_leaky": batch.get("leaky")}[self.mode]
        rows = indicators.denoised(rows, self.limit) if self.mode == "causal" else rows
        raw = indicators.features(rows, actual)[:, -self.steps :]
        return raw, tf.clip_by_value((raw - self.mean) / self.std, -CLIP, CLIP)


class Network(keras.layers.Layer):
    """A network of the paper: [wavelet ->] [stacked autoencoders ->] recurrent stack -> heads.

    It begins as the train block's constants: its quantiles about the last close as the network
    sees it (denoised or not), its mean variance.
    """

    def __init__(self, table: Train, fitted: dict[str, np.ndarray], member: str):
        super().__init__()
        kind, self.mode = member.split("/")
        self.encode = Encoder(fitted, self.mode) if kind == "wsaes_lstm" else None
        cell = kind if kind in ("rnn", "gru") else "lstm"
        self.stack = layers.recurrent(cell, table.units, layers=table.layers, dropout=table.dropout)
        self.heads = Heads(fitted["quantiles"])
        self.return_std = float(fitted["return_std"])
        self.log_std = float(np.log(fitted["return_std"]))
        self.log_variance = float(fitted["log_variance"])

    def call(self, raw, inputs, training=False):
        """See `Forecaster.call`, for one network: (B, T, Q) and (B, T)."""
        code = inputs if self.encode is None else self.encode(inputs)
        hidden = self.stack(code, training=training)
        gap = raw[..., indicators.NAMES.index("gap")]
        same = tf.zeros_like(gap)
        return self.heads(hidden, gap, same + self.log_std, same + self.log_variance)


class Anchored(keras.layers.Layer):
    """The default: begins as HAR with leverage and filtered historical simulation, learns the rest.

    Before its first step of training it forecasts that regression's variance, and quantiles that
    are the train block's standardized ones times its root. A recurrent network and a linear map of
    the day's features add to both.
    """

    def __init__(self, table: Train, fitted: dict[str, np.ndarray], member: str):
        super().__init__()
        self.mode = member.split("/")[1]
        self.stack = layers.recurrent(
            table.cell, table.units, layers=table.layers, dropout=table.dropout
        )
        self.direct = keras.layers.Dropout(table.dropout)
        self.heads = Heads(fitted["har_quantiles"])
        self.har = [float(value) for value in fitted["har"]]
        self.return_std = float(fitted["return_std"])

    def call(self, raw, inputs, training=False):
        """See `Forecaster.call`, for one network: (B, T, Q) and (B, T)."""
        constant, *slopes = self.har
        logs = [raw[..., column] for column in statistics.LHAR]
        har = constant + sum(slope * log for slope, log in zip(slopes, logs, strict=True))
        hidden = [self.stack(inputs, training=training), self.direct(inputs, training=training)]
        gap = raw[..., indicators.NAMES.index("gap")]
        return self.heads(tf.concat(hidden, axis=-1), gap, har / 2, har)


class Encoder(keras.layers.Layer):
    """The stacked autoencoders' code of each day, (B, T, F) -> (B, T, U), as preprocess made it."""

    def __init__(self, fitted: dict[str, np.ndarray], mode: str):
        super().__init__()
        part = f"{mode}/sae/"
        self.parts = {n.removeprefix(part): v for n, v in fitted.items() if n.startswith(part)}

    def call(self, inputs):
        """Sigmoid layers, then the last code (B, T, C) standardized."""
        layer = 0
        while f"w{layer}" in self.parts:
            inputs = tf.sigmoid(
                tf.matmul(inputs, self.parts[f"w{layer}"]) + self.parts[f"b{layer}"]
            )
            layer += 1
        return (inputs - self.parts["mean"]) / self.parts["std"]


class Heads(keras.layers.Layer):
    """Quantiles that cannot cross, and a log variance; both start at the given anchors.

    The median moves freely; each further quantile keeps its distance to the one within, times an
    exponential that begins as 1.
    """

    def __init__(self, quantiles: np.ndarray):
        super().__init__()
        self.quantiles = [float(value) for value in quantiles]
        self.dense = keras.layers.Dense(
            len(quantiles) + 1, kernel_initializer="zeros", name="heads"
        )

    def call(self, hidden, middle, log_scale, log_variance):
        """(B, T, Q) and (B, T).

        Args:
            hidden: (B, T, U).
            middle: (B, T), the log return about which the quantiles lie.
            log_scale: (B, T), log of the unit of the quantiles.
            log_variance: (B, T), the log variance to begin with.
        """
        *moves, change = tf.unstack(self.dense(hidden), axis=-1)
        units = [None] * len(self.quantiles)
        units[MEDIAN] = self.quantiles[MEDIAN] + moves[MEDIAN]
        for side in (-1, 1):
            for level in range(MEDIAN + side, MEDIAN + side * (MEDIAN + 1), side):
                step = self.quantiles[level] - self.quantiles[level - side]
                units[level] = units[level - side] + step * tf.exp(moves[level])
        scale = tf.exp(log_scale + change / 2)[..., None]
        return {
            "quantiles": middle[..., None] + scale * tf.stack(units, axis=-1),
            "log_variance": log_variance + change,
        }
