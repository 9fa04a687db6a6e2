from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from seqapps.app import Item, Skip
from seqapps.apps.finance import preprocess, prices, protocol
from seqapps.apps.finance.params import Preprocess
from seqapps.config import UserError
from tests.apps.finance.conftest import walk

SPLIT = {
    "test_from": "2013-01-01",
    "test_until": "2013-03-31",
    "test_months": 3,
    "validation_months": 3,
    "train_months": 3,
    "steps": 4,
    "seed": 1,
}


def params(**table):
    return SimpleNamespace(preprocess=Preprocess(**SPLIT | table))


@pytest.fixture
def raw(tmp_path):
    preprocess.load.cache_clear()
    prices.save(walk(400), tmp_path / "a.csv")
    prices.save(walk(400, seed=2), tmp_path / "b.csv")
    return tmp_path


def entries(raw, **table):
    found = list(preprocess.index(params(**table), raw))
    return [e for e in found if isinstance(e, Item)], [e for e in found if isinstance(e, Skip)]


def test_each_day_of_a_block_is_an_item_of_each_symbol(raw):
    items, _ = entries(raw)
    test = [item for item in items if item.split == "test"]
    days = len(pd.bdate_range("2013-01-01", "2013-03-31"))
    assert len(test) == 2 * days
    assert {item.fold for item in items} == {"2013-01"}


def test_no_month_lies_on_two_sides(raw):
    items, skips = entries(raw)
    groups = {split: {i.group for i in items if i.split == split} for split in protocol.SPLITS}
    assert not groups["train"] & groups["validation"]
    assert not groups["validation"] & groups["test"]
    assert sum("purged" in skip.reason for skip in skips) == 2


def test_a_symbol_that_is_too_young_to_be_learnt_is_not_judged(raw):
    young = walk(400).loc["2012-10-01":]
    prices.save(young, raw / "b.csv")
    items, skips = entries(raw)
    assert {i.key.split()[0] for i in items if i.split == "test"} == {"a"}
    assert sum(skip.reason == "no train windows of the symbol in the fold" for skip in skips) > 50


def test_stride_thins_the_train_windows_only(raw):
    all_items, _ = entries(raw)
    thin, _ = entries(raw, train_stride_days=3)
    count = {s: [sum(i.split == s for i in x) for x in (all_items, thin)] for s in protocol.SPLITS}
    assert count["train"][1] == pytest.approx(count["train"][0] / 3, abs=2)
    assert count["test"][0] == count["test"][1]


def test_a_record_is_the_raw_window_and_the_row_after_it(raw):
    items, _ = entries(raw)
    record = preprocess.example(params(), raw, items[0])
    table = prices.load(raw / "a.csv")
    end = table.index.get_loc(record["date"])
    window = table.iloc[end - 67 : end + 1].to_numpy(np.float32)
    assert (record["window"] == window).all()
    assert (record["next"] == table.iloc[end + 1].to_numpy(np.float32)).all()
    assert record["target_date"] > record["date"]
    assert record["leaky"].shape == (0, 5)


def test_a_window_across_a_gap_is_left_out(raw):
    table = walk(400)
    prices.save(table.drop(table.index[200:212]), raw / "a.csv")
    items, _ = entries(raw)
    found = [preprocess.example(params(), raw, i) for i in items if i.key.startswith("a")]
    assert any(isinstance(f, Skip) and "no row in the" in f.reason for f in found)


def test_a_forecast_day_without_a_range_is_left_out(raw):
    table = walk(400)
    table.loc["2013-02-05", prices.OHLC] = 100.0
    prices.save(table, raw / "a.csv")
    items, _ = entries(raw)
    [item] = [i for i in items if i.key == "a 2013-02-04"]
    assert "High equals Low" in preprocess.example(params(), raw, item).reason


def test_closes_alone_are_not_enough(tmp_path):
    prices.save(walk(400)[["close"]], tmp_path / "wti.csv")
    with pytest.raises(UserError, match="closes are not enough"):
        list(preprocess.index(params(), tmp_path))
