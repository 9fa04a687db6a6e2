import json
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from seqapps.app import UserError
from seqapps.finance import export, model, preprocess, prices, wavelet
from seqapps.finance.params import Preprocess, Train
from tests.finance.conftest import walk

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
WINDOW = 4 + 64


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


def test_the_default_begins_as_har_and_the_train_quantiles(assets):
    made = model.build(params(), assets)
    answer = made(batch(walk(200), 150))
    with np.load(assets / "statistics.npz") as found:
        har, units = found["har"], found["har_quantiles"]
    raw, _ = made.fronts[0](batch(walk(200), 150))
    forecast = har[0] + raw.numpy()[..., model.statistics.HAR] @ har[1:]
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
    pinball, qlike = model.losses(given, answer, 2)
    assert pinball.numpy() == pytest.approx([np.log(2) * (0.025 + 0.1 + 0.5 + 0.9 + 0.975) / 5])
    assert qlike.numpy() == pytest.approx([2 - np.log(2) - 1], rel=1e-4)


def test_validation_counts_the_last_step_only(assets):
    fed = [model.feed(params(), assets, training) for training in (True, False)]
    record = {
        "window": tf.zeros([WINDOW, 5]),
        "next": tf.zeros([5]),
        "leaky": tf.zeros([WINDOW, 5]),
    }
    assert [one(record, None)["weight"].numpy().tolist() for one in fed] == [
        [1, 1, 1, 1],
        [0, 0, 0, 1],
    ]


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


def test_a_leaking_network_needs_leaking_windows():
    from seqapps.finance.params import Params

    tables = {
        "ingest": {},
        "preprocess": SPLIT | {"leaky_windows": False},
        "train": TRAIN | {"compare": ["lstm/full_leaky"]},
        "evaluate": {},
    }
    with pytest.raises(UserError, match="leaky_windows = true"):
        Params.model_validate(tables)


def test_facts_say_how_long_a_request_is(assets):
    assert json.loads((assets / "facts.json").read_text())["window_days"] == WINDOW
