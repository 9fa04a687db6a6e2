"""Made-up prices for the tests of finance: a random walk with ranges and volumes."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from seqapps.apps.finance import indicators, model, preprocess, prices
from seqapps.apps.finance.params import Preprocess, Train


def walk(days: int, *, seed: int = 1, start: str = "2012-01-02") -> pd.DataFrame:
    """Business days of OHLCV whose volatility changes slowly."""
    rng = np.random.default_rng(seed)
    scale = 0.01 * np.exp(0.3 * np.sin(np.arange(days) / 40))
    steps = rng.normal(size=(days, 8)) * (scale / np.sqrt(8))[:, None]
    logs = np.cumsum(steps).reshape(days, 8) + np.log(100)
    opened = np.concatenate([[np.log(100)], logs[:-1, -1]])
    table = pd.DataFrame(
        {
            "open": opened,
            "high": np.maximum(logs.max(axis=1), opened),
            "low": np.minimum(logs.min(axis=1), opened),
            "close": logs[:, -1],
        },
        index=pd.bdate_range(start, periods=days, name="date"),
    )
    return np.exp(table).assign(volume=rng.integers(1_000, 5_000, days).astype(float))


@pytest.fixture
def table() -> pd.DataFrame:
    """300 days."""
    return walk(300)


@pytest.fixture
def rows(table) -> np.ndarray:
    """300 days as float32 (1, 300, 5)."""
    return table.to_numpy(np.float32)[None]


@pytest.fixture
def truth():
    table = walk(120).to_numpy()
    days = np.arange(80, 119)
    return {
        "key": days,
        "symbol": np.full(len(days), "made"),
        "target_date": np.array([f"{day:04d}" for day in days]),
        "window": np.stack([table[day - 20 : day + 1] for day in days]),
        "next": table[days + 1],
    }


@pytest.fixture
def evaluation():
    """Test days of made-up prices from 2010-10 on, called sp500, and answers to them."""
    table = walk(700, start="2010-09-01")
    rows, days = table.to_numpy(np.float32), np.arange(30, 690)
    dates = table.index.strftime("%Y-%m-%d").to_numpy().astype(object)
    truth = {
        "key": dates[days],
        "symbol": np.full(len(days), "sp500", object),
        "target_date": dates[days + 1],
        "window": np.stack([rows[day - 5 : day + 1] for day in days]),
        "next": rows[days + 1],
    }
    answer = {
        "log_return_quantiles": np.tile([-0.02, -0.01, 0.0, 0.01, 0.02], (len(days), 1)),
        "variance": np.full(len(days), 1e-4),
    }
    return SimpleNamespace(
        truth=truth,
        response=answer,
        baselines={"last+lhar": answer},
        params=SimpleNamespace(evaluate=SimpleNamespace(cost_percent=0.01)),
    )


TRAIN = {
    "seed": 1,
    "epochs": 1,
    "batch_size": 8,
    "learning_rate": 0.01,
    "clip_norm": 1.0,
    "patience_epochs": 1,
    "units": 4,
}


SPLIT = {
    "test_from": "2013-05-01",
    "test_until": "2013-06-30",
    "test_months": 1,
    "validation_months": 1,
    "train_months": 6,
    "steps": 4,
    "leaky_windows": True,
    "sae_layers": 2,
    "sae_units": 3,
    "sae_steps": 20,
    "seed": 1,
}


KINDS = ("seqapps/none", "rnn/none", "gru/none", "lstm/none", "wlstm/causal", "wsaes_lstm/causal")


def params(**train):
    return SimpleNamespace(preprocess=Preprocess(**SPLIT), train=Train(**TRAIN | train))


def saved(folder, table):
    folder.mkdir(parents=True, exist_ok=True)
    prices.save(table, folder / "made.csv")
    return folder


@pytest.fixture(scope="module")
def assets(tmp_path_factory):
    """The assets of the first fold of made-up prices."""
    folder = tmp_path_factory.mktemp("finance")
    return fitted(folder / "assets", saved(folder / "raw", walk(400)))


def fitted(out, raw):
    items = [
        item
        for item in preprocess.index(params(), raw)
        if getattr(item, "split", "") == "train" and item.fold == "2013-05"
    ]
    out.mkdir()
    preprocess.assets(params(), items, out)
    return out


@pytest.fixture(scope="module")
def everything(assets):
    """All kinds side by side, the leaking one too, with weights that are not zero."""
    made = model.build(params(compare=(*KINDS, "lstm/full_leaky")), assets)
    rng = np.random.default_rng(0)
    for weight in made.trainable_variables:
        weight.assign_add(rng.normal(size=weight.shape) * 0.2)
    return made


@pytest.fixture
def found(rows):
    return {k: v.numpy()[0] for k, v in indicators.indicators(tf.constant(rows)).items()}
