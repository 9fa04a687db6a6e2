"""What reaches MLflow, and what happens when it cannot be reached."""

import json
import os
import shutil

import pytest

from seqapps.artifacts import layout
from seqapps.config import STAGES
from seqapps.experiments import mlflow_store, stage_run
from seqapps.pipeline import stages
from tests.toy import APP

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]


def run_stage(project, stage, **options):
    tracker = stage_run.StageRun(APP, profile="smoke", stage=stage, root=project)
    return stages.run(APP, stage, profile="smoke", tracker=tracker, root=project, **options)


def run_all(project, *overrides):
    for stage in STAGES:
        run_stage(project, stage, overrides=overrides)


def runs(project):
    mlflow = mlflow_store.mlflow(project)
    experiment = mlflow.get_experiment_by_name("toy")
    named = mlflow.search_runs([experiment.experiment_id], output_format="list")
    return {run.info.run_name: run for run in named}, mlflow.MlflowClient()


def test_one_call_of_make_is_one_run_with_a_child_per_stage(project_store):
    run_all(project_store, "train.epochs=2")
    named, client = runs(project_store)
    parent = named.pop("toy-smoke-one-call")
    assert named.keys() == set(STAGES)
    for child in named.values():
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert child.info.status == "FINISHED"
    report = json.loads((project_store / "data/toy/smoke/evaluate/metrics.json").read_text())
    assert parent.data.metrics["mse"] == report["model"]["mse"]
    assert parent.data.metrics["baselines.constant.mse"] == report["baselines"]["constant"]["mse"]
    assert parent.data.metrics["mse.low95"] == report["headline"]["interval95"][0]
    assert parent.data.params["train.units"] == "8"
    assert named["train"].data.params["train.epochs"] == "2"
    assert parent.inputs.dataset_inputs[0].dataset.name == "toy-smoke"
    note = parent.data.tags["mlflow.note.content"]
    assert note.startswith("**mse ") and "Baselines: constant " in note.splitlines()[0]
    assert "Mean of a run of numbers" in note
    steps = client.get_metric_history(named["train"].info.run_id, "val_loss")
    assert [metric.step for metric in steps] == [1, 2]
    figures = [f.path for f in client.list_artifacts(parent.info.run_id, "figures")]
    assert figures == ["figures/learning_curves.png", "figures/scatter.png"]
    assert (project_store / "mlruns/artifacts").is_dir()
    [version] = client.search_model_versions("name = 'toy'")
    assert version.tags["seqapps.version"] == "1" and version.run_id == named["export"].info.run_id
    assert [f"models:/{one.model_id}" for one in parent.outputs.model_outputs] == [version.source]


def test_samples_are_artifacts_of_the_run(project_store, monkeypatch):
    from tests.toy import evaluate

    def samples(evaluation, findings, out):
        (out / "one.txt").write_text("1")

    monkeypatch.setattr(evaluate, "samples", samples, raising=False)
    run_all(project_store, "train.epochs=2")
    named, client = runs(project_store)
    parent = named["toy-smoke-one-call"].info.run_id
    assert [f.path for f in client.list_artifacts(parent, "samples")] == ["samples/one.txt"]


def test_a_fresh_stage_starts_no_run(project_store, monkeypatch):
    run_stage(project_store, "ingest")
    monkeypatch.setenv(stage_run.PIPELINE, "second-call")
    run_stage(project_store, "ingest")
    assert "toy-smoke-second-call" not in runs(project_store)[0]


def test_when_the_server_is_down_work_goes_on_and_is_logged_later(
    project_store, monkeypatch, capsys
):
    own = os.environ["MLFLOW_TRACKING_URI"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    for stage in ("ingest", "preprocess", "train"):
        run_stage(project_store, stage, overrides=["train.epochs=2"])
    said = capsys.readouterr().out
    assert "toy train: not logged to MLflow" in said
    assert (project_store / "data/toy/smoke/train/done.json").exists()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", own)
    for stage in ("ingest", "preprocess", "train"):
        run_stage(project_store, stage, overrides=["train.epochs=2"])
    assert "toy train: fresh" in capsys.readouterr().out
    named, client = runs(project_store)
    steps = client.get_metric_history(named["train"].info.run_id, "loss")
    assert [metric.step for metric in steps] == [1, 2]


def test_the_users_tracking_uri_wins(project, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example:5000")
    assert mlflow_store.uri(project) == "http://tracking.example:5000"
    assert mlflow_store.environment(project)["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_a_stage_that_fails_ends_its_run_as_failed(project_store, monkeypatch):
    from tests.toy import ingest

    def broken(params, out):
        raise RuntimeError("no")

    monkeypatch.setattr(ingest, "ingest", broken)
    with pytest.raises(RuntimeError):
        run_stage(project_store, "ingest")
    assert {run.info.status for run in runs(project_store)[0].values()} == {"FAILED"}


def test_a_run_that_could_not_be_logged_whole_is_not_left_running(
    project_store, monkeypatch, capsys
):
    def broken(*_):
        raise ValueError("name refused")

    monkeypatch.setitem(stage_run.LOG, "ingest", broken)
    run_stage(project_store, "ingest")
    assert "not logged to MLflow (ValueError: name refused)" in capsys.readouterr().out
    assert {run.info.status for run in runs(project_store)[0].values()} == {"FAILED"}


def test_a_lost_database_is_filled_anew_from_the_files(project_store, ready_database, monkeypatch):
    run_stage(project_store, "ingest")
    monkeypatch.setenv(stage_run.PIPELINE, "second-call")
    shutil.copy(ready_database, layout.database(project_store))
    assert not stage_run.is_logged(
        "ingest", project_store / "data/toy/smoke/ingest", root=project_store
    )
    run_stage(project_store, "ingest")
    assert "ingest" in runs(project_store)[0]
    assert stage_run.is_logged(
        "ingest", project_store / "data/toy/smoke/ingest", root=project_store
    )


def test_without_git_a_run_is_logged_all_the_same(project_store, monkeypatch):
    monkeypatch.setenv("PATH", str(project_store))
    run_stage(project_store, "ingest")
    assert runs(project_store)[0]["ingest"].data.tags["mlflow.source.git.commit"] == "unknown"
