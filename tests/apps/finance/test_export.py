"""Widths of intervals; a leaking network is not exported."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from seqapps.apps.finance import export, prices
from seqapps.config import UserError
from tests.apps.finance.conftest import params


def test_widening_keeps_the_median_and_the_order():
    quantiles = tf.constant([[[-2.0, -1.0, 0.5, 1.0, 2.0]]])
    found = export.widened(quantiles, tf.constant([[2.0, 1.0]])).numpy()[0, 0]
    assert found == pytest.approx([-2.5, -2.0, 0.5, 1.5, 2.0])


def test_calibration_makes_the_validation_block_covered(monkeypatch):
    rng = np.random.default_rng(0)
    change = rng.normal(size=(999, 1))
    narrow = np.tile(np.array([-0.4, -0.2, 0.0, 0.2, 0.4]), (999, 1, 1))
    monkeypatch.setattr(export, "_validation", lambda *_: (narrow, change))
    found = export.calibration(None, None)[0]
    assert np.mean(np.abs(change) <= 0.2 * found[0]) == pytest.approx(0.80, abs=2e-3)
    assert np.mean(np.abs(change) <= 0.4 * found[1]) == pytest.approx(0.95, abs=2e-3)


def test_full_leaky_cannot_be_exported(everything, assets):
    given = params(denoise="full_leaky")
    given.export = SimpleNamespace()
    with pytest.raises(UserError, match="full_leaky uses prices from after the forecast"):
        export.endpoints(given, everything, assets)


def window(**changed):
    """Two windows of three days, the second with one value changed at its day 1."""
    rows = np.tile(np.array([10, 12, 9, 11, 1000], np.float32), (2, 3, 1))
    for name, value in changed.items():
        rows[1, 1, prices.OHLCV.index(name)] = value
    return tf.constant(rows)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"close": 0}, "prices must be above zero"),
        ({"low": -1}, "prices must be above zero"),
        ({"high": 8}, "High is below Low"),
        ({"high": 10.5}, "High is below Open or Close"),
        ({"low": 10.5}, "Low is above Open or Close"),
        ({"volume": -5}, "Volume must not be below zero"),
        ({"volume": np.inf}, "a value is not finite"),
        ({"high": np.inf}, "a value is not finite"),
        ({"open": np.nan}, "a value is not finite"),
        ({"volume": 1e30}, "no Volume is so large"),
        ({"high": 1e20}, "no price is so small or so large"),
        ({"high": 1200}, "High is too far above Low"),
        ({"open": 45, "high": 50, "low": 40, "close": 44}, "the close leaps"),
        ({"open": 16.5, "high": 17, "low": 16, "close": 16.5}, "the close leaps"),
    ],
)
def test_a_window_that_can_be_none_is_refused_by_row_and_day(changed, said):
    assert export.checked(window(), leaps=True).shape == (2, 3, 5)
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"row 1: day 1 of 'window': {said}"):
        export.checked(window(**changed), leaps=True)


def test_windows_of_shuffled_days_are_no_leaps_to_evaluate():
    leapt = window(open=45, high=50, low=40, close=44)
    assert export.checked(leapt, leaps=False).shape == (2, 3, 5)
