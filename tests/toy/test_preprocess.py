import json
from types import SimpleNamespace

from seqapps.app import Item, Skip
from tests.toy.preprocess import index


def test_every_fifth_run_is_held_out_and_short_ones_are_left_out(tmp_path):
    (tmp_path / "runs.json").write_text(json.dumps([[1.0] * 4] * 5 + [[1.0] * 3]))
    params = SimpleNamespace(preprocess=SimpleNamespace(folds=("a",)))
    entries = list(index(params, tmp_path))
    splits = [entry.split for entry in entries if isinstance(entry, Item)]
    assert splits == ["train", "train", "train", "validation", "test"]
    assert entries[-1] == Skip("too short", "run-5")
