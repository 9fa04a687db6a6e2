"""Sweeps in MLflow: a parent run, a child per member."""

import pytest

from seqapps.experiments import mlflow_store
from tests.experiments.test_compare import child, family_of
from tests.toy import APP

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]


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
