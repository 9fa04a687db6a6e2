"""The leak demonstration."""

from types import SimpleNamespace

import numpy as np

from seqapps.apps.finance import leak, prices
from seqapps.apps.finance.params import Evaluate, Preprocess
from tests.apps.finance.conftest import walk

SPLIT = {
    "test_from": "2013-07-01",
    "test_until": "2014-06-30",
    "test_months": 6,
    "validation_months": 3,
    "train_months": 12,
    "steps": 4,
    "seed": 1,
}


def test_only_the_leaking_mode_finds_the_direction_of_a_random_walk(tmp_path):
    prices.save(walk(2600, start="2004-01-01"), tmp_path / "walk.csv")
    given = SimpleNamespace(
        preprocess=Preprocess(**SPLIT | {"test_from": "2008-01-01", "test_until": "2013-12-31"}),
        evaluate=Evaluate(cost_percent=0.01),
    )
    found = leak.demonstration(tmp_path, given)["walk"]
    assert found["full_leaky"]["low"] > 0.6
    for mode in ("none", "causal"):
        assert found[mode]["low"] < 0.5 < found[mode]["high"]
    assert found["full_leaky"]["return_per_year"] > 0.4


def test_only_the_leaking_mode_shows_a_past_day_otherwise_when_later_closes_change():
    logs = np.log(walk(400)["close"].to_numpy())
    train, later = np.arange(300), logs + np.where(np.arange(400) > 349, 0.1, 0.0)
    for mode in leak.MODES:
        seen, moved = (leak.denoised(values, mode, train=train)[:350] for values in (logs, later))
        assert (seen == moved).all() == (mode != "full_leaky"), mode
