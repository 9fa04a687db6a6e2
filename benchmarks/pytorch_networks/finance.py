"""finance in PyTorch: indicators, a GRU and a linear map beside HAR, quantiles.

Axis letters: B batch, T days, F features.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


class Forecaster(nn.Module):
    """Finance: indicators of the window, a GRU and a linear map beside HAR, quantiles."""

    SMOOTHED = {3: 2 / 4, 12: 2 / 13, 14: 1 / 14, 20: 2 / 21, 26: 2 / 27}
    """Days -> weight of an exponential moving average."""

    LEVELS = torch.tensor([0.025, 0.1, 0.5, 0.9, 0.975])

    def __init__(self, table, arrays):
        super().__init__()
        self.steps = table["steps"]
        self.mean, self.std = arrays["none/mean"], arrays["none/std"]
        self.har, self.return_std = arrays["har"], arrays["return_std"]
        self.quantiles = arrays["har_quantiles"]
        days = table["window_days"]
        self.smoothers = {name: smoother(w, days) for name, w in self.SMOOTHED.items()}
        self.gru = nn.GRU(len(self.mean), table["units"], table["layers"], batch_first=True)
        self.drop = nn.Dropout(table["dropout"])
        self.heads = nn.Linear(table["units"] + len(self.mean), len(self.LEVELS) + 1)
        nn.init.zeros_(self.heads.weight)
        nn.init.zeros_(self.heads.bias)
        self.compiled_features = torch.compile(self.features)

    def forward(self, batch):
        """Pinball loss in units of a typical return, plus QLIKE."""
        raw = self.compiled_features(batch["window"])[:, -self.steps :]
        inputs = ((raw - self.mean) / self.std).clamp(-5, 5)
        hidden, _ = self.gru(self.drop(inputs))
        moved = self.heads(torch.cat([hidden, self.drop(inputs)], dim=-1))
        moves, change = moved[..., :5], moved[..., 5]
        har = self.har[0] + raw[..., [8, 9, 10, 5, 6, 7]] @ self.har[1:]
        apart = self.quantiles.diff() * moves[..., [0, 1, 3, 4]].exp()
        middle = self.quantiles[2:3] + moves[..., 2:3]
        below = middle - apart[..., :2].flip(-1).cumsum(-1).flip(-1)
        units = torch.cat([below, middle, middle + apart[..., 2:].cumsum(-1)], dim=-1)
        answer = raw[..., 11:12] + ((har + change) / 2).exp()[..., None] * units
        rows = torch.cat([batch["window"], batch["next"][:, None]], dim=1)[:, -self.steps - 1 :]
        error = rows[..., 3].log().diff(dim=1)[..., None] - answer
        pinball = torch.maximum(self.LEVELS * error, (self.LEVELS - 1) * error).mean(-1)
        ratio = (range_variance(rows[:, 1:]).log() - har - change).clamp(max=8.0)
        losses = pinball / self.return_std + ratio.exp() - ratio - 1
        return (batch["weight"] * losses).sum() / batch["weight"].sum()

    def features(self, rows):
        """The indicators of each day, (B, T, F), of opens, highs, lows, closes, volumes."""
        rows = torch.cat([rows[..., :4] / rows[:, :1, 3:4], rows[..., 4:]], dim=-1)
        opened, high, low, close, volume = rows.unbind(-1)
        before = lagged(close, 1)
        change, variance = (close / before).log(), range_variance(rows)
        spread = torch.maximum(high, before) - torch.minimum(low, before)
        typical = (high + low + close) / 3
        last = frames(typical, 20)
        off = typical - last.mean(-1)
        deviation = 0.015 * (last - last.mean(-1, keepdim=True)).abs().mean(-1)
        top = F.max_pool1d(earlier(high, 10), 10, 1)
        bottom = -F.max_pool1d(-earlier(low, 10), 10, 1)
        distance = self.ema(self.ema(close - (top + bottom) / 2, 3), 3)
        width = self.ema(self.ema(top - bottom, 3), 3) / 2
        flow = ratio(close - opened, high - low) * volume
        parts = [
            change,
            (opened / before).log(),
            (close / opened).log(),
            (high / low).log(),
            ratio(volume, average(volume, 20)),
            change.clamp(max=0),
            (close / lagged(close, 5)).log().clamp(max=0) / 5,
            (close / lagged(close, 22)).log().clamp(max=0) / 22,
            variance.log(),
            average(variance, 5).log(),
            average(variance, 22).log(),
            torch.zeros_like(close),
            (self.ema(close, 12) - self.ema(close, 26)) / close,
            ratio(off, deviation) / 100,
            self.ema(torch.cat([(high - low)[:, :1], spread[:, 1:]], dim=1), 14) / close,
            average(close, 20) / close - 1,
            self.ema(close, 20) / close - 1,
            average(close, 5) / close - 1,
            average(close, 10) / close - 1,
            1 - lagged(close, 6) / close,
            1 - lagged(close, 12) / close,
            close / lagged(close, 12) - 1,
            ratio(distance, width),
            ratio(average(flow, 24), average(volume, 24)),
        ]
        return torch.stack(parts, dim=-1)

    def ema(self, values, days):
        """Exponential moving averages of (B, T), with the weight of `SMOOTHED`."""
        return values @ self.smoothers[days]


def smoother(weight, days):
    """The matrix (T, T) of an exponential moving average that begins at the first day."""
    age = torch.arange(days) - torch.arange(days)[:, None]
    weights = torch.where(age >= 0, weight * (1 - weight) ** age.clamp(min=0), 0.0)
    weights[0] = (1 - weight) ** torch.arange(days)
    return weights


def earlier(values, days):
    """Values (B, T) with `days` - 1 times the first before them."""
    return F.pad(values[None], (days - 1, 0), mode="replicate")[0]


def lagged(values, days):
    """Values (B, T) as they were `days` ago."""
    return earlier(values, days + 1)[:, : values.shape[1]]


def frames(values, days):
    """The last `days` values of each day, (B, T, days)."""
    return earlier(values, days).unfold(1, days, 1)


def average(values, days):
    """The simple moving average of (B, T)."""
    return F.avg_pool1d(earlier(values, days), days, 1)


def ratio(above, below):
    """The quotient, 0 where the divisor is."""
    return torch.where(below == 0, 0.0, above / below)


def range_variance(rows):
    """Garman & Klass's variance of days (..., 5)."""
    opened, high, low, close, _ = rows.unbind(-1)
    spread, move = (high / low).log(), (close / opened).log()
    return (spread**2 / 2 - (2 * np.log(2) - 1) * move**2).clamp(min=1e-8)
