import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

from seqapps.app import Item, Skip
from seqapps.apps.jazz import preprocess, tunes
from seqapps.apps.jazz.frontend import LONGEST
from seqapps.config import UserError
from tests.apps.jazz.conftest import made_up

PARAMS = SimpleNamespace(preprocess=SimpleNamespace(test_groups=1, windows_per_piece=2))


def turned(name, step):
    """A tune of its own: the made-up one with other pitches."""
    score = made_up(name)
    score.parts[0] = [
        (onset, end, 60 + (step * n * n) % 13) for n, (onset, end, _) in enumerate(score.parts[0])
    ]
    return score


@pytest.fixture
def raw(tmp_path):
    scores = [made_up("a"), turned("b", 3), turned("c", 5), made_up("a-again", up=5)]
    lines = [json.dumps(dataclasses.asdict(score)) for score in scores]
    (tmp_path / "scores.jsonl").write_text("\n".join(lines))
    return tmp_path


def test_each_group_is_tested_once_and_the_next_one_chosen_by(raw):
    entries = list(preprocess.index(PARAMS, raw))
    items = [entry for entry in entries if isinstance(entry, Item)]
    told = {(i.fold, i.split): set() for i in items}
    for item in items:
        told[item.fold, item.split].add(item.group)
    assert told == {
        ("a", "test"): {"a"}, ("a", "validation"): {"b"}, ("a", "train"): {"c"},
        ("b", "test"): {"b"}, ("b", "validation"): {"c"}, ("b", "train"): {"a"},
        ("c", "test"): {"c"}, ("c", "validation"): {"a"}, ("c", "train"): {"b"},
    }  # fmt: skip


def test_a_twin_is_learnt_from_with_its_tune_and_never_judged(raw):
    entries = list(preprocess.index(PARAMS, raw))
    assert [e for e in entries if isinstance(e, Skip)] == [
        Skip("another setting of the test tune", "a: a-again")
    ]
    keys = [e.key for e in entries if isinstance(e, Item) and (e.fold, e.split) == ("b", "train")]
    assert keys == ["a#0", "a#1", "a-again#0", "a-again#1"]
    assert sum(isinstance(e, Item) and e.split == "test" for e in entries) == 3


def test_a_fold_must_leave_a_tune_to_learn_from(raw):
    table = SimpleNamespace(preprocess=SimpleNamespace(test_groups=2, windows_per_piece=1))
    with pytest.raises(UserError, match="no tune to learn from"):
        list(preprocess.index(table, raw))


def test_too_few_tunes_are_refused(raw):
    lines = (raw / "scores.jsonl").read_text().splitlines()
    (raw / "scores.jsonl").write_text("\n".join(lines[:2]))
    other = raw / "fewer"
    other.mkdir()
    (other / "scores.jsonl").write_text("\n".join(lines[:2]))
    with pytest.raises(UserError, match="2 different tunes are too few"):
        list(preprocess.index(PARAMS, other))


def test_the_values_known_are_those_of_the_train_tunes(raw, tmp_path):
    items = [Item("a#0", "train", "a", (str(raw), "a")), Item("a#1", "train", "a", (str(raw), "a"))]
    preprocess.assets(PARAMS, items, tmp_path)
    known = json.loads((tmp_path / "values.json").read_text())
    line = tunes.arrange(made_up()).line
    assert known == sorted({(pitch - 36 + 1) * LONGEST + ticks - 1 for pitch, ticks in line})


def test_an_example_is_the_tune_as_it_sounds(raw, tmp_path):
    item = Item("a-again", "test", "a", (str(raw), "a-again"))
    record = preprocess.example(PARAMS, tmp_path, item)
    assert record["pitch"][0] == 77
    assert record["duration"][:2].tolist() == [0.5, 0.5]
    assert set(record["tonic"]) == {5}
    assert record["title"] == "a-again"
    in_c = preprocess.values(tunes.arrange(made_up()).columns())
    np.testing.assert_array_equal(preprocess.values(record), in_c)
