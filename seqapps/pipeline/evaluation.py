"""The evaluate stage: the endpoints to be exported, called on the test split.

The model, its baselines and its controls are all scored by the application's `score`. The model is
scored on the validation rows too, by which its champion is chosen.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from seqapps.app import App, Columns, Evaluation
from seqapps.artifacts import columns, histories, json_codec, layout, receipts, saved_model
from seqapps.artifacts.durable import write_json
from seqapps.artifacts.saved_model import Endpoint
from seqapps.config import P, UserError
from seqapps.kit import metrics, plots
from seqapps.pipeline import records, training

Call = Callable[[str, str, Columns], Columns]
"""(fold, endpoint, columns) -> answers."""


def run(app: App[P], params: P, stages: dict[str, Path], out: Path) -> dict[str, Any]:
    """Writes metrics.json, predictions.csv, responses.jsonl, figures/ and samples/; returns counts.

    `samples/` is written if the application defines `samples`.

    Args:
        app: the application.
        params: tables up to evaluate.
        stages: stage -> folder, for the stages before this one.
        out: the stage's folder.
    """
    clock = _Clock()
    folds = layout.folds(stages["preprocess"])
    truth = records.table(app, folds, "test")
    if not truth:
        raise UserError(f"{stages['preprocess']}: the test split is empty; widen its part")
    call = _caller(app, params, folds, stages["train"])
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
    )
    evaluation = replace(evaluation, baselines=app.baselines(evaluation))
    clock.lap("baselines")
    more, findings = app.measure(evaluation)
    report: dict[str, Any] = {"app": app.name, "profile": out.parent.name}
    report |= _judge(app, evaluation, answers, more)
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
    report["seconds"] = clock.laps
    write_json(out / layout.METRICS, report)
    write_responses(out / layout.RESPONSES, truth, answers)
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


def _caller(app: App[P], params: P, folds: dict[str, Path], trained: Path) -> Call:
    loaded: dict[str, dict[str, Endpoint]] = {}

    def call(fold: str, endpoint: str, rows: Columns) -> Columns:
        if fold not in loaded:
            assets, weights = folds[fold] / layout.ASSETS, trained / fold / layout.WEIGHTS
            loaded[fold] = endpoints(app, params, assets=assets, weights=weights)
        return loaded[fold][endpoint].in_batches(rows, params.evaluate.batch_size)

    return call


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
        "value": _short(app.score(params, rows, answers))[metric],
        "digest": receipts.rows_digest(preprocess, "validation"),
    }


def _judge(
    app: App[P],
    evaluation: Evaluation[P],
    answers: dict[str, Columns],
    more: dict[str, float],
) -> dict[str, Any]:
    params, truth = evaluation.params, evaluation.truth
    metric, direction = app.headline

    def score(response: Columns) -> dict[str, float]:
        return _short(app.score(params, truth, response))

    first, *others = app.evaluated
    model = score(answers[first]) | _short(more)
    for endpoint in others:
        model |= {f"{endpoint}.{name}": value for name, value in score(answers[endpoint]).items()}
    low, high = metrics.bootstrap(
        lambda t, r: app.score(params, t, r)[metric],
        truth=truth,
        response=answers[first],
        samples=params.evaluate.bootstrap_samples,
        seed=params.evaluate.seed,
        groups=truth["group"] if app.resample == "group" else None,
    )
    baselines = {name: score(response) for name, response in evaluation.baselines.items()}
    controls = {name: score(response) for name, response in _controls(app, evaluation).items()}
    for values in controls.values():
        bound = low if direction == "max" else high
        values["fails_as_it_must"] = app.better(bound, than=values[metric])
    return {
        "headline": {
            "metric": metric,
            "direction": direction,
            "value": model[metric],
            "interval95": list(_short({"low": low, "high": high}).values()),
        },
        "model": model,
        "baselines": baselines,
        "controls": controls,
        "beats_baselines": all(
            app.better(model[metric], than=values[metric]) for values in baselines.values()
        ),
    }


def _short(values: dict[str, float]) -> dict[str, float]:
    return {name: float(f"{float(value):.6g}") for name, value in values.items()}


def _controls(app: App[P], evaluation: Evaluation[P]) -> dict[str, Columns]:
    # Permuted answers are the ones the model would give to shuffled inputs.
    count = len(evaluation.truth["key"])
    order = np.random.default_rng(evaluation.params.evaluate.seed).permutation(count)
    shuffled = columns.take(evaluation.response, order)
    return {"shuffled_input": shuffled} | app.controls(evaluation)


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
    rivals = [f"{name} {values[metric]:.4f}" for name, values in report["baselines"].items()]
    rivals += [
        f"control {name} {values[metric]:.4f}" for name, values in report["controls"].items()
    ]
    print(f"{app.name} evaluate: {metric} {value}; {'; '.join(rivals)}", flush=True)
    for name, values in report["controls"].items():
        if not values["fails_as_it_must"]:
            print(f"{app.name} evaluate: WARNING: control {name} does not fail", flush=True)


class _Clock:
    """Seconds between laps, by name."""

    def __init__(self):
        self.laps: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name] = round(now - self._last, 1)
        self._last = now
