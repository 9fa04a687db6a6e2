"""What stages tell MLflow.

Each application has an experiment; each call of Make that does work is a parent run with a child
per stage. Tracking never stops the work: a stage's files hold all that is logged, so what could
not be logged (the server was down) is said and logged from those files at the next call. The file
`tracked.json` in a stage's folder marks what has been logged.
"""

import json
import os
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seqapps import registry, served, store
from seqapps import report as files
from seqapps.app import App
from seqapps.receipts import read, write_json

MARK = "tracked.json"
NOTE_CHARACTERS = 8000
"""MLflow cuts a run's note there, and warns; the whole card is the artifact `card.md`."""
PIPELINE = "SEQAPPS_PIPELINE"
"""Environment variable that holds the name of this call of Make: stages of one call share it."""


class Quiet:
    """What a stage tells of itself when its caller does the tracking: nothing."""

    def start(self) -> None:
        """Does nothing."""

    def epoch(self, fold: str, epoch: int, values: dict[str, float]) -> None:
        """Does nothing."""

    def finish(self, folder: Path, params: dict[str, Any]) -> None:
        """Does nothing."""

    def fail(self) -> None:
        """Does nothing."""


class StageRun:
    """The MLflow run of one stage at work; every method is safe when MLflow cannot be reached."""

    def __init__(self, app: App, profile: str, stage: str, root: Path):
        self.app, self.profile, self.stage, self.root = app, profile, stage, root
        self.run_id: str | None = None
        self.problem: str | None = None
        self.seen_epochs = 0

    def start(self) -> None:
        """Opens the parent and the child run."""
        self._try(self._open)

    def epoch(self, fold: str, epoch: int, values: dict[str, float]) -> None:
        """Logs one epoch's metrics while training goes on."""
        del fold
        if self.run_id and not self.problem:
            self._try(
                lambda: store.mlflow(self.root).log_metrics(values, epoch, run_id=self.run_id)
            )
            self.seen_epochs = epoch

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

    def _open(self) -> None:
        mlflow = store.mlflow(self.root)
        experiment = store.experiment(mlflow, self.app.name, self.root)
        pipeline = os.environ.setdefault(PIPELINE, uuid.uuid4().hex[:8])
        found = mlflow.search_runs(
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
            experiment_id=experiment, **({"run_id": found[0].info.run_id} if found else parent)
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
        mlflow = store.mlflow(self.root)
        client = mlflow.MlflowClient()
        receipt = read(folder)
        assert receipt and self.run_id
        known = client.get_run(self.parent_id).data.params
        mlflow.log_params({k: str(v)[:5000] for k, v in receipt["made_from"]["params"].items()})
        for name, value in params.items():
            if name not in known:
                client.log_param(self.parent_id, name, str(value)[:5000])
        mlflow.log_metrics({f"counts.{n}": v for n, v in files.numbers(receipt["counts"]).items()})
        mlflow.log_metric("seconds", receipt["seconds"])
        mlflow.log_artifact(str(folder / "done.json"))
        LOG[self.stage](mlflow, self, folder)
        self._close("FINISHED")
        mark = {"tracking_uri": mlflow.get_tracking_uri(), "run_id": self.run_id}
        if self.stage == "export":
            mark |= {"champion": served.champion_number(folder)}
        write_json(folder / MARK, mark)

    def _close(self, status: str) -> None:
        mlflow = store.mlflow(self.root)
        mlflow.end_run(status)
        mlflow.end_run(status)

    def _try(self, action: Callable[[], Any]) -> None:
        try:
            action()
        except Exception as error:  # whatever MLflow raises must not cost a training
            self.problem = self.problem or store.sentence(error)


def catch_up(app: App, profile: str, stage: str, folder: Path, params: Any, root: Path) -> None:
    """Logs a finished stage that has not been logged yet, from its own files."""
    if not (folder / MARK).exists():
        run = StageRun(app, profile, stage, root)
        run.start()
        run.finish(folder, params)
    elif stage == "export":
        mirror(app, profile, folder, root)


def mirror(app: App, profile: str, folder: Path, root: Path) -> None:
    """Moves MLflow's alias to the version that `champion.json` names, unless it is there.

    When MLflow cannot be reached, that is said, and the next call of the export stage does it.
    """
    number = served.champion_number(folder)
    mark = json.loads((folder / MARK).read_text()) if (folder / MARK).exists() else None
    if mark is None or number is None or mark.get("champion") == number:
        return  # an export that has not been logged at all is mirrored when it is
    try:
        mlflow = store.mlflow(root)
        mlflow.set_experiment(experiment_id=store.experiment(mlflow, app.name, root))
        registry.crown(mlflow, app, profile, folder)
    except Exception as error:  # as with a stage's run: it must not cost the user's work
        said = store.sentence(error)
        print(f"{app.name}: not told to MLflow ({said}); the next make {app.name} does", flush=True)
    else:
        write_json(folder / MARK, mark | {"champion": number})


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
    if (folder / "manifest.json").exists():
        mlflow.log_artifact(str(folder / "manifest.json"))


def _log_preprocess(mlflow: Any, run: StageRun, folder: Path) -> None:
    if (folder / "skipped.tsv").exists():
        mlflow.log_artifact(str(folder / "skipped.tsv"))


def _log_train(mlflow: Any, run: StageRun, folder: Path) -> None:
    histories = sorted(folder.glob("*/history.csv"))
    for path in histories:
        prefix = "" if len(histories) == 1 else f"{path.parent.name}."
        for row in files.history(path):
            epoch = int(row.pop("epoch"))
            if prefix or epoch > run.seen_epochs:
                mlflow.log_metrics({f"{prefix}{n}": v for n, v in row.items()}, epoch)
        mlflow.log_artifact(str(path), path.parent.name)
        weights = path.parent / "model.weights.h5"
        mlflow.log_artifact(str(weights), path.parent.name)


def _log_evaluate(mlflow: Any, run: StageRun, folder: Path) -> None:
    report = json.loads((folder / files.METRICS).read_text())
    low, high = report["headline"]["interval95"]
    metric = report["headline"]["metric"]
    # MLflow shows metrics in the order they are logged in: what is asked for first stands first.
    values = {metric: report["headline"]["value"], f"{metric}.low95": low, f"{metric}.high95": high}
    rivals = files.numbers({kind: report[kind] for kind in ("baselines", "controls")})
    values |= {name: value for name, value in rivals.items() if name.endswith(f".{metric}")}
    values["beats_baselines"] = float(report["beats_baselines"])
    values |= files.numbers(report["model"]) | rivals
    client = mlflow.MlflowClient()
    card = files.card(run.app, report)
    note = f"{files.summary(report)}\n\n{card}"
    for run_id in (run.run_id, run.parent_id):
        mlflow.log_metrics(values, run_id=run_id)
        client.set_tag(run_id, "mlflow.note.content", note[:NOTE_CHARACTERS])
        client.log_artifacts(run_id, str(folder / "figures"), "figures")
        if (folder / files.SAMPLES).exists():
            client.log_artifacts(run_id, str(folder / files.SAMPLES), files.SAMPLES)
        client.log_text(run_id, card, "card.md")
        for name in (files.METRICS, files.PREDICTIONS):
            client.log_artifact(run_id, str(folder / name))


def _log_export(mlflow: Any, run: StageRun, folder: Path) -> None:
    newest = folder / "model" / str(served.versions(folder / "model")[-1])
    registry.registered(mlflow, run.app, run.profile, newest)
    client = mlflow.MlflowClient()
    client.log_outputs(run.parent_id, client.get_run(run.run_id).outputs.model_outputs)
    for run_id in (run.run_id, run.parent_id):
        for name in ("example_request.json", "example_response.json"):
            client.log_artifact(run_id, str(folder / name))
    registry.crown(mlflow, run.app, run.profile, folder)


LOG = {
    "ingest": _log_ingest,
    "preprocess": _log_preprocess,
    "train": _log_train,
    "evaluate": _log_evaluate,
    "export": _log_export,
}


def _commit(root: Path) -> str:
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
