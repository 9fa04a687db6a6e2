"""SavedModel writing, and the proof that it answers as evaluate was answered.

The shipped model is the last fold's. It is written as `model/<version>/`, the folder shape
TensorFlow Serving reads, reloaded without any of our code, and compared with the responses that
evaluate stored.
"""

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from seqapps import champion, evaluation, metrics, records, served, training
from seqapps.app import App, UserError
from seqapps.receipts import write_json
from seqapps.report import METRICS

TOLERANCE = 1e-4
"""Largest difference of a number between evaluate's answers and the reloaded SavedModel's; both run
the same graph, so what is left is rounding."""

EXAMPLE_ROWS = 2
FOREIGN_OPS = ("PyFunc", "PyFuncStateless", "EagerPyFunc")


def run(
    app: App, params: Any, stages: dict[str, Path], out: Path, *, previous: Path
) -> dict[str, Any]:
    """Writes the next version of the SavedModel and its example files; returns what was checked.

    Args:
        app: the application.
        params: all stage tables.
        stages: stage -> folder, for the stages before this one.
        out: the stage's new folder; `model/` keeps the last versions and the champions.
        previous: the stage's folder so far, whose versions are carried over.

    Raises:
        UserError: the model does not beat its baselines, the graph holds a foreign op, or the
            reloaded model answers differently.
    """
    report = json.loads((stages["evaluate"] / METRICS).read_text())
    _gate(app, params, report)
    folds = evaluation.fold_folders(stages["preprocess"])
    fold = list(folds)[-1]
    assets = folds[fold] / "assets"
    model = training.load(app, params, assets, stages["train"] / fold / training.WEIGHTS)
    endpoints = app.endpoints(params, model, assets)
    version = _next_version(previous / "model")
    folder = out / "model" / str(version)
    _carry_over(previous, out, keep=params.export.keep_versions - 1)
    write(model, endpoints, folder)
    check_core_ops(folder)
    checked = _check_parity(app, params, stages, folds, fold, folder)
    extra = folder / served.EXTRA
    shutil.copytree(assets, extra / "assets")
    write_json(extra / champion.SCORES, champion.scores(app, report, stages["preprocess"], version))
    for path in _write_examples(app, folds[fold], folder, out):
        shutil.copy2(path, extra)
    print(f"{app.name} export: model/{version} answers as evaluate was answered {checked}")
    print(f"{app.name} export: {champion.contend(app, out, version, previous=previous)}")
    return {"version": version} | checked


def write(model: keras.Model, endpoints: dict[str, Any], folder: Path) -> None:
    """Writes a SavedModel with the given endpoints: name -> (function, signature)."""
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, (function, signature) in endpoints.items():
        archive.add_endpoint(name, function, input_signature=signature)
    archive.write_out(folder, verbose=False)


def load(folder: Path) -> tuple[Any, dict[str, Any]]:
    """A SavedModel and its endpoints: name -> function of named tensors.

    The first value owns the variables and must be kept as long as a function is in use.
    """
    loaded = tf.saved_model.load(str(folder))
    return loaded, dict(loaded.signatures)


def answering(exported: Path) -> Path:
    """The folder of the version that answers: the champion, else the highest.

    Raises:
        UserError: there is none.
    """
    try:
        return served.champion(exported)
    except (FileNotFoundError, ValueError) as error:
        raise UserError(str(error)) from None


