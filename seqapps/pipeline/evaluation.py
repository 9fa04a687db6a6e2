"""The evaluate stage: the endpoints to be exported, called on the test split.

The model, its baselines and its controls are all scored by the application's `score`. The model is
scored on the validation rows too, by which its champion is chosen.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from matplotlib.figure import Figure

from seqapps.app import App, Columns, Evaluation, Record
from seqapps.artifacts import columns, histories, json_codec, layout, receipts, saved_model
from seqapps.artifacts.durable import read_json, write_json
from seqapps.artifacts.saved_model import Endpoint
from seqapps.config import P, UserError
from seqapps.kit import plots
from seqapps.pipeline import judge, records, training

Call = Callable[[str, str, Columns], Columns]
"""(fold, endpoint, columns) -> answers."""


def run(
    app: App[P], params: P, stages: dict[str, Path], out: Path, *, previous: Path
) -> dict[str, Any]:
    """Writes metrics.json, the answers, figures/ and samples/; returns counts.

    Answers of the model are in predictions.csv and responses.jsonl, those of its rivals in
    rivals.jsonl. `samples/` is written if the application defines `samples`.

    Args:
        app: the application.
        params: tables up to evaluate.
        stages: stage -> folder, for the stages before this one.
        out: the stage's folder.
        previous: the stage's folder before this run, which knows what the test rows have judged.
    """
    clock = _Clock()
    folds = layout.folds(stages["preprocess"])
    truth = records.table(app, folds, "test")
    if not truth:
        raise UserError(f"{stages['preprocess']}: the test split is empty; widen its part")
    models = _Models(app, params, folds, stages["train"])
    call = models.call
    answers = {name: _pooled(call, tuple(folds), name, truth) for name in app.evaluated}
    clock.lap("model")
    evaluation = Evaluation(
        params=params,
        raw=stages["ingest"],
        folds=tuple(folds),
        assets=lambda fold: folds[fold] / layout.ASSETS,
        records=lambda split, fold: records.read(app, folds[fold], split),
        truth=truth,
        response=answers[app.evaluated[0]],
        ask=lambda columns: _pooled(call, tuple(folds), app.evaluated[0], columns),
        call=call,
        history=histories.of_folds(stages["train"]),
        trained_rows=sum(read_json(f / layout.COUNTS).get("train", 0) for f in folds.values()),
        leaked=_leaked(app, folds, request=models.inputs(next(iter(folds)), app.evaluated[0])),
    )
    baselines = app.baselines(evaluation)
    answers_of = {name: one.answers for name, one in baselines.items()}
    evaluation = replace(evaluation, baselines=answers_of)
    clock.lap("baselines")
    more, findings = app.measure(evaluation)
    clock.lap("measures")
    controls = judge.controls(app, evaluation)
    clock.lap("controls")
    report: dict[str, Any] = {"app": app.name, "profile": out.parent.name}
    model = _measured(app, params, truth, answers, more)
    report |= judge.judge(app, evaluation, model, baselines=baselines, controls=controls)
    clock.lap("scores")
    report["validation"] = _on_validation(app, params, stages["preprocess"], call)
    clock.lap("validation")
    _draw(app, evaluation, findings, out / layout.FIGURES)
    clock.lap("figures")
    if app.has("samples"):
        (out / layout.SAMPLES).mkdir()
        app.samples(evaluation, findings, out / layout.SAMPLES)
        clock.lap("samples")
    report["counts"] = {"test_examples": len(truth["key"]), "folds": len(folds)}
    report["judged"] = _judged(stages, previous)
    report["seconds"] = clock.laps
    write_json(out / layout.METRICS, report)
    write_responses(out / layout.RESPONSES, truth, answers)
    write_responses(out / layout.RIVALS, truth, answers_of | controls)
    _write_predictions(out / layout.PREDICTIONS, truth, answers)
    _say(app, report)
    return report["counts"]


def endpoints(app: App[P], params: P, *, assets: Path, weights: Path) -> dict[str, Endpoint]:
    """The endpoints of a trained model, by name; they hold the model in memory."""
    model = training.load(app, params, assets=assets, weights=weights)
    return {
        name: saved_model.of_function(name, function, signature)
        for name, (function, signature) in app.endpoints(params, model, assets).items()
    }


def write_responses(path: Path, truth: Columns, answers: dict[str, Columns]) -> None:
    """Writes a JSON line per test row: key, fold, each endpoint's answer (N, ...) in full."""
    with path.open("w") as file:
        for row, (key, fold) in enumerate(zip(truth["key"], truth["fold"], strict=True)):
            line = {"key": key, "fold": fold} | {
                endpoint: {n: json_codec.to_json(values[row]) for n, values in response.items()}
                for endpoint, response in answers.items()
            }
            file.write(json.dumps(line) + "\n")


class _Models:
    """The endpoints of each fold's model, loaded when they are first called."""

    def __init__(self, app: App[P], params: P, folds: dict[str, Path], trained: Path):
        self._loaded: dict[str, dict[str, Endpoint]] = {}
        self._batch_size = params.evaluate.batch_size
        self._load = lambda fold: endpoints(
            app,
            params,
            assets=folds[fold] / layout.ASSETS,
            weights=trained / fold / layout.WEIGHTS,
        )

    def call(self, fold: str, endpoint: str, rows: Columns) -> Columns:
        """The answers (N, ...) of an endpoint of a fold's model to rows (N, ...)."""
        return self._of(fold)[endpoint].in_batches(rows, self._batch_size)

    def inputs(self, fold: str, endpoint: str) -> list[str]:
        """The names of an endpoint's inputs."""
        return list(self._of(fold)[endpoint].inputs)

    def _of(self, fold: str) -> dict[str, Endpoint]:
        if fold not in self._loaded:
            self._loaded[fold] = self._load(fold)
        return self._loaded[fold]


