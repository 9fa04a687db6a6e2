"""A key swept over values and seeds: what is shared, what is left alone, what the table says."""

import json

import pytest

from seqapps import config
from seqapps.config import UserError
from seqapps.experiments import sweep
from tests.toy import APP


@pytest.fixture
def silent(monkeypatch):
    """Runs that log nowhere; a list of the children they got."""
    children = []

    class Nowhere:
        def __init__(self, *_, **__):
            pass

        def child(self, name, digest, **what):
            children.append((name, what))

        def close(self, *_):
            pass

    monkeypatch.setattr(sweep, "SweepRun", Nowhere)
    return children


def planned(root, key="train.units", values="4,8", seeds="1,2", words=("train.epochs=1",)):
    return sweep.plan(
        APP, profile="smoke", key=key, values=values, seeds=seeds, words=list(words), root=root
    )


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"key": "export.gate"}, "KEY=export.gate: a sweep changes table.key of one of ingest"),
        ({"key": "train.unit"}, "did you mean 'train.units'?"),
        ({"values": "4,none"}, "train.units = 'none'"),
        ({"seeds": "1,two"}, "SEEDS: 'two' is not a whole number"),
        ({"key": "train.seed"}, "without SEEDS"),
        ({"values": ","}, "VALUES"),
    ],
)
def test_a_sweep_that_cannot_run_is_refused_before_any_training(project, more, expected):
    with pytest.raises(UserError, match=expected.replace("?", r"\?")):
        planned(project, **more)
    assert not (project / "data").exists()


def test_values_may_be_numbers_words_or_lists(project):
    assert planned(project, values="4,8,4").values == ("4", "8")
    assert planned(project, "train.schedule", "cosine,constant").values == ("cosine", "constant")
    lists = planned(project, "train.bucket_edges", "[8, 12],[12]")
    assert lists.values == ("[8, 12]", "[12]")
    _, _, variant = lists.members()[0]
    assert " " not in variant and "/" not in variant
    params = config.load(APP, variant, root=project)
    assert (params.train.bucket_edges, params.train.seed, params.train.epochs) == ((8, 12), 1, 1)


@pytest.mark.slow
def test_a_sweep_leaves_the_profile_alone_and_goes_on_where_it_stopped(
    ran, silent, monkeypatch, capsys
):
    before = {p: p.stat().st_mtime_ns for p in (ran / "data/toy/smoke").rglob("*")}
    original, calls = sweep.stages.run, []

    def stopped(app, stage, *words, **more):
        calls.append(stage)
        if len(calls) == 7:  # the second member's training
            raise KeyboardInterrupt
        return original(app, stage, *words, **more)

    monkeypatch.setattr(sweep.stages, "run", stopped)
    with pytest.raises(KeyboardInterrupt):
        sweep.run(planned(ran))
    capsys.readouterr()
    monkeypatch.setattr(sweep.stages, "run", original)
    text = sweep.run(planned(ran))
    said = capsys.readouterr().out
    assert said.count("toy train: stale: not made yet") == 3
    assert "toy preprocess: stale" not in said
    assert text.startswith("| train.units | mse (95 %)")
    after = {p: p.stat().st_mtime_ns for p in (ran / "data/toy/smoke").rglob("*")}
    assert {p: t for p, t in after.items() if p in before and p.is_file()} == {
        p: t for p, t in before.items() if p.is_file()
    }
    folder = ran / "data/toy/smoke@train.epochs=1/sweep/train.units"
    table = json.loads((folder / "table.json").read_text())
    assert [(m["value"], m["seed"]) for m in table["members"]] == [
        ("4", 1), ("4", 2), ("8", 1), ("8", 2),
    ]  # fmt: skip
    assert table["rows"]["4"]["weights"] < table["rows"]["8"]["weights"]
    assert (folder / "figure.png").stat().st_size > 5000
    assert len({name for name, _ in silent}) == 4
    sweep.run(planned(ran))
    assert "stale" not in capsys.readouterr().out


@pytest.mark.slow
def test_a_member_that_fails_is_a_row_and_the_others_go_on(ran, silent, capsys):
    text = sweep.run(planned(ran, "train.monitor", "val_loss,val_los", seeds=""))
    assert "| **val_loss** |" in text and "| val_los | failed |" in text
    assert "train.monitor = 'val_los' is not reported" in text
    assert len(silent) == 1


@pytest.mark.slow
def test_a_preprocess_key_makes_records_once_for_all_seeds(ran, silent, capsys):
    sweep.run(planned(ran, "preprocess.scale", "1.0,2.0"))
    said = capsys.readouterr().out
    assert said.count("toy preprocess: stale: not made yet") == 2
    assert said.count("toy train: stale: not made yet") == 4
    assert "toy ingest: stale" not in said
