"""What reaches MLflow, and what happens when it cannot be reached."""

import json
import os
import subprocess
import sys

import pytest

from seqapps import champion, stages, tracking
from seqapps import store as mlflow_store
from seqapps.app import STAGES
from tests.toy import APP

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]


@pytest.fixture
def store(project, monkeypatch):
    """A tracking store of the test's own, and the environment put back afterwards."""
    for name in set(mlflow_store.environment(project)) - set(os.environ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project}/mlruns/mlflow.db")
    monkeypatch.setenv(tracking.PIPELINE, "one-call")
    (project / "mlruns").mkdir()
    yield project
    mlflow_store.mlflow(project).end_run()


def run_all(project, *overrides):
    for stage in STAGES:
        stages.run(APP, stage, "smoke", overrides=list(overrides), root=project)


def runs(project):
    mlflow = mlflow_store.mlflow(project)
    experiment = mlflow.get_experiment_by_name("toy")
    found = mlflow.search_runs([experiment.experiment_id], output_format="list")
    return {run.info.run_name: run for run in found}, mlflow.MlflowClient()


def test_one_call_of_make_is_one_run_with_a_child_per_stage(store):
    run_all(store, "train.epochs=2")
    found, client = runs(store)
    parent = found.pop("toy-smoke-one-call")
    assert found.keys() == set(STAGES)
    for child in found.values():
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert child.info.status == "FINISHED"
    report = json.loads((store / "data/toy/smoke/evaluate/metrics.json").read_text())
    assert parent.data.metrics["mse"] == report["model"]["mse"]
    assert parent.data.metrics["baselines.constant.mse"] == report["baselines"]["constant"]["mse"]
    assert parent.data.metrics["mse.low95"] == report["headline"]["interval95"][0]
    assert parent.data.params["train.units"] == "8"
    assert found["train"].data.params["train.epochs"] == "2"
    assert parent.inputs.dataset_inputs[0].dataset.name == "toy-smoke"
    note = parent.data.tags["mlflow.note.content"]
    assert note.startswith("**mse ") and "Baselines: constant " in note.splitlines()[0]
    assert "Mean of a run of numbers" in note
    steps = client.get_metric_history(found["train"].info.run_id, "val_loss")
    assert [metric.step for metric in steps] == [1, 2]
    figures = [f.path for f in client.list_artifacts(parent.info.run_id, "figures")]
    assert figures == ["figures/learning_curves.png"]
    assert (store / "mlruns/artifacts").is_dir()
    [version] = client.search_model_versions("name = 'toy'")
    assert version.tags["seqapps.version"] == "1" and version.run_id == found["export"].info.run_id
    assert [f"models:/{one.model_id}" for one in parent.outputs.model_outputs] == [version.source]


def test_samples_are_artifacts_of_the_run(store, monkeypatch):
    from tests.toy import evaluate

    def samples(evaluation, findings, out):
        (out / "one.txt").write_text("1")

    monkeypatch.setattr(evaluate, "samples", samples, raising=False)
    run_all(store, "train.epochs=2")
    found, client = runs(store)
    parent = found["toy-smoke-one-call"].info.run_id
    assert [f.path for f in client.list_artifacts(parent, "samples")] == ["samples/one.txt"]


def test_a_fresh_stage_starts_no_run(store, monkeypatch):
    stages.run(APP, "ingest", "smoke", root=store)
    monkeypatch.setenv(tracking.PIPELINE, "second-call")
    stages.run(APP, "ingest", "smoke", root=store)
    assert "toy-smoke-second-call" not in runs(store)[0]


def test_when_the_server_is_down_work_goes_on_and_is_logged_later(store, monkeypatch, capsys):
    own = os.environ["MLFLOW_TRACKING_URI"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    for stage in ("ingest", "preprocess", "train"):
        stages.run(APP, stage, "smoke", overrides=["train.epochs=2"], root=store)
    said = capsys.readouterr().out
    assert "toy train: not logged to MLflow" in said
    assert (store / "data/toy/smoke/train/done.json").exists()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", own)
    for stage in ("ingest", "preprocess", "train"):
        stages.run(APP, stage, "smoke", overrides=["train.epochs=2"], root=store)
    assert "toy train: fresh" in capsys.readouterr().out
    found, client = runs(store)
    steps = client.get_metric_history(found["train"].info.run_id, "loss")
    assert [metric.step for metric in steps] == [1, 2]


def test_the_users_tracking_uri_wins(project, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example:5000")
    assert mlflow_store.uri(project) == "http://tracking.example:5000"
    assert mlflow_store.environment(project)["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_a_stage_that_fails_ends_its_run_as_failed(store, monkeypatch):
    from tests.toy import ingest

    def broken(params, out):
        raise RuntimeError("no")

    monkeypatch.setattr(ingest, "ingest", broken)
    with pytest.raises(RuntimeError):
        stages.run(APP, "ingest", "smoke", root=store)
    assert {run.info.status for run in runs(store)[0].values()} == {"FAILED"}


def test_a_run_that_could_not_be_logged_whole_is_not_left_running(store, monkeypatch, capsys):
    def broken(*_):
        raise ValueError("name refused")

    monkeypatch.setitem(tracking.LOG, "ingest", broken)
    stages.run(APP, "ingest", "smoke", root=store)
    assert "not logged to MLflow (ValueError: name refused)" in capsys.readouterr().out
    assert {run.info.status for run in runs(store)[0].values()} == {"FAILED"}


LOADED = """
import json, sys, mlflow
rows = mlflow.pyfunc.load_model("models:/toy@champion-smoke").predict(json.load(sys.stdin))
print(json.dumps([float(row["mean"] if isinstance(row, dict) else row) for row in rows]))
"""


def test_the_registered_model_answers_as_the_export_and_the_alias_follows_the_champion(
    store, monkeypatch, capsys, tmp_path_factory
):
    run_all(store, "train.epochs=2")
    stages.run(APP, "export", "smoke", overrides=["train.epochs=2"], force=True, root=store)
    exported = store / "data/toy/smoke/export"
    mlflow = mlflow_store.mlflow(store)
    client = mlflow.MlflowClient()

    def alias():
        found = client.get_model_version_by_alias("toy", "champion-smoke")
        return found.tags["seqapps.version"]

    assert alias() == "2"  # as good as the first, and newer
    champion.promote(APP, exported, 1, force=True)
    own = os.environ["MLFLOW_TRACKING_URI"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    tracking.mirror(APP, "smoke", exported, store)
    assert "not told to MLflow" in capsys.readouterr().out
    monkeypatch.setenv("MLFLOW_TRACKING_URI", own)
    stages.run(APP, "export", "smoke", overrides=["train.epochs=2"], root=store)
    assert alias() == "1"
    asked = json.loads((exported / "example_request.json").read_text())["instances"]
    wanted = json.loads((exported / "example_response.json").read_text())["predictions"]
    # In a process and a folder that know nothing of this project.
    done = subprocess.run(
        [sys.executable, "-c", LOADED],
        input=json.dumps(asked),
        cwd=tmp_path_factory.mktemp("elsewhere"),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == pytest.approx(wanted)
