"""Runs side by side out of MLflow; a sweep's runs in MLflow."""

import os

import pytest

from seqapps import compare
from seqapps import store as mlflow_store
from seqapps.app import UserError
from seqapps.family import Family
from tests.toy import APP

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory):
    """A tracking store without runs; its tables take seconds to make, so they are made once."""
    root = tmp_path_factory.mktemp("store")
    before = dict(os.environ)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    (root / "mlruns").mkdir()
    mlflow_store.client(root, APP)
    yield root
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def store(empty_store):
    """The store, emptied."""
    client, experiment = mlflow_store.client(empty_store, APP)
    for run in client.search_runs([experiment]):
        client.delete_run(run.info.run_id)
    return empty_store


def judged(store, name, mse, *, level="pipeline", **params):
    client, experiment = mlflow_store.client(store, APP)
    tags = {"seqapps.level": level, "seqapps.profile": "smoke"}
    tags["mlflow.source.git.commit"] = "0123456789abcdef"
    run_id = client.create_run(experiment, run_name=name, tags=tags).info.run_id
    values = {"mse": mse, "mse.low95": mse - 1, "mse.high95": mse + 1}
    for metric, value in (values | {"baselines.constant.mse": 9.0, "loss": 1.0}).items():
        client.log_metric(run_id, metric, value)
    for key, value in params.items():
        client.log_param(run_id, f"train.{key}", value)


def test_only_what_differs_is_shown_beside_the_headline_and_its_rivals(store):
    judged(store, "toy-smoke-1", 3.0, units=8, epochs=4)
    judged(store, "toy-smoke-2", 2.5, units=16, epochs=4)
    assert compare.table(APP, [], root=store).splitlines() == [
        "|  | toy-smoke-1 | toy-smoke-2 |",
        "|---|---|---|",
        "| **mse** | **3.000** | **2.500** |",
        "| 95 % | 2.000..4.000 | 1.500..3.500 |",
        "| baseline constant | 9.000 | 9.000 |",
        "| train.units | 8 | 16 |",
    ]


def test_without_names_the_last_pipelines_and_with_names_any_judged_run(store):
    for number in range(7):
        judged(store, f"toy-smoke-{number}", 3.0)
    judged(store, "smoke@train.units=4", 3.0, level="member")
    heads = compare.table(APP, [], root=store).splitlines()[0]
    assert heads == "|  | " + " | ".join(f"toy-smoke-{n}" for n in range(2, 7)) + " |"
    named = compare.table(APP, ["units=4", "smoke-0"], root=store).splitlines()[0]
    assert named == "|  | toy-smoke-0 | smoke@train.units=4 |"


def test_nothing_to_compare_and_unknown_names_are_said(store):
    with pytest.raises(UserError, match="nothing to compare 0 run with; make toy SET="):
        compare.table(APP, [], root=store)
    judged(store, "toy-smoke-1", 3.0)
    with pytest.raises(UserError, match="no judged run is called 'smoke-9'; did you mean"):
        compare.table(APP, ["toy-smoke-1", "toy-smoke-9"[4:]], root=store)


def family_of(store, digest="plan"):
    return Family(APP, "smoke", "sweep train.units smoke", digest, {"key": "train.units"}, store)


def child(family, digest, loss):
    family.child(
        "smoke@train.units=4",
        digest,
        params={"train.units": 4},
        metrics={"mse": 2.0, "mse.low95": 1.0, "mse.high95": 3.0},
        curves=[{"epoch": 1, "loss": 3.0}, {"epoch": 2, "loss": loss}],
        files=[],
    )


def test_a_sweep_is_a_parent_run_with_its_table_and_a_child_per_member(store, tmp_path):
    (tmp_path / "table.md").write_text("| a |")
    family = family_of(store)
    child(family, "first", 2.0)
    family.close("FINISHED", {"4.mean": 2.0}, [tmp_path / "table.md"])
    client, experiment = mlflow_store.client(store, APP)
    member, parent = client.search_runs([experiment])
    assert member.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert (member.data.params["train.units"], member.data.metrics["mse"]) == ("4", 2.0)
    steps = client.get_metric_history(member.info.run_id, "loss")
    assert [(metric.step, metric.value) for metric in steps] == [(1, 3.0), (2, 2.0)]
    assert parent.data.tags["mlflow.note.content"] == "| a |"
    assert [f.path for f in client.list_artifacts(parent.info.run_id)] == ["table.md"]
    assert {run.info.status for run in (member, parent)} == {"FINISHED"}


def test_a_member_is_compared_with_the_runs_of_its_profile(store):
    judged(store, "toy-smoke-1", 3.0)
    family = family_of(store)
    child(family, "first", 2.0)
    table = compare.table(APP, ["toy-smoke-1", "smoke@train.units=4"], profile="smoke", root=store)
    assert "smoke@train.units=4" in table.splitlines()[0]


def test_a_sweep_that_goes_on_logs_nothing_twice_and_replaces_what_was_made_anew(store):
    for digest, loss in (("first", 2.0), ("first", 2.0), ("second", 1.0)):
        family = family_of(store)
        child(family, digest, loss)
        family.close("KILLED", {}, [])
    client, experiment = mlflow_store.client(store, APP)
    member, parent = client.search_runs([experiment])
    assert member.data.metrics["loss"] == 1.0
    assert (parent.info.status, parent.data.params["key"]) == ("KILLED", "train.units")
    family_of(store, digest="another plan")
    assert len(client.search_runs([experiment])) == 3


def test_a_dead_server_costs_a_sentence(store, monkeypatch, capsys):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    family = family_of(store)
    child(family, "first", 2.0)
    family.close("FINISHED", {}, [])
    assert "toy: not logged to MLflow (" in capsys.readouterr().out
