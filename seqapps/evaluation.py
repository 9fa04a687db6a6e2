"""The evaluate stage: the endpoints that will be exported, asked about the test split.

The model, its baselines and its controls all go through the application's one `score`.
"""

import csv
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from seqapps import metrics, plots, records, training
from seqapps.app import App, Evaluation, UserError
from seqapps.receipts import write_json
from seqapps.report import METRICS, PREDICTIONS, SAMPLES, history

RESPONSES = "responses.jsonl"
CELL_CHARACTERS = 400

Columns = dict[str, Any]


def run(app: App, params: Any, stages: dict[str, Path], out: Path) -> dict[str, Any]:
    """Writes metrics.json, predictions.csv, responses.jsonl, figures/ and samples/; returns counts.

    `samples/` is there if the application has samples to show.

    Args:
        app: the application.
        params: tables up to evaluate.
        stages: stage -> folder, for the stages before this one.
        out: the stage's folder.
    """
    clock = _Clock()
    folds = fold_folders(stages["preprocess"])
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
        assets=lambda fold: folds[fold] / "assets",
        records=lambda split, fold: records.read(app, folds[fold], split),
        truth=truth,
        response=answers[app.evaluated[0]],
        ask=lambda columns: _pooled(call, tuple(folds), app.evaluated[0], columns),
        call=call,
        history=_histories(stages["train"], folds),
    )
    evaluation = replace(evaluation, baselines=app.baselines(evaluation))
    clock.lap("baselines")
    more, findings = app.measure(evaluation)
    report = _judge(app, out.parent.name, evaluation, answers, more)
    clock.lap("scores")
    _draw(app, evaluation, findings, out / "figures")
    clock.lap("figures")
    if hasattr(app, "samples"):
        (out / SAMPLES).mkdir()
        app.samples(evaluation, findings, out / SAMPLES)
        clock.lap("samples")
    report["counts"] = {"test_examples": len(truth["key"]), "folds": len(folds)}
    report["seconds"] = clock.laps
    write_json(out / METRICS, report)
    write_responses(out / RESPONSES, truth, answers)
    _write_predictions(out / PREDICTIONS, truth, answers)
    _say(app, report)
    return report["counts"]


def fold_folders(preprocess: Path) -> dict[str, Path]:
    """Fold -> its folder, in the folds' order."""
    return {path.parent.name: path.parent for path in sorted(preprocess.glob("*/counts.json"))}


def functions(app: App, params: Any, assets: Path, weights: Path) -> dict[str, Any]:
    """The endpoints of a trained model: name -> (tf.function, its signature)."""
    model = training.load(app, params, assets, weights)
    return {
        name: (tf.function(function, input_signature=signature, autograph=False), signature)
        for name, (function, signature) in app.endpoints(params, model, assets).items()
    }


def answer(function: Any, names: list[str], columns: Columns, batch_size: int) -> Columns:
    """An endpoint's answers to all rows of `columns`, asked in batches, as columns.

    `names` are the columns sent, in the order of the signature; rows of different lengths are
    padded with zeros to the longest of their batch. Rows of like length go together, so
    that little is padded.
    """
    sizes = np.max([[_size(row) for row in columns[name]] for name in names], axis=0)
    order = np.argsort(sizes, kind="stable")
    rows: list[dict[str, Any]] = []
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        batch = [_tensor(columns[name][chosen]) for name in names]
        outputs = {name: tensor.numpy() for name, tensor in function(*batch).items()}
        rows += [{name: value[i] for name, value in outputs.items()} for i in range(len(chosen))]
    rows = [rows[place] for place in np.argsort(order)]
    return {name: records.column([row[name] for row in rows]) for name in (rows[0] if rows else ())}


def write_responses(path: Path, truth: Columns, answers: dict[str, Columns]) -> None:
    """One JSON line per test row: key, fold, and each endpoint's answer in full precision."""
    with path.open("w") as file:
        for row, (key, fold) in enumerate(zip(truth["key"], truth["fold"], strict=True)):
            line = {"key": key, "fold": fold} | {
                endpoint: {name: plain(values[row]) for name, values in response.items()}
                for endpoint, response in answers.items()
            }
            file.write(json.dumps(line) + "\n")


