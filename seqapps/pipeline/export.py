"""The export stage: writes the SavedModel and compares its answers with evaluate's.

The exported model is the last fold's. It is written to `model/<version>/`, the layout that
TensorFlow Serving reads, reloaded without the application's code, and compared with the responses
that evaluate stored.
"""

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from tensorflow.core.protobuf import saved_model_pb2

from seqapps.app import App, Columns, Endpoints, Output
from seqapps.artifacts import champion, columns, json_codec, layout
from seqapps.artifacts.durable import write_json
from seqapps.artifacts.saved_model import SavedModel
from seqapps.config import P, UserError
from seqapps.pipeline import records, training, warmup

TOLERANCE = 1e-5
"""Largest `difference` allowed between evaluate's answers and the reloaded SavedModel's; both run
the same graph, so differences are rounding errors."""

EXAMPLE_ROWS = 2
FOREIGN_OPS = ("PyFunc", "PyFuncStateless", "EagerPyFunc")


def run(
    app: App[P], params: P, stages: dict[str, Path], out: Path, *, previous: Path
) -> dict[str, Any]:
    """Writes the next version of the SavedModel and its example files; returns counts of checks.

    Args:
        app: the application.
        params: all stage tables.
        stages: stage -> folder, for the stages before this one.
        out: the stage's new folder; `model/` keeps the last versions and the champions.
        previous: the stage's folder before this run; its versions are copied.

    Raises:
        UserError: the judge refuses the model, or the reloaded model answers differently.
        ValueError: the graph holds an op that plain TensorFlow lacks.
    """
    report = json.loads((stages["evaluate"] / layout.METRICS).read_text())
    _gate(app, params, report)
    fold, records_folder = list(layout.folds(stages["preprocess"]).items())[-1]
    assets, weights = records_folder / layout.ASSETS, stages["train"] / fold / layout.WEIGHTS
    model = training.load(app, params, assets=assets, weights=weights)
    version = max(layout.versions(previous), default=0) + 1
    folder = layout.version(out, version)
    _carry_over(previous, out, keep=params.export.keep_versions - 1)
    write(model, app.endpoints(params, model, assets), folder)
    check_core_ops(folder)
    loaded = SavedModel(folder)
    truth = records.table(app, {fold: records_folder}, "test")
    stored = _stored(stages["evaluate"], fold)
    checked = _check_parity(app, params, loaded, truth=truth, stored=stored)
    extra = folder / layout.EXTRA
    shutil.copytree(assets, extra / layout.ASSETS)
    write_json(extra / layout.VERSION, champion.scores(app, report, version=version))
    for path in _write_examples(app, loaded, truth, out):
        shutil.copy2(path, extra)
    warmup.write(extra / layout.WARMUP, app.name, model=SavedModel(folder))
    print(f"{app.name} export: model/{version} answers as evaluate was answered {checked}")
    print(f"{app.name} export: {champion.challenge(app, out, version, previous=previous)}")
    return {"version": version} | checked


def write(model: keras.Model, endpoints: Endpoints, folder: Path) -> None:
    """Writes a SavedModel with the endpoints, functions of rows (N, ...) to answers (N, ...)."""
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, (function, signature) in endpoints.items():
        archive.add_endpoint(name, function, input_signature=signature)
    # Keras picks the archive by its backend, which is TensorFlow's here.
    archive.write_out(folder, verbose=False)  # pyright: ignore[reportAttributeAccessIssue]


def check_core_ops(folder: Path) -> None:
    """Raises ValueError if the graph needs an op that plain TensorFlow does not have."""
    graph = saved_model_pb2.SavedModel.FromString((folder / layout.GRAPH).read_bytes())
    definition = graph.meta_graphs[0].graph_def
    bodies = [definition.node, *(f.node_def for f in definition.library.function)]
    ops = {node.op for nodes in bodies for node in nodes}
    foreign = sorted(op for op in ops if ">" in op or op in FOREIGN_OPS)
    if foreign:
        raise ValueError(f"{folder}: the graph holds ops that plain TensorFlow lacks: {foreign}")


def difference(
    one: dict[str, Any], other: dict[str, Any], *, units: Mapping[str, float] | None = None
) -> float:
    """The largest relative difference of two answers (plain Python).

    |a - b| over |b| and the output's unit, so that a price in the thousands and a volatility of a
    hundredth are held to the same number of digits. Infinity if a text or shape differs, or if one
    of two numbers is not finite. An answer of varying length is padded with zeros or empty texts to
    the longest of its batch; this padding makes no difference.

    Args:
        one: output -> values.
        other: the same outputs.
        units: output -> its unit, see `units_of`; 1 where there is none.
    """
    largest = 0.0
    for name, value in one.items():
        a, b = _evened(np.asarray(value), np.asarray(other[name]))
        if a.shape != b.shape:
            return float("inf")
        if _is_text(a):
            largest = max(largest, 0.0 if (a == b).all() else float("inf"))
        elif a.size:
            a, b = a.astype(float), b.astype(float)  # null of JSON becomes NaN
            if not (np.isfinite(a) == np.isfinite(b)).all():
                return float("inf")
            unit = (units or {}).get(name, 1.0)
            largest = max(largest, float(np.nanmax(np.abs(a - b) / (np.abs(b) + unit), initial=0)))
    return largest


