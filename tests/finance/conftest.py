"""Made-up prices for the tests of finance: a random walk with ranges and volumes."""

import numpy as np
import pandas as pd
import pytest


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
