"""MLflow runs of stages: metrics, figures, models and parameters, logged from a stage's files.

Each application has an experiment; each call of Make that does work is a parent run with a child
per stage. Errors of tracking never stop a stage. Its files hold all that is logged, so what could
not be logged (the server was down) is reported, and logged from those files by the next call. The
file `tracked.json` in a stage's folder marks that it has been logged.
"""

import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seqapps.app import App
from seqapps.artifacts import histories, layout
from seqapps.artifacts.durable import read_json, write_json
from seqapps.artifacts.layout import TRACKED
from seqapps.artifacts.receipts import read
from seqapps.config import Params
from seqapps.experiments import mlflow_store, model_registry, report

NOTE_CHARACTERS = 8000
"""MLflow cuts a longer note of a run, and warns; the whole card is the artifact `card.md`."""
BUSY_WAITS = (0.5, 2.0, 5.0, None)
"""Seconds before SQLite is tried again, whose file has one writer at a time; None: no more."""

PIPELINE = "SEQAPPS_PIPELINE"
"""Environment variable with the id of this call of Make; its stages log to one parent run."""


class StageRun:
    """The MLflow run of one stage, a `stages.Tracker`; safe when MLflow cannot be reached."""

    def __init__(self, app: App[Params], *, profile: str, stage: str, root: Path):
        self.app, self.profile, self.stage, self.root = app, profile, stage, root
        self.run_id: str | None = None
        self.problem: str | None = None
        self.logged_epochs = 0

    def start(self) -> None:
        """Opens the parent and the child run."""
        self._try(self._open)

    def epoch(self, fold: str, epoch: int, values: dict[str, float]) -> None:
        """Logs one epoch's metrics while training goes on."""
        del fold
        if self.run_id and not self.problem:
            self._try(
                lambda: mlflow_store.mlflow(self.root).log_metrics(
                    values, epoch, run_id=self.run_id
                )
            )
            self.logged_epochs = epoch

    def finish(self, folder: Path, params: dict[str, Any]) -> None:
        """Logs the finished stage from its files and ends the runs."""
        if self.run_id and not self.problem:
            self._try(lambda: self._log(folder, params))
        if self.problem:
            self._try(lambda: self._close("FAILED"))
            print(
                f"{self.app.name} {self.stage}: not logged to MLflow ({self.problem}); parameters, "
                "metrics and figures will be logged by the next call",
                flush=True,
            )

    def fail(self) -> None:
        """Ends the runs of a stage that did not finish."""
        if self.run_id and not self.problem:
            self._try(lambda: self._close("FAILED"))

    def catch_up(self, folder: Path, params: dict[str, Any]) -> None:
        """Logs a finished stage that has not been logged yet, or a new champion of its export."""
        if _mark(folder, self.root) is None:
            self.start()
            self.finish(folder, params)
        elif self.stage == "export":
            mirror(self.app, profile=self.profile, exported=folder, root=self.root)

    def _open(self) -> None:
        mlflow = mlflow_store.mlflow(self.root)
        experiment = mlflow_store.experiment(mlflow, self.app.name, self.root)
        pipeline = os.environ.setdefault(PIPELINE, uuid.uuid4().hex[:8])
        parents = mlflow.search_runs(
            [experiment],
            f"tags.`seqapps.pipeline` = '{pipeline}' and tags.`seqapps.level` = 'pipeline'",
            output_format="list",
        )
        tags = {
            "seqapps.pipeline": pipeline,
            "seqapps.profile": self.profile,
            "mlflow.source.git.commit": _commit(self.root),
        }
        parent = {
            "run_name": f"{self.app.name}-{self.profile}-{pipeline}",
            "tags": tags | {"seqapps.level": "pipeline"},
        }
        mlflow.end_run()
        parent_run = mlflow.start_run(
            experiment_id=experiment, **({"run_id": parents[0].info.run_id} if parents else parent)
        )
        child = mlflow.start_run(
            experiment_id=experiment,
            run_name=self.stage,
            nested=True,
            tags=tags | {"seqapps.level": "stage"},
            log_system_metrics=self.stage == "train",
        )
        self.parent_id, self.run_id = parent_run.info.run_id, child.info.run_id

    def _log(self, folder: Path, params: dict[str, Any]) -> None:
        mlflow = mlflow_store.mlflow(self.root)
        client = mlflow.MlflowClient()
        receipt = read(folder)
        assert receipt and self.run_id
        known = client.get_run(self.parent_id).data.params
        mlflow.log_params({k: str(v)[:5000] for k, v in receipt["made_from"]["params"].items()})
        for name, value in params.items():
            if name not in known:
                client.log_param(self.parent_id, name, str(value)[:5000])
        mlflow.log_metrics(
            {f"counts.{n}": v for n, v in mlflow_store.numbers(receipt["counts"]).items()}
        )
        mlflow.log_metric("seconds", receipt["seconds"])
        mlflow.log_artifact(str(folder / layout.RECEIPT))
        LOG[self.stage](mlflow, self, folder)
        self._close("FINISHED")
        mark = {"tracking_uri": mlflow_store.shown(self.root), "run_id": self.run_id}
        if self.stage == "export":
            mark |= {"champion": layout.champion_number(folder)}
        write_json(folder / TRACKED, mark)

    def _close(self, status: str) -> None:
        mlflow = mlflow_store.mlflow(self.root)
        mlflow.end_run(status)
        mlflow.end_run(status)

    def _try(self, action: Callable[[], Any]) -> None:
        for wait in BUSY_WAITS:
            try:
                return action()
            except Exception as error:  # no error of MLflow's may end a training
                if wait is None or not mlflow_store.is_busy(error):
                    self.problem = self.problem or mlflow_store.sentence(error)
                    return
                time.sleep(wait)