def units_of(answers: Iterable[dict[str, Any]]) -> dict[str, float]:
    """The unit of each output of numbers: its root mean square over all answers; 1 if that is 0."""
    sums: dict[str, tuple[float, int]] = {}
    for answer in answers:
        for name, value in answer.items():
            values = np.asarray(value)
            if values.size and not _is_text(values):
                values = values.astype(float)
                before, count = sums.get(name, (0.0, 0))
                known = values[np.isfinite(values)]
                sums[name] = before + float(np.sum(known**2)), count + known.size
    return {name: (total / count) ** 0.5 or 1.0 for name, (total, count) in sums.items() if count}


def _is_text(values: np.ndarray) -> bool:
    # Bytes that are not UTF-8 are dicts in JSON, and numbers that are not finite None.
    return values.dtype.kind in "US" or any(isinstance(value, dict) for value in values.flat)


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


def _gate(app: App[P], params: P, report: dict[str, Any]) -> None:
    refusals = "; ".join(report["refusals"])
    if not refusals:
        return
    if params.export.gate != "warn":
        raise UserError(
            f'{app.name}: not exported: {refusals}. export.gate = "warn" exports it all the same'
        )
    print(f"{app.name} export: WARNING: exported although the judge refuses it", flush=True)


def _carry_over(old: Path, new: Path, *, keep: int) -> None:
    known = layout.versions(old)
    for number in sorted(champion.kept(old) | set(known[max(0, len(known) - keep) :])):
        shutil.copytree(layout.version(old, number), layout.version(new, number))


def _stored(evaluate: Path, fold: str) -> dict[str, dict[str, Any]]:
    """Key -> the answers that evaluate stored for a test row of the fold, by endpoint."""
    with (evaluate / layout.RESPONSES).open() as file:
        return {row["key"]: row for row in map(json.loads, file) if row["fold"] == fold}


def _check_parity(
    app: App[P],
    params: P,
    loaded: SavedModel,
    *,
    truth: Columns,
    stored: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    largest = 0.0
    for name in app.evaluated:
        response = loaded.endpoint(name).in_batches(truth, params.evaluate.batch_size)
        units = units_of(stored[key][name] for key in truth["key"])
        for row, key in enumerate(truth["key"]):
            answer = {n: json_codec.to_json(values[row]) for n, values in response.items()}
            largest = max(largest, difference(answer, stored[key][name], units=units))
    if not largest <= TOLERANCE:
        raise UserError(
            f"{app.name}: the SavedModel differs from evaluate's answers by {largest:.2g} of their "
            f"size; rounding is at most {TOLERANCE:g}"
        )
    return {"parity_rows": len(truth["key"]), "parity_max_difference": largest}


def _write_examples(app: App[P], loaded: SavedModel, truth: Columns, out: Path) -> list[Path]:
    endpoint = loaded.endpoint(app.evaluated[0])
    rows = columns.take(truth, np.arange(min(EXAMPLE_ROWS, len(truth["key"]))))
    if any(len({np.shape(value) for value in rows[name]}) > 1 for name in endpoint.inputs):
        rows = columns.take(truth, np.arange(1))  # one request holds rows of one length
    request = {name: json_codec.to_json(rows[name]) for name in endpoint.inputs}
    instances = [
        {name: values[row] for name, values in request.items()} for row in range(len(rows["key"]))
    ]
    response = endpoint.in_batches(rows, EXAMPLE_ROWS)
    examples = {
        layout.EXAMPLE_REQUEST: {"signature_name": endpoint.name, "instances": instances},
        layout.EXAMPLE_RESPONSE: {"predictions": json_codec.rows_of(response)},
        layout.SIGNATURES: _described(app, loaded.signatures(), response),
    }
    for name, content in examples.items():
        write_json(out / name, content)
    return [out / name for name in examples]


def _described(app: App[P], signatures: dict[str, Any], response: Columns) -> dict[str, Any]:
    """The signatures, with `unit` and `names` of the outputs that `App.outputs` describes."""
    for sides in signatures.values():
        for name, described in sides["outputs"].items():
            output = app.outputs.get(name, Output())
            if output.unit:
                described["unit"] = output.unit
            if output.names:
                described["names"] = json_codec.to_json(response[output.names][0])
    return signatures