def _pooled(call: Call, folds: tuple[str, ...], endpoint: str, truth: Columns) -> Columns:
    parts, order = [], []
    for fold in folds:
        rows = np.flatnonzero(truth["fold"] == fold)
        if len(rows):
            parts.append(call(fold, endpoint, columns.take(truth, rows)))
            order.append(rows)
    back = np.argsort(np.concatenate(order))
    return {
        name: columns.column([value for part in parts for value in part[name]])[back]
        for name in parts[0]
    }


def _on_validation(
    app: App[P], params: P, preprocess: Path, call: Call
) -> dict[str, str | float] | None:
    """The headline metric on all folds' validation rows, with their digest; None without rows."""
    folds = layout.folds(preprocess)
    rows = records.table(app, folds, "validation")
    if not rows:
        return None
    # A row may validate in several folds; each time it is a row of its own.
    rows["key"] = np.array([f"{n} {key}" for n, key in enumerate(rows["key"])], object)
    metric, direction = app.headline
    answers = _pooled(call, tuple(folds), app.evaluated[0], rows)
    return {
        "metric": metric,
        "direction": direction,
        "value": judge.short(app.score(params, rows, answers))[metric],
        "digest": receipts.rows_digest(preprocess, "validation"),
    }


def _measured(
    app: App[P], params: P, truth: Columns, answers: dict[str, Columns], more: dict[str, float]
) -> dict[str, float]:
    """All metrics of the model: the first endpoint's, `measure`'s, the other endpoints' by name."""
    first, *others = app.evaluated
    model = judge.short(app.score(params, truth, answers[first])) | judge.short(more)
    for endpoint in others:
        scores = judge.short(app.score(params, truth, answers[endpoint]))
        model |= {f"{endpoint}.{name}": value for name, value in scores.items()}
    return model


def _leaked(app: App[P], folds: dict[str, Path], request: list[str]) -> tuple[str, ...]:
    """Keys of the test rows whose request stands in their fold's train rows."""
    leaked = []
    for folder in folds.values():
        trained = {_request_digest(row, request) for row in records.read(app, folder, "train")}
        tested = records.read(app, folder, "test")
        leaked += [str(row["key"]) for row in tested if _request_digest(row, request) in trained]
    return tuple(leaked)


def _request_digest(row: Record, request: list[str]) -> bytes:
    whole = hashlib.blake2b(digest_size=16)
    for name in request:
        value = row[name]
        whole.update(value if isinstance(value, bytes) else np.asarray(value).tobytes())
        whole.update(b"|")
    return whole.digest()


def _judged(stages: dict[str, Path], previous: Path) -> dict[str, Any]:
    """The digest of the test rows, and those of all weights that they have judged so far."""
    rows = receipts.rows_digest(stages["preprocess"], "test")
    weights = _weights_digest(sorted(stages["train"].glob(f"*/{layout.WEIGHTS}")))
    before = (read_json(previous / layout.METRICS) or {}).get("judged", {})
    known = before.get("weights", []) if before.get("rows") == rows else []
    return {"rows": rows, "weights": [*(one for one in known if one != weights), weights]}


def _draw(app: App[P], evaluation: Evaluation[P], findings: object, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, figure in _all_figures(app, evaluation, findings):
        plots.save(figure, folder / f"{name}.png")


def _all_figures(
    app: App[P], evaluation: Evaluation[P], findings: object
) -> Iterator[tuple[str, Figure]]:
    yield "learning_curves", plots.learning_curves(evaluation.history, title=app.title)
    yield from app.figures(evaluation, findings)


def _write_predictions(path: Path, truth: Columns, answers: dict[str, Columns]) -> None:
    table = {name: truth[name] for name in ("key", "group", "fold")} | truth
    for endpoint, response in answers.items():
        table |= {f"{endpoint}.{name}": values for name, values in response.items()}
    columns.write_csv(path, table)


def _say(app: App[P], report: dict[str, Any]) -> None:
    headline = report["headline"]
    metric, (low, high) = headline["metric"], headline["interval95"]
    value = f"{headline['value']:.4f} (95 % {low:.4f}..{high:.4f})"
    versions = len(report["judged"]["weights"])
    judged = "" if versions == 1 else f"; these test rows have judged {versions} trained models"
    lines = [f"{metric} {value}, {report['interval']['method']}{judged}"]
    compared_on = report["interval"]["compared_on"]
    unit = "" if compared_on == metric else f" in {compared_on}"
    for kind, word in (("baselines", "baseline"), ("controls", "control")):
        for name, values in report[kind].items():
            verdict = judge.sentence(name, report["differences"][name])
            lines.append(f"{word} {name} {values[metric]:.4f}: {verdict}{unit}")
    lines += [f"WARNING: {refusal}" for refusal in report["refusals"]]
    for line in lines:
        print(f"{app.name} evaluate: {line}", flush=True)


def _weights_digest(files: list[Path]) -> str:
    """Digest of the values in files of weights, 16 hex digits; their names do not count."""
    whole = hashlib.sha256()
    for path in files:
        with h5py.File(path) as file:
            file.visititems(
                lambda _, one: (
                    whole.update(one[()].tobytes())  # pyright: ignore[reportAttributeAccessIssue] h5py's stubs are too wide
                    if isinstance(one, h5py.Dataset)
                    else None
                )
            )
    return whole.hexdigest()[:16]


class _Clock:
    """Seconds between laps, by name."""

    def __init__(self):
        self.laps: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name] = round(now - self._last, 1)
        self._last = now