def plain(value: Any) -> Any:
    """A numpy value as plain Python: numbers, strings and lists of them."""
    if isinstance(value, np.ndarray) and value.dtype == object:
        return [plain(part) for part in value]
    value = value.decode() if isinstance(value, bytes) else value
    return value.tolist() if hasattr(value, "tolist") else value


def _caller(app: App, params: Any, folds: dict[str, Path], trained: Path) -> Callable[..., Columns]:
    loaded: dict[str, dict[str, Any]] = {}

    def call(fold: str, endpoint: str, columns: Columns) -> Columns:
        if fold not in loaded:
            weights = trained / fold / training.WEIGHTS
            loaded[fold] = functions(app, params, folds[fold] / "assets", weights)
        function, signature = loaded[fold][endpoint]
        names = [spec.name for spec in signature]
        return answer(function, names, columns, params.evaluate.batch_size)

    return call


def _pooled(call: Any, folds: tuple[str, ...], endpoint: str, columns: Columns) -> Columns:
    parts, order = [], []
    for fold in folds:
        rows = np.flatnonzero(columns["fold"] == fold)
        parts.append(call(fold, endpoint, metrics.take(columns, rows)))
        order.append(rows)
    back = np.argsort(np.concatenate(order))
    return {
        name: records.column([value for part in parts for value in part[name]])[back]
        for name in parts[0]
    }


def dense(values: np.ndarray) -> np.ndarray:
    """The rows as one array: those of different lengths padded with zeros, texts as they are."""
    if values.dtype != object or isinstance(values[0], str | bytes):
        return values
    longest = np.max([np.shape(value) for value in values], axis=0)
    batch = np.zeros((len(values), *longest), values[0].dtype)
    for row, value in enumerate(values):
        batch[(row, *(slice(0, size) for size in np.shape(value)))] = value
    return batch


def _size(value: Any) -> int:
    return len(value) if isinstance(value, str | bytes) else np.size(value)


def _tensor(values: np.ndarray) -> tf.Tensor:
    batch = dense(values)
    return tf.constant(batch.tolist() if batch.dtype == object else batch)


def _judge(
    app: App, profile: str, evaluation: Evaluation, answers: Any, more: dict[str, float]
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
        truth,
        answers[first],
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
        "app": app.name,
        "profile": profile,
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


def _controls(app: App, evaluation: Evaluation) -> dict[str, Columns]:
    # Answers given to other rows: what the model would say to shuffled inputs.
    count = len(evaluation.truth["key"])
    order = np.random.default_rng(evaluation.params.evaluate.seed).permutation(count)
    shuffled = metrics.take(evaluation.response, order)
    return {"shuffled_input": shuffled} | app.controls(evaluation)


def _histories(trained: Path, folds: dict[str, Path]) -> dict[str, list[dict[str, float]]]:
    return {fold: history(trained / fold / training.HISTORY) for fold in folds}


def _draw(app: App, evaluation: Evaluation, findings: Any, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, figure in _all_figures(app, evaluation, findings):
        plots.save(figure, folder / f"{name}.png")


def _all_figures(app: App, evaluation: Evaluation, findings: Any) -> Iterator[tuple[str, Any]]:
    yield "learning_curves", plots.learning_curves(evaluation.history, title=app.title)
    yield from app.figures(evaluation, findings)


def _write_predictions(path: Path, truth: Columns, answers: dict[str, Columns]) -> None:
    columns = {name: truth[name] for name in ("key", "group", "fold")}
    columns |= {name: values for name, values in truth.items() if name not in columns}
    for endpoint, response in answers.items():
        columns |= {f"{endpoint}.{name}": values for name, values in response.items()}
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in range(len(truth["key"])):
            writer.writerow([_cell(values[row]) for values in columns.values()])


def _cell(value: Any) -> Any:
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if np.ndim(value) == 0:
        return f"{value:.6g}" if isinstance(value, float | np.floating) else value
    if np.asarray(value).dtype == object:
        return json.dumps(plain(value), ensure_ascii=False)
    text = json.dumps(np.round(np.asarray(value, float), 6).tolist())
    return (
        text if len(text) <= CELL_CHARACTERS else f"<{'x'.join(map(str, np.shape(value)))} numbers>"
    )


def _say(app: App, report: dict[str, Any]) -> None:
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