def is_logged(stage: str, folder: Path, *, root: Path) -> bool:
    """True if a finished stage has been logged completely, so that `catch_up` would do nothing."""
    mark = _mark(folder, root)
    return mark is not None and (stage != "export" or not _is_behind(folder, mark))


def mirror(app: App[Params], *, profile: str, exported: Path, root: Path) -> None:
    """Moves MLflow's alias to the version that `champion.json` names, unless it is there.

    If MLflow cannot be reached, a line is printed, and the next call of the export stage moves it.
    """
    number, mark = layout.champion_number(exported), _mark(exported, root)
    if mark is None or not _is_behind(exported, mark):
        return  # logging an export also sets the alias
    try:
        mlflow = mlflow_store.mlflow(root)
        mlflow.set_experiment(experiment_id=mlflow_store.experiment(mlflow, app.name, root))
        model_registry.set_alias(mlflow, app, profile=profile, exported=exported)
    except Exception as error:  # no error of MLflow's may end the command
        reason = mlflow_store.sentence(error)
        print(
            f"{app.name}: not told to MLflow ({reason}); the next make {app.name} does", flush=True
        )
    else:
        write_json(exported / TRACKED, mark | {"champion": number})


def _mark(folder: Path, root: Path) -> dict[str, Any] | None:
    """The content of `tracked.json`; None if nothing has been logged to the store of now."""
    mark = read_json(folder / TRACKED)
    return mark if isinstance(mark, dict) and mlflow_store.holds(mark, root) else None


def _is_behind(exported: Path, mark: dict[str, Any]) -> bool:
    """True if MLflow's alias is on another version than the champion."""
    number = layout.champion_number(exported)
    return number is not None and mark.get("champion") != number


