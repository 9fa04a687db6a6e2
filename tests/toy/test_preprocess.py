import json
from types import SimpleNamespace

import pytest

from seqapps.app import Item, Skip
from tests.toy.preprocess import assets, example, index

PARAMS = SimpleNamespace(preprocess=SimpleNamespace(folds=("a",), scale=2.0))


@pytest.fixture
def raw(tmp_path):
    (tmp_path / "runs.json").write_text(
        json.dumps([[1.0, 2.0, 3.0, 0.0]] * 5 + [[1.0] * 3, [9.0] * 4])
    )
    return tmp_path


def test_every_fifth_run_is_held_out_and_short_ones_are_left_out(raw):
    *entries, short, _ = index(PARAMS, raw)
    assert [entry.split for entry in entries] == ["train", "train", "train", "validation", "test"]
    assert short == Skip("too short", "run-5")


def test_a_record_is_the_scaled_run_and_its_mean(raw):
    *_, short, far = index(PARAMS, raw)
    first = next(entry for entry in index(PARAMS, raw) if isinstance(entry, Item))
    record = example(PARAMS, raw, first)
    assert record["steps"].tolist() == [2.0, 4.0, 6.0, 0.0]
    assert (record["length"], record["target"]) == (4, 3.0)
    assert example(PARAMS, raw, far) == Skip("outlier", "run-6")


def test_the_mean_is_fitted_on_the_items_that_are_given(raw, tmp_path):
    items = [entry for entry in index(PARAMS, raw) if isinstance(entry, Item)]
    assets(PARAMS, items[:3], tmp_path)
    assert json.loads((tmp_path / "mean.json").read_text()) == 3.0
