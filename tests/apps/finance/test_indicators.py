import numpy as np
import pandas as pd
import pytest
import ta
import tensorflow as tf

from seqapps.apps.finance import indicators
from tests.apps.finance.conftest import walk

WARM = slice(120, None)  # ta begins its averages otherwise: compare when that has died out


def reference(t: pd.DataFrame) -> dict[str, pd.Series]:
    close = t["close"]
    top, bottom = t["high"].rolling(10).max(), t["low"].rolling(10).min()

    def ema(values, days):
        return values.ewm(span=days, adjust=False).mean()

    distance = (close - (top + bottom) / 2).fillna(0.0)
    return {
        "macd": ta.trend.MACD(close).macd(),
        "cci": ta.trend.CCIIndicator(t["high"], t["low"], close, 20).cci(),
        "atr": ta.volatility.AverageTrueRange(t["high"], t["low"], close, 14).average_true_range(),
        "boll": ta.volatility.BollingerBands(close, 20).bollinger_mavg(),
        "ema20": ta.trend.EMAIndicator(close, 20).ema_indicator(),
        "ma5": ta.trend.SMAIndicator(close, 5).sma_indicator(),
        "ma10": ta.trend.SMAIndicator(close, 10).sma_indicator(),
        "mtm6": close.diff(6),
        "mtm12": close.diff(12),
        "roc": ta.momentum.ROCIndicator(close, 12).roc(),
        "smi": 100 * ema(ema(distance, 3), 3) / (ema(ema((top - bottom).fillna(0.0), 3), 3) / 2),
        "wvad": ((close - t["open"]) / (t["high"] - t["low"]) * t["volume"]).rolling(24).sum(),
    }


@pytest.mark.parametrize("name", indicators.PAPER)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_each_indicator_is_that_of_ta_or_pandas(name, table, found):
    wanted = reference(table)[name].to_numpy()[WARM]
    assert found[name][WARM] == pytest.approx(wanted, rel=2e-3, abs=2e-3 * np.abs(wanted).max())


def test_garman_klass_by_hand():
    row = tf.constant([[100.0, 110.0, 95.0, 105.0, 1.0]])
    by_hand = 0.5 * np.log(110 / 95) ** 2 - (2 * np.log(2) - 1) * np.log(105 / 100) ** 2
    assert indicators.log_range_variance(row).numpy() == pytest.approx([by_hand], rel=1e-5)


def test_a_day_without_a_range_has_the_least_variance():
    flat = tf.constant([[7.0, 7.0, 7.0, 7.0, 0.0]])
    assert indicators.log_range_variance(flat).numpy() == pytest.approx([1e-8])


@pytest.mark.parametrize("factor", [10.0, 8.0, 0.01])
def test_features_do_not_change_with_the_scale_of_prices(rows, factor):
    scaled = rows * np.array([factor] * 4 + [1], np.float32)
    one, other = (indicators.features(tf.constant(r), tf.constant(r)) for r in (rows, scaled))
    assert other.numpy() == pytest.approx(one.numpy(), abs=2e-3)


def test_features_do_not_change_with_the_unit_of_volume(rows):
    scaled = rows * np.array([1, 1, 1, 1, 1000], np.float32)
    one, other = (indicators.features(tf.constant(r), tf.constant(r)) for r in (rows, scaled))
    assert other.numpy() == pytest.approx(one.numpy(), abs=1e-5)


def test_days_without_volume_give_numbers(rows):
    rows[..., 4] = 0
    assert np.isfinite(indicators.features(tf.constant(rows), tf.constant(rows))).all()


@pytest.mark.parametrize("mode", ["none", "causal"])
def test_a_feature_at_a_day_does_not_move_when_later_days_do(mode):
    before, after = walk(150).to_numpy(np.float32)[None], walk(150).to_numpy(np.float32)[None]
    after[:, 100:] = after[:, 100:][:, ::-1] * 1.7
    after[..., 1] = after[..., :4].max(axis=-1)
    after[..., 2] = after[..., :4].min(axis=-1)
    one, other = (seen(rows, mode)[:, :100] for rows in (before, after))
    assert (one == other).all()


def seen(rows, mode):
    given = tf.constant(rows)
    return indicators.features(
        indicators.denoised(given, 0.02) if mode == "causal" else given, given
    ).numpy()