def call(function: Any, columns: dict[str, Any], batch_size: int) -> dict[str, Any]:
    """The answers of a loaded endpoint to the columns its inputs are named after."""
    names = sorted(function.structured_input_signature[1])

    def by_name(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        return function(**dict(zip(names, tensors, strict=True)))

    return evaluation.answer(by_name, names, columns, batch_size)


def check_core_ops(folder: Path) -> None:
    """Raises ValueError if the graph needs an op that plain TensorFlow does not have."""
    graph = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    definition = graph.meta_graphs[0].graph_def
    bodies = [definition.node, *(f.node_def for f in definition.library.function)]
    ops = {node.op for nodes in bodies for node in nodes}
    foreign = sorted(op for op in ops if ">" in op or op in FOREIGN_OPS)
    if foreign:
        raise ValueError(f"{folder}: the graph holds ops that plain TensorFlow lacks: {foreign}")


def rows(columns: dict[str, Any], names: list[str]) -> list[Any]:
    """Columns in TensorFlow Serving's REST row form: a dict per row, bare values for one name."""
    count = len(columns[names[0]])
    table = [{name: _json(columns[name][row]) for name in names} for row in range(count)]
    return [row[names[0]] for row in table] if len(names) == 1 else table


def difference(one: dict[str, Any], other: dict[str, Any]) -> float:
    """The largest difference of two answers (plain Python); infinity if a text or shape differs.

    An answer of varying length ends in zeros or empty texts, as many as the longest of its batch
    needs; they make no difference.
    """
    largest = 0.0
    for name, value in one.items():
        a, b = _evened(np.asarray(value), np.asarray(other[name]))
        if a.shape != b.shape:
            return float("inf")
        if a.dtype.kind in "US":
            largest = max(largest, 0.0 if (a == b).all() else float("inf"))
        elif a.size:
            largest = max(largest, float(np.max(np.abs(a.astype(float) - b.astype(float)))))
    return largest


def _evened(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not (a.ndim and a.ndim == b.ndim):
        return a, b
    sizes = [max(pair) for pair in zip(a.shape, b.shape, strict=True)]
    kind = a.dtype if a.size else b.dtype
    return _padded(a, sizes, kind), _padded(b, sizes, kind)


def _padded(part: np.ndarray, sizes: list[int], dtype: np.dtype) -> np.ndarray:
    ends = [(0, size - had) for size, had in zip(sizes, part.shape, strict=True)]
    filled = part if part.size else part.astype(dtype)
    return np.pad(filled, ends, constant_values="" if filled.dtype.kind in "US" else 0)


def _gate(app: App, params: Any, report: dict[str, Any]) -> None:
    if report["beats_baselines"]:
        return
    metric = report["headline"]["metric"]
    rivals = ", ".join(f"{n} {v[metric]:.4f}" for n, v in report["baselines"].items())
    said = f"{metric} {report['headline']['value']:.4f} does not beat every baseline ({rivals})"
    if params.export.gate != "warn":
        raise UserError(f'{app.name}: not exported: {said}. export.gate = "warn" ships it anyway')
    print(f"{app.name} export: WARNING: {said}", flush=True)


def _next_version(model: Path) -> int:
    return max(served.versions(model), default=0) + 1


def _carry_over(old: Path, new: Path, *, keep: int) -> None:
    known = served.versions(old / "model")
    for version in sorted(champion.kept(old) | set(known[max(0, len(known) - keep) :])):
        name = f"model/{version}"
        shutil.copytree(old / name, new / name, dirs_exist_ok=True)


def _check_parity(
    app: App, params: Any, stages: dict[str, Path], folds: dict[str, Path], fold: str, folder: Path
) -> dict[str, Any]:
    truth = records.table(app, {fold: folds[fold]}, "test")
    loaded, signatures = load(folder)
    answers = {
        name: call(signatures[name], truth, params.evaluate.batch_size) for name in app.evaluated
    }
    del loaded
    largest, compared = 0.0, 0
    with (stages["evaluate"] / evaluation.RESPONSES).open() as file:
        stored = {s["key"]: s for s in map(json.loads, file) if s["fold"] == fold}
    for row, key in enumerate(truth["key"]):
        for name, response in answers.items():
            given = {n: evaluation.plain(values[row]) for n, values in response.items()}
            largest = max(largest, difference(stored[key][name], given))
        compared += 1
    if not largest <= TOLERANCE:
        raise UserError(f"{app.name}: the SavedModel differs from evaluate's answers by {largest}")
    return {"parity_rows": compared, "parity_max_difference": largest}


def _write_examples(app: App, records_folder: Path, folder: Path, out: Path) -> list[Path]:
    truth = records.table(app, {"": records_folder}, "test")
    truth = metrics.take(truth, np.arange(min(EXAMPLE_ROWS, len(truth["key"]))))
    loaded, signatures = load(folder)
    function = signatures[app.evaluated[0]]
    names = sorted(function.structured_input_signature[1])
    if any(len({np.shape(value) for value in truth[name]}) > 1 for name in names):
        truth = metrics.take(truth, np.arange(1))  # one request holds rows of one length
    instances = [{n: _json(truth[n][row]) for n in names} for row in range(len(truth["key"]))]
    response = call(function, truth, EXAMPLE_ROWS)
    del loaded
    examples = {
        "example_request.json": {"signature_name": app.evaluated[0], "instances": instances},
        "example_response.json": {"predictions": rows(response, sorted(response))},
        served.SIGNATURES: served.SavedModel(folder).signatures(),
    }
    for name, content in examples.items():
        write_json(out / name, content)
    return [out / name for name in examples]


def _json(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    return evaluation.plain(value)
