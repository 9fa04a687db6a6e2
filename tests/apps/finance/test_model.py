import json

import numpy as np
import pytest
import tensorflow as tf

from seqapps.apps.finance import model, preprocess, prices, wavelet
from tests.apps.finance.conftest import KINDS, fitted, params, saved, walk

WINDOW = 4 + 64


def batch(table, end):
    rows = table.to_numpy(np.float32)
    leaky = preprocess.leaky_rows(table.to_numpy()).astype(np.float32)
    return {
        "window": tf.constant(rows[None, end - WINDOW : end]),
        "leaky": tf.constant(leaky[None, end - WINDOW : end]),
    }


def test_every_kind_gives_quantiles_in_order_and_a_variance_for_each_step(everything):
    answer = everything(batch(walk(200), 150))
    assert answer["quantiles"].shape == (1, 7, 4, 5)
    assert answer["log_variance"].shape == (1, 7, 4)
    assert (np.diff(answer["quantiles"].numpy(), axis=-1) > 0).all()


def test_the_default_begins_as_har_with_leverage_and_the_train_quantiles(assets):
    made = model.build(params(), assets)
    answer = made(batch(walk(200), 150))
    with np.load(assets / "statistics.npz") as found:
        har, units = found["har"], found["har_quantiles"]
    raw, _ = made.fronts[0](batch(walk(200), 150))
    forecast = har[0] + raw.numpy()[..., model.statistics.LHAR] @ har[1:]
    assert answer["log_variance"].numpy()[:, 0] == pytest.approx(forecast, abs=1e-4)
    quantiles = np.exp(forecast / 2)[..., None] * units
    assert answer["quantiles"].numpy()[:, 0] == pytest.approx(quantiles, abs=1e-6)


@pytest.mark.parametrize("factor", [10.0, 0.1])
def test_ten_times_the_prices_give_ten_times_the_forecast(everything, factor):
    table = walk(200)
    scaled = table.assign(**{name: table[name] * factor for name in prices.OHLC})
    one, other = (everything(batch(t, 150)) for t in (table, scaled))
    for name in ("quantiles", "log_variance"):
        assert other[name].numpy() == pytest.approx(one[name].numpy(), abs=2e-3), name


def moves_when_the_future_does(everything, number):
    """Whether network `number` answers otherwise on day 100 when the days after it change."""
    before, after = walk(200), walk(200)
    after.iloc[101:, :4] *= 1.1
    answers = [everything(batch(table, 101)) for table in (before, after)]
    return any(
        (one[name].numpy()[:, number] != other[name].numpy()[:, number]).any()
        for one, other in [answers]
        for name in one
    )


@pytest.mark.parametrize("number", range(len(KINDS)), ids=KINDS)
def test_a_forecast_is_the_same_to_the_bit_whatever_comes_after(everything, number):
    assert not moves_when_the_future_does(everything, number)


def test_the_same_test_catches_full_leaky(everything):
    assert moves_when_the_future_does(everything, len(KINDS))


@pytest.mark.parametrize("number", range(len(KINDS)), ids=KINDS)
def test_the_forecast_of_each_step_does_not_see_the_next(everything, number):
    one = batch(walk(200), 150)
    later = one["window"].numpy().copy()
    later[:, -1, :4] *= 1.2
    answers = [everything(one), everything(one | {"window": tf.constant(later)})]
    for name in ("quantiles", "log_variance"):
        before, after = (answer[name].numpy()[:, number, :-1] for answer in answers)
        assert (before == after).all(), name


def test_assets_do_not_change_when_prices_after_the_train_block_do(assets, tmp_path):
    table = walk(400)
    table.loc["2013-04-01":, prices.OHLC] *= 1.3
    again = fitted(tmp_path / "assets", saved(tmp_path / "raw", table))
    with np.load(assets / "statistics.npz") as one, np.load(again / "statistics.npz") as other:
        for name in one.files:
            if not name.startswith("full_leaky"):
                assert (one[name] == other[name]).all(), name


def test_the_leaking_window_moves_up_to_three_days_before_a_change():
    rows = walk(40).to_numpy()
    after = rows.copy()
    after[22:, :4] *= 1.2
    limit = wavelet.threshold(np.log(rows[:, 3]))
    moved = wavelet.full_leaky(np.log(rows[:, :4]), limit) != wavelet.full_leaky(
        np.log(after[:, :4]), limit
    )
    assert np.flatnonzero(moved.any(axis=1))[0] == 20


def test_losses_by_hand():
    window = np.ones((1, 3, 5), np.float32)
    following = np.array([[1.0, 2.0, 1.0, 2.0, 1.0]], np.float32)
    given = {"window": window, "next": following, "weight": np.array([[0.0, 1.0]], np.float32)}
    variance = 0.5 * np.log(2) ** 2 - (2 * np.log(2) - 1) * np.log(2) ** 2
    answer = {
        "quantiles": tf.zeros([1, 1, 2, 5]),
        "log_variance": tf.fill([1, 1, 2], np.float32(np.log(variance / 2))),
    }
    pinball, qlike = model.losses(given, answer, steps=2)
    assert pinball.numpy() == pytest.approx([np.log(2) * (0.025 + 0.1 + 0.5 + 0.9 + 0.975) / 5])
    assert qlike.numpy() == pytest.approx([2 - np.log(2) - 1], rel=1e-4)


def test_validation_counts_the_last_step_only(assets):
    fed = [model.feed(params(), assets, training) for training in (True, False)]
    record = {
        "window": tf.zeros([1, WINDOW, 5]),
        "next": tf.zeros([1, 5]),
        "leaky": tf.zeros([1, WINDOW, 5]),
    }
    assert [one(record, None)["weight"].numpy()[0].tolist() for one in fed] == [
        [1, 1, 1, 1],
        [0, 0, 0, 1],
    ]


def test_facts_say_how_long_a_request_is(assets):
    assert json.loads((assets / "facts.json").read_text())["window_days"] == WINDOW


def test_averaged_networks_learn_each_for_itself_and_answer_with_their_mean(assets):
    made = model.build(params(compare=(), averaged=3), assets)
    for number, network in enumerate(made.networks):
        network.heads.dense.kernel.assign_add(
            tf.fill(network.heads.dense.kernel.shape, 0.01 * number)
        )
    given = batch(walk(200), 150)
    each, whole = made(given, training=True), made(given)
    assert each["log_variance"].shape[1] == 3 and whole["log_variance"].shape[1] == 1
    alone = [network(*made.fronts[0](given), training=False) for network in made.networks]
    for name in ("quantiles", "log_variance"):
        wanted = np.mean([answer[name] for answer in alone], axis=0)
        assert whole[name].numpy()[:, 0] == pytest.approx(wanted, abs=1e-6)
        assert made.shipped(given)[name].numpy() == pytest.approx(wanted, abs=1e-6)
    assert not np.allclose(alone[0]["log_variance"], alone[2]["log_variance"])
