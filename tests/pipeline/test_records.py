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


def run(number):
    return np.random.default_rng(number).normal(size=3 + number % 9).clip(-3, 3).tolist()


def items(count, raw):
    (raw / "runs.json").write_text(json.dumps([run(number) for number in range(count)]))
    for number in range(count):
        yield Item(f"run-{number}", "train", f"run-{number}", (str(raw), number), "a")


def written(params, folder, count, *, workers=1):
    (folder / "assets").mkdir(parents=True)
    skips = []
    records.write(
        APP, params, items(count, folder), {"a": folder}, workers=workers, on_skip=skips.append
    )
    return skips


def plain(batch, seed):
    return {name: batch[name] for name in ("steps", "length", "target")}


def test_what_is_written_is_read_back(params, tmp_path):
    written(params, tmp_path / "r", 5)
    rows = list(records.read(APP, tmp_path / "r", "train"))
    assert [row["key"].decode() for row in rows] == [f"run-{number}" for number in range(5)]
    for number, row in enumerate(rows):
        np.testing.assert_array_equal(row["steps"], np.array(run(number), np.float32))
        assert row["length"] == len(run(number))


def test_arrays_of_any_rank_keep_their_shape(params, tmp_path, monkeypatch):
    features = APP.features | {"map": Feature("float32", (None, 2)), "image": Feature("string")}
    app = type("App", (), {"features": features})
    values = {"map": np.arange(6).reshape(3, 2), "image": b"\xff\xd8", "length": 3}
    record = values | {"steps": np.zeros(3), "target": 0.0}
    whole = records.serialize(app, record, Item("k", "train", "g"))
    parsed = records.parse(app, whole)
    assert parsed["map"].shape == (3, 2)
    assert parsed["image"].numpy() == b"\xff\xd8"
    none = record | {"map": np.zeros((0, 2))}
    empty = records.serialize(app, none, Item("k", "train", "g"))
    both = records.parse_batch(app, tf.constant([whole, empty]))
    assert both["map"].numpy().tolist() == [[[0, 1], [2, 3], [4, 5]], [[0, 0]] * 3]
    assert records.parse_batch(app, tf.constant([empty]))["map"].shape == (1, 0, 2)


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
    good = list(items(2, tmp_path))
    (tmp_path / "far").mkdir()
    (tmp_path / "far/runs.json").write_text("[[9.0, 1.0]]")
    outlier = Item("bad", "train", "bad", (str(tmp_path / "far"), 0), "a")
    (tmp_path / "assets").mkdir()
    skips = []
    counts = records.write(
        APP, params, [*good, outlier], {"a": tmp_path}, workers=1, on_skip=skips.append
    )
    assert counts["a", "train"] == 2
    assert [(skip.reason, skip.key) for skip in skips] == [("outlier", "bad")]


def test_examples_of_like_length_share_a_batch_and_longer_ones_are_left_out(params, tmp_path):
    written(params, tmp_path, 60)
    files = layout.shards(tmp_path, "train")
    batches = list(records.batches(APP, files, plain, batch_size=4, bucket_edges=(6, 10)))
    lengths = [batch["length"].numpy() for batch in batches]
    assert all((some <= 6).all() or (some > 6).all() for some in lengths)
    expected = np.sort([n for n in records.lengths(APP, files) if n <= 10])
    np.testing.assert_array_equal(np.sort(np.concatenate(lengths)), expected)
    for batch, some in zip(batches, lengths, strict=True):
        assert batch["steps"].shape == (len(some), some.max())
        assert (batch["steps"].numpy()[0, some[0] :] == 0).all()


def order(files, epoch, parsed=None, batch_size=1):
    options = {"batch_size": batch_size, "seed": (1, epoch), "parsed": parsed}
    batches = records.batches(APP, files, plain, **options)
    return np.concatenate([batch["target"] for batch in batches])


@pytest.mark.parametrize("memory", [False, True])
def test_the_order_depends_on_seed_and_epoch_only(params, tmp_path, memory):
    written(params, tmp_path, 60)
    files = layout.shards(tmp_path, "train")
    parsed = records.in_memory(APP, files) if memory else None
    first = order(files, 0, parsed)
    np.testing.assert_array_equal(first, order(files, 0, parsed))
    assert not np.array_equal(first, order(files, 1, parsed))
    np.testing.assert_array_equal(np.sort(first), np.sort(order(files, 1, parsed)))
    assert len(order(files, 0, parsed, batch_size=16)) == 48


def test_each_batch_has_a_seed_of_its_own_which_its_epoch_decides(params, tmp_path):
    written(params, tmp_path, 12)
    files = layout.shards(tmp_path, "train")

    def seeds(epoch):
        drawn = records.batches(
            APP, files, lambda batch, seed: {"seed": seed[None]}, batch_size=4, seed=(1, epoch)
        )
        return [tuple(batch["seed"].numpy()[0]) for batch in drawn]

    assert len(set(seeds(0) + seeds(1))) == 6
    assert seeds(0) == seeds(0)


def test_large_files_are_not_kept_in_memory(params, tmp_path, monkeypatch):
    written(params, tmp_path, 3)
    monkeypatch.setattr(records, "IN_MEMORY_BYTES", 10)
    assert records.in_memory(APP, layout.shards(tmp_path, "train")) is None


@pytest.mark.parametrize("memory", [False, True])
def test_without_a_seed_order_and_last_batch_are_kept(params, tmp_path, memory):
    written(params, tmp_path, 10)
    files = layout.shards(tmp_path, "train")
    parsed = records.in_memory(APP, files) if memory else None
    batches = list(records.batches(APP, files, plain, batch_size=4, parsed=parsed))
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
