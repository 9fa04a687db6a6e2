import json

import numpy as np
import pytest
import tensorflow as tf

from seqapps import config
from seqapps.app import Feature, Item
from seqapps.artifacts import layout
from seqapps.pipeline import records
from tests.toy import APP


@pytest.fixture
def params(project):
    return config.upto(config.load(APP, "smoke", root=project), "preprocess")


def items(count):
    rng = np.random.default_rng(0)
    for number in range(count):
        run = rng.normal(size=3 + number % 9).tolist()
        yield Item(f"run-{number}", "train", f"run-{number}", (run,), "a")


def written(params, folder, count, *, workers=1):
    (folder / "assets").mkdir(parents=True)
    skips = []
    records.write(APP, params, items(count), {"a": folder}, workers=workers, on_skip=skips.append)
    return skips


def plain(record, seed):
    return {name: record[name] for name in ("steps", "length", "target")}


def test_what_is_written_is_read_back(params, tmp_path):
    written(params, tmp_path / "r", 5)
    rows = list(records.read(APP, tmp_path / "r", "train"))
    originals = list(items(5))
    assert [row["key"].decode() for row in rows] == [item.key for item in originals]
    for row, item in zip(rows, originals, strict=True):
        np.testing.assert_array_equal(row["steps"], np.array(item.where[0], np.float32))
        assert row["length"] == len(item.where[0])


def test_arrays_of_any_rank_keep_their_shape(params, tmp_path, monkeypatch):
    features = APP.features | {"map": Feature("float32", (None, 2)), "image": Feature("string")}
    app = type("App", (), {"features": features})
    values = {"map": np.arange(6).reshape(3, 2), "image": b"\xff\xd8", "length": 3}
    record = values | {"steps": np.zeros(3), "target": 0.0}
    parsed = records.parse(app, records.serialize(app, record, Item("k", "train", "g")))
    assert parsed["map"].shape == (3, 2)
    assert parsed["image"].numpy() == b"\xff\xd8"


def test_a_record_with_other_names_than_the_features_is_refused():
    with pytest.raises(ValueError, match=r"example\(\) gave \['steps'\], features are"):
        records.serialize(APP, {"steps": [1.0]}, Item("k", "train", "g"))


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_the_number_of_workers(params, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "ITEMS_PER_SHARD", 16)
    for workers in (1, 3):
        written(params, tmp_path / str(workers), 100, workers=workers)
    one, three = (sorted((tmp_path / w).glob("*.gz")) for w in ("1", "3"))
    assert [path.name for path in one] == [path.name for path in three]
    assert len(one) == 7
    for a, b in zip(one, three, strict=True):
        assert a.read_bytes() == b.read_bytes()


def test_refused_examples_are_reported_and_not_written(params, tmp_path):
    outlier = Item("bad", "train", "bad", ([9.0, 1.0],), "a")
    (tmp_path / "assets").mkdir()
    skips = []
    counts = records.write(
        APP, params, [*items(2), outlier], {"a": tmp_path}, workers=1, on_skip=skips.append
    )
    assert counts["a", "train"] == 2
    assert [(skip.reason, skip.key) for skip in skips] == [("outlier", "bad")]


def test_buckets_pad_to_their_edge_and_leave_out_longer_examples(params, tmp_path):
    written(params, tmp_path, 60)
    files = layout.shards(tmp_path, "train")
    batches = list(records.batches(APP, files, plain, batch_size=4, bucket_edges=(6, 10)))
    assert {batch["steps"].shape[1] for batch in batches} == {6, 10}
    found = np.sort(np.concatenate([batch["length"] for batch in batches]))
    expected = np.sort([n for n in records.lengths(APP, files, plain) if n <= 10])
    np.testing.assert_array_equal(found, expected)
    longest = next(b for b in batches if b["steps"].shape[1] == 10)
    assert (longest["steps"].numpy()[0, longest["length"][0] :] == 0).all()


def test_only_what_buckets_go_by_is_padded_to_an_edge(params, tmp_path):
    written(params, tmp_path, 60)

    def fed(record, seed):
        return plain(record, seed) | {"marks": tf.ones([record["length"] // 2])}

    files = layout.shards(tmp_path, "train")
    for batch in records.batches(APP, files, fed, batch_size=4, bucket_edges=(6, 10)):
        assert batch["marks"].shape[1] == batch["length"].numpy().max() // 2


def order(files, epoch):
    batches = records.batches(APP, files, plain, batch_size=1, seed=(1, epoch))
    return np.concatenate([batch["target"] for batch in batches])


def test_the_order_depends_on_seed_and_epoch_only(params, tmp_path):
    written(params, tmp_path, 60)
    files = layout.shards(tmp_path, "train")
    np.testing.assert_array_equal(order(files, 0), order(files, 0))
    assert not np.array_equal(order(files, 0), order(files, 1))
    np.testing.assert_array_equal(np.sort(order(files, 0)), np.sort(order(files, 1)))


def test_without_a_seed_order_and_last_batch_are_kept(params, tmp_path):
    written(params, tmp_path, 10)
    files = layout.shards(tmp_path, "train")
    batches = list(records.batches(APP, files, plain, batch_size=4))
    assert [len(batch["target"]) for batch in batches] == [4, 4, 2]
    targets = [row["target"] for row in records.read(APP, tmp_path, "train")]
    np.testing.assert_array_equal(np.concatenate([b["target"] for b in batches]), targets)


def test_columns_are_stacked_or_ragged(params, tmp_path):
    written(params, tmp_path, 4)
    (tmp_path / "train-00000.tfrecord.gz").rename(tmp_path / "test-00000.tfrecord.gz")
    table = records.table(APP, {"a": tmp_path}, "test")
    assert table["target"].dtype == np.float32
    assert [len(steps) for steps in table["steps"]] == [3, 4, 5, 6]
    assert list(table["fold"]) == ["a"] * 4
    assert json.dumps(list(table["key"]))
