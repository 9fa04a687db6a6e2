"""An exported SavedModel as a function of plain values: for servers and for notebooks.

Needs TensorFlow and NumPy and nothing else of ours, so that a server's environment, which has
another TensorFlow and no training code, can use it too. TensorFlow is imported when a model is
loaded, not before.
"""

import base64
import binascii
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

SIGNATURES = "signatures.json"
"""Beside `model/`: endpoint -> {"inputs", "outputs"} -> name -> {"dtype", "shape"}, for people."""

DEFAULT = "serving_default"
TEXT = "string"
Columns = dict[str, np.ndarray]


class BadRequest(ValueError):
    """What a client sent cannot be used: the message says what was found and what was wanted."""


@dataclass(frozen=True)
class Tensor:
    """One input or output: its dtype by TensorFlow's name, its shape with None where it varies."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        sizes = ", ".join("any" if size is None else str(size) for size in self.shape)
        return f"{self.name}: {self.dtype} ({sizes})"

    def array(self, values: Any) -> np.ndarray:
        """Plain values (nested lists, `{"b64": ...}` for bytes) as an array of this tensor.

        Raises:
            BadRequest: ragged rows, another kind of value, or another shape.
        """
        if self.dtype == TEXT:
            return self._checked(_texts(values, self))
        try:
            found = np.array(values)
        except (ValueError, OverflowError):
            raise BadRequest(
                f"'{self.name}' has rows of different lengths; send them apart"
            ) from None
        kinds = {"float": "fiu", "int": "iu", "uint": "iu", "bool": "b"}
        wanted = np.dtype(self.dtype)
        if found.size and found.dtype.kind not in kinds[wanted.name.rstrip("0123456789")]:
            raise BadRequest(f"'{self.name}' holds {_named(found)}; wanted {self.dtype}")
        if wanted.kind in "iu" and found.size and not _fits(found, wanted):
            raise BadRequest(f"'{self.name}' holds a number outside {self.dtype}")
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is refused
            return self._checked(found.astype(wanted))

    def _checked(self, values: np.ndarray) -> np.ndarray:
        same = values.ndim == len(self.shape) and all(
            size in (None, given) for size, given in zip(self.shape, values.shape, strict=True)
        )
        if not same:
            raise BadRequest(f"'{self.name}' has shape {values.shape}; wanted {self}")
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise BadRequest(f"'{self.name}' holds a value that is not a finite number")
        return values


@dataclass(frozen=True)
class Endpoint:
    """A signature of a SavedModel: named arrays in, named arrays out."""

    name: str
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]
    function: Any

    def __call__(self, columns: dict[str, Any]) -> Columns:
        """The answers to columns of plain values or arrays; text comes back as bytes objects.

        Raises:
            BadRequest: a name is missing or unknown, the columns differ in rows, a value does not
                fit, or the graph itself refuses the values.
        """
        import tensorflow as tf

        _same_names("input", columns, self.inputs)
        arrays = {name: self.inputs[name].array(values) for name, values in columns.items()}
        counts = sorted({len(array) for array in arrays.values() if array.ndim})
        if len(counts) != 1 or counts == [0]:
            raise BadRequest(f"the inputs hold {counts} rows; wanted the same number, at least 1")
        given = {
            name: tf.constant(array, dtype=self.inputs[name].dtype)
            for name, array in arrays.items()
        }
        try:
            answer = self.function(**given)
        except (tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError) as error:
            raise BadRequest(f"the model refuses these values: {_reason(error)}") from None
        return {name: tensor.numpy() for name, tensor in answer.items()}


class SavedModel:
    """A version of an exported model, loaded.

    `endpoints` maps a signature's name to its `Endpoint`; `number` is the folder's.
    """

    def __init__(self, folder: Path):
        import tensorflow as tf

        self.folder, self.number = folder, int(folder.name) if folder.name.isdigit() else 0
        self._owner = tf.saved_model.load(str(folder))  # owns the variables: keep it
        self.endpoints = {
            name: Endpoint(name, *_tensors(function), function)
            for name, function in self._owner.signatures.items()
        }

    def endpoint(self, name: str | None) -> Endpoint:
        """The endpoint called `name`; None means `serving_default`."""
        known = ", ".join(self.endpoints)
        if name is not None and name not in self.endpoints:
            raise BadRequest(f"no signature '{name}'; there is: {known}")
        return self.endpoints[name or DEFAULT]

    def signatures(self) -> dict[str, Any]:
        """Endpoint -> inputs and outputs -> name -> dtype and shape, as plain values."""
        return {
            name: {
                side: {t.name: {"dtype": t.dtype, "shape": list(t.shape)} for t in tensors.values()}
                for side, tensors in (("inputs", one.inputs), ("outputs", one.outputs))
            }
            for name, one in self.endpoints.items()
        }


class Model:
    """An exported model for Python: call it with rows, get the endpoint's answer.

    >>> model = seqapps.open("dna")  # doctest: +SKIP
    >>> model(["ACGT" * 30])["probability"].shape  # doctest: +SKIP
    (1, 4)
    """

    def __init__(self, exported: Path):
        bare = (exported / "saved_model.pb").exists()
        self.exported, self.folder = exported, exported if bare else newest(exported / "model")

    @cached_property
    def saved(self) -> SavedModel:
        """The SavedModel; loading it imports TensorFlow."""
        return SavedModel(self.folder)

    def __call__(self, *rows: Any, endpoint: str = DEFAULT, **named: Any) -> dict[str, Any]:
        """The endpoint's answer, name -> array with a row per row given; text as str.

        Args:
            *rows: the rows of each input, in the order the repr shows them.
            endpoint: which one to ask.
            **named: rows of inputs by name.

        Raises:
            BadRequest: what was given does not fit the endpoint.
        """
        asked = self.saved.endpoint(endpoint)
        if len(rows) > len(asked.inputs):
            raise BadRequest(
                f"{len(rows)} inputs given; {endpoint} takes {', '.join(asked.inputs)}"
            )
        columns = dict(zip(asked.inputs, rows, strict=False)) | named
        return {name: decoded(values) for name, values in asked(columns).items()}

    def __repr__(self) -> str:
        described = self.exported / SIGNATURES
        if not described.exists():
            return f"<model {self.folder}>"
        lines = [f"<model {self.folder}"]
        for name, sides in json.loads(described.read_text()).items():
            taken, given = (_described(sides[side]) for side in ("inputs", "outputs"))
            lines.append(f"  {name}({taken})\n    -> {given}")
        return "\n".join(lines) + ">"


def versions(model: Path) -> list[int]:
    """The version numbers in a `model/` folder, rising."""
    return sorted(
        int(path.name)
        for path in model.glob("*")
        if path.name.isdigit() and (path / "saved_model.pb").exists()
    )


def newest(model: Path) -> Path:
    """The folder of the highest version in `model/`.

    Raises:
        FileNotFoundError: there is none.
    """
    found = versions(model)
    if not found:
        raise FileNotFoundError(f"{model}: no exported model; run make <app> first")
    return model / str(found[-1])


def columns_of(instances: Any, endpoint: Endpoint) -> dict[str, list[Any]]:
    """TensorFlow Serving's row form as columns: a dict per row, or bare values for one input.

    Raises:
        BadRequest: not a list, no rows, or rows that lack a name.
    """
    if not isinstance(instances, list) or not instances:
        raise BadRequest("'instances' is not a list with at least one row")
    if len(endpoint.inputs) == 1:
        [name] = endpoint.inputs
        whole = all(isinstance(row, dict) and name in row for row in instances)
        return {name: [row[name] for row in instances] if whole else instances}
    for number, row in enumerate(instances):
        if not isinstance(row, dict):
            raise BadRequest(f"row {number} is not an object with {', '.join(endpoint.inputs)}")
        _same_names(f"row {number}: input", row, endpoint.inputs)
    return {name: [row[name] for row in instances] for name in endpoint.inputs}


def rows_of(answer: Columns) -> list[Any]:
    """An answer in row form: a dict per row, bare values if there is one output."""
    lists = {name: plain(values) for name, values in answer.items()}
    count = len(next(iter(lists.values())))
    if len(lists) == 1:
        return next(iter(lists.values()))
    return [{name: values[row] for name, values in lists.items()} for row in range(count)]


def plain(values: Any) -> Any:
    """An array as JSON can hold it: lists, numbers, text; bytes that are no text as b64."""
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if isinstance(values, list):
        return [plain(value) for value in values]
    if isinstance(values, bytes):
        try:
            return values.decode()
        except UnicodeDecodeError:
            return {"b64": base64.b64encode(values).decode()}
    if isinstance(values, float) and not math.isfinite(values):
        return None
    return values


def decoded(values: np.ndarray) -> np.ndarray:
    """An array with text instead of bytes, where it is text."""
    if values.dtype != object:
        return values
    flat = [plain(value) for value in values.ravel()]
    found = np.empty(len(flat), object)
    found[:] = [
        v if isinstance(v, str) else raw for v, raw in zip(flat, values.ravel(), strict=True)
    ]
    return found.reshape(values.shape)


def _tensors(function: Any) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    def described(specs: Iterable[tuple[str, Any]]) -> dict[str, Tensor]:
        return {
            name: Tensor(name, spec.dtype.name, tuple(spec.shape)) for name, spec in sorted(specs)
        }

    return (
        described(function.structured_input_signature[1].items()),
        described(function.structured_outputs.items()),
    )


def _texts(values: Any, tensor: Tensor) -> np.ndarray:
    def one(value: Any, depth: int) -> Any:
        if isinstance(value, np.ndarray):
            value = value.tolist()
        if isinstance(value, list | tuple):
            if depth == 0:
                raise BadRequest(f"'{tensor.name}' is nested deeper than {tensor}")
            return [one(inner, depth - 1) for inner in value]
        if isinstance(value, str):
            return value.encode("utf-8", "surrogatepass")
        if isinstance(value, dict) and list(value) == ["b64"] and isinstance(value["b64"], str):
            try:
                return base64.b64decode(value["b64"], validate=True)
            except (binascii.Error, ValueError):
                raise BadRequest(f"'{tensor.name}' holds a b64 that is not base64") from None
        if isinstance(value, bytes):
            return value
        kind = type(value).__name__
        raise BadRequest(f"'{tensor.name}' holds a {kind}; wanted text or {{\"b64\": ...}}")

    nested = level = one(values, len(tensor.shape))
    sizes = []
    while isinstance(level, list):
        sizes.append(len(level))
        level = level[0] if level else None
    flat = _flattened(nested, sizes, tensor)
    found = np.empty(len(flat), object)
    found[:] = flat
    return found.reshape(sizes)


def _flattened(nested: Any, sizes: list[int], tensor: Tensor) -> list[Any]:
    if not sizes:
        if isinstance(nested, list):
            raise BadRequest(f"'{tensor.name}' has rows of different lengths; send them apart")
        return [nested]
    if not isinstance(nested, list) or len(nested) != sizes[0]:
        raise BadRequest(f"'{tensor.name}' has rows of different lengths; send them apart")
    return [value for inner in nested for value in _flattened(inner, sizes[1:], tensor)]


def _same_names(what: str, given: Any, wanted: Any) -> None:
    missing, unknown = sorted(set(wanted) - set(given)), sorted(set(given) - set(wanted))
    if missing:
        raise BadRequest(f"{what} '{missing[0]}' is missing; wanted: {', '.join(wanted)}")
    if unknown:
        raise BadRequest(f"{what} '{unknown[0]}' is not known; wanted: {', '.join(wanted)}")


def _named(values: np.ndarray) -> str:
    known = {"U": "text", "O": "mixed values", "b": "booleans", "f": "fractions"}
    return known.get(values.dtype.kind, str(values.dtype))


def _fits(values: np.ndarray, wanted: np.dtype) -> bool:
    info = np.iinfo(wanted)
    return bool(values.min() >= info.min and values.max() <= info.max)


def _reason(error: Exception) -> str:
    """The sentence in TensorFlow's message: of a failed assertion, the text it was given."""
    lines = str(getattr(error, "message", error)).strip().splitlines()
    said = [line for line in lines if line.strip() and "[[{{node" not in line]
    asserted = re.search(r"assertion failed: \[(.*?)\](?: \[|$)", said[-1])
    found = asserted[1].replace("\\'", "'") if asserted else said[-1]
    return found.strip()[:300]


def _described(tensors: dict[str, Any]) -> str:
    return ", ".join(
        str(Tensor(name, one["dtype"], tuple(one["shape"]))) for name, one in tensors.items()
    )
