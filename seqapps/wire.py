"""Plain values as a client sends them, and arrays: each way, and what is wrong said in a sentence.

The row form is that of TensorFlow Serving's REST; bytes travel as `{"b64": ...}`.
"""

import base64
import binascii
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

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


def columns_of(instances: Any, inputs: dict[str, Tensor]) -> dict[str, list[Any]]:
    """TensorFlow Serving's row form as columns: a dict per row, or bare values for one input.

    Raises:
        BadRequest: not a list, no rows, or rows that lack a name.
    """
    if not isinstance(instances, list) or not instances:
        raise BadRequest("'instances' is not a list with at least one row")
    if len(inputs) == 1:
        [name] = inputs
        whole = all(isinstance(row, dict) and name in row for row in instances)
        return {name: [row[name] for row in instances] if whole else instances}
    for number, row in enumerate(instances):
        if not isinstance(row, dict):
            raise BadRequest(f"row {number} is not an object with {', '.join(inputs)}")
        same_names(f"row {number}: input", row, inputs)
    return {name: [row[name] for row in instances] for name in inputs}


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


def same_names(what: str, given: Any, wanted: Any) -> None:
    """Raises BadRequest if a name is missing or unknown."""
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