def _log_ingest(mlflow: Any, run: StageRun, folder: Path) -> None:
    receipt = read(folder)
    assert receipt
    dataset = mlflow.data.meta_dataset.MetaDataset(
        source=mlflow.data.code_dataset_source.CodeDatasetSource({"stage": "ingest"}),
        name=f"{run.app.name}-{run.profile}",
        digest=receipt["key"][:16],
    )
    client = mlflow.MlflowClient()
    inputs = mlflow.entities.DatasetInput(dataset._to_mlflow_entity(), [])
    for run_id in (run.run_id, run.parent_id):
        client.log_inputs(run_id, [inputs])
    if (folder / layout.MANIFEST).exists():
        mlflow.log_artifact(str(folder / layout.MANIFEST))


def _log_preprocess(mlflow: Any, run: StageRun, folder: Path) -> None:
    if (folder / layout.SKIPPED).exists():
        mlflow.log_artifact(str(folder / layout.SKIPPED))


def _log_train(mlflow: Any, run: StageRun, folder: Path) -> None:
    folds = histories.of_folds(folder)
    for fold, rows in folds.items():
        prefix = "" if len(folds) == 1 else f"{fold}."
        for row in rows:
            epoch = int(row.pop("epoch"))
            if prefix or epoch > run.logged_epochs:
                mlflow.log_metrics({f"{prefix}{n}": v for n, v in row.items()}, epoch)
        for name in (layout.HISTORY, layout.WEIGHTS):
            mlflow.log_artifact(str(folder / fold / name), fold)


def _log_evaluate(mlflow: Any, run: StageRun, folder: Path) -> None:
    metrics = json.loads((folder / layout.METRICS).read_text())
    low, high = metrics["headline"]["interval95"]
    metric = metrics["headline"]["metric"]
    # MLflow shows metrics in the order of logging, so the headline is logged first.
    values = {
        metric: metrics["headline"]["value"],
        f"{metric}.low95": low,
        f"{metric}.high95": high,
    }
    rivals = mlflow_store.numbers({kind: metrics[kind] for kind in ("baselines", "controls")})
    values |= {name: value for name, value in rivals.items() if name.endswith(f".{metric}")}
    values["beats_baselines"] = float(metrics["beats_baselines"])
    values |= mlflow_store.numbers(metrics["model"]) | rivals
    differences = {
        name: {"value": one["value"], "low95": one["interval95"][0], "high95": one["interval95"][1]}
        for name, one in metrics["differences"].items()
    }
    values |= mlflow_store.numbers({"differences": differences})
    client = mlflow.MlflowClient()
    card = report.card(run.app, metrics)
    note = f"{report.summary(metrics)}\n\n{card}"
    for run_id in (run.run_id, run.parent_id):
        mlflow.log_metrics(values, run_id=run_id)
        client.set_tag(run_id, "mlflow.note.content", note[:NOTE_CHARACTERS])
        client.log_artifacts(run_id, str(folder / layout.FIGURES), layout.FIGURES)
        if (folder / layout.SAMPLES).exists():
            client.log_artifacts(run_id, str(folder / layout.SAMPLES), layout.SAMPLES)
        client.log_text(run_id, card, "card.md")
        for name in (layout.METRICS, layout.PREDICTIONS):
            client.log_artifact(run_id, str(folder / name))


def _log_export(mlflow: Any, run: StageRun, folder: Path) -> None:
    newest = layout.version(folder, layout.versions(folder)[-1])
    model_registry.registered(mlflow, run.app, profile=run.profile, folder=newest)
    client = mlflow.MlflowClient()
    client.log_outputs(run.parent_id, client.get_run(run.run_id).outputs.model_outputs)
    for run_id in (run.run_id, run.parent_id):
        for name in (layout.EXAMPLE_REQUEST, layout.EXAMPLE_RESPONSE):
            client.log_artifact(run_id, str(folder / name))
    model_registry.set_alias(mlflow, run.app, profile=run.profile, exported=folder)


LOG = {
    "ingest": _log_ingest,
    "preprocess": _log_preprocess,
    "train": _log_train,
    "evaluate": _log_evaluate,
    "export": _log_export,
}


def _commit(root: Path) -> str:
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:  # no git
        return "unknown"
    return done.stdout.strip() or "unknown"
