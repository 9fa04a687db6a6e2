"""Conversion of JSON values to arrays and back; errors are one sentence for the client.

The row form is that of TensorFlow Serving's REST. Bytes that are not UTF-8 are written as
`{"b64": ...}`, numbers that are not finite as null.

Axis letters: N rows.
"""

import base64
import binascii
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from seqapps.app import Columns

TEXT = "string"
"""TensorFlow's name of the dtype of texts and bytes."""


class BadRequest(ValueError):
    """A request that cannot be used: the message says what was found and what was wanted."""


@dataclass(frozen=True)
class Tensor:
    """One input or output: its name, TensorFlow's name of its dtype, its shape (None = varies)."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        sizes = ", ".join("any" if size is None else str(size) for size in self.shape)
        return f"{self.name}: {self.dtype} ({sizes})"

    def array(self, values: Any) -> np.ndarray:
        """Plain values (nested lists, `{"b64": ...}` for bytes) as an array (N, ...).

        Its dtype and shape are this tensor's.

        Raises:
            BadRequest: ragged rows, values of another kind, range or shape, or not finite.
        """
        if self.dtype == TEXT:
            return self._checked(_texts(values, self))
        try:
            array = np.array(values)
        except (ValueError, OverflowError):
            raise BadRequest(
                f"'{self.name}' has rows of different lengths; send them apart"
            ) from None
        kinds = {"float": "fiu", "int": "iu", "uint": "iu", "bool": "b"}
        wanted = np.dtype(self.dtype)
        if array.size and array.dtype.kind not in kinds[wanted.name.rstrip("0123456789")]:
            raise BadRequest(f"'{self.name}' holds {_kind(array)}; wanted {self.dtype}")
        if wanted.kind in "iu" and array.size and not _fits(array, wanted):
            raise BadRequest(f"'{self.name}' holds a number outside {self.dtype}")
        with np.errstate(over="ignore"):  # overflow becomes infinite, which is refused
            return self._checked(array.astype(wanted))

    def _checked(self, values: np.ndarray) -> np.ndarray:
        same = values.ndim == len(self.shape) and all(
            size in (None, actual) for size, actual in zip(self.shape, values.shape, strict=True)
        )
        if not same:
            raise BadRequest(f"'{self.name}' has shape {values.shape}; wanted {self}")
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise BadRequest(f"'{self.name}' holds a value that is not a finite number")
        return values


def columns_of(instances: Any, inputs: Mapping[str, Tensor]) -> dict[str, list[Any]]:
    """N rows in TensorFlow Serving's form as columns: name -> list (N,) of values.

    A row is a dict, or a bare value if there is one input.

    Raises:
        BadRequest: not a list, no rows, or a row with missing or unknown names.
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
        same_names(f"row {number}: input", row, wanted=inputs)
    return {name: [row[name] for row in instances] for name in inputs}


def rows_of(answer: Columns) -> list[Any]:
    """An answer, name -> array (N, ...), in row form: N dicts, or N bare values of one output."""
    lists = {name: to_json(values) for name, values in answer.items()}
    if len(lists) == 1:
        return next(iter(lists.values()))
    count = len(next(iter(lists.values())))
    return [{name: values[row] for name, values in lists.items()} for row in range(count)]


def to_json(value: Any) -> Any:
    r"""An array, list, NumPy number, text or bytes as a JSON value.

    >>> to_json([b"text", b"\xff", np.float32(0.5), np.nan])
    ['text', {'b64': '/w=='}, 0.5, None]
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [to_json(part) for part in value]
    if isinstance(value, bytes):
        text = as_text(value)
        return text if isinstance(text, str) else {"b64": base64.b64encode(value).decode()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def from_json(value: Any) -> Any:
    """The value with bytes instead of `{"b64": ...}`.

    Raises:
        ValueError: the text is not base64.
    """
    if isinstance(value, list):
        return [from_json(part) for part in value]
    if isinstance(value, dict) and list(value) == ["b64"] and isinstance(value["b64"], str):
        return base64.b64decode(value["b64"], validate=True)
    return value


def as_text(value: Any) -> Any:
    """Bytes that are UTF-8 as str; everything else as it is."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
    return value


def texts_of(values: np.ndarray) -> np.ndarray:
    """An array (N, ...) with str instead of bytes that are UTF-8; the same shape."""
    if values.dtype != object:
        return values
    texts = np.empty(values.size, object)
    texts[:] = [as_text(value) for value in values.ravel()]
    return texts.reshape(values.shape)


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
        try:
            value = from_json(value)
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
    array = np.empty(len(flat), object)
    array[:] = flat
    return array.reshape(sizes)


def _flattened(nested: Any, sizes: list[int], tensor: Tensor) -> list[Any]:
    if not sizes:
        if isinstance(nested, list):
            raise BadRequest(f"'{tensor.name}' has rows of different lengths; send them apart")
        return [nested]
    if not isinstance(nested, list) or len(nested) != sizes[0]:
        raise BadRequest(f"'{tensor.name}' has rows of different lengths; send them apart")
    return [value for inner in nested for value in _flattened(inner, sizes[1:], tensor)]


def same_names(what: str, names: Iterable[str], *, wanted: Iterable[str]) -> None:
    """Raises BadRequest if a name is missing or unknown."""
    missing, unknown = sorted(set(wanted) - set(names)), sorted(set(names) - set(wanted))
    if missing:
        raise BadRequest(f"{what} '{missing[0]}' is missing; wanted: {', '.join(wanted)}")
    if unknown:
        raise BadRequest(f"{what} '{unknown[0]}' is not known; wanted: {', '.join(wanted)}")


def _kind(values: np.ndarray) -> str:
    known = {"U": "text", "O": "mixed values", "b": "booleans", "f": "fractions"}
    return known.get(values.dtype.kind, str(values.dtype))


def _fits(values: np.ndarray, wanted: np.dtype) -> bool:
    info = np.iinfo(wanted)
    return bool(values.min() >= info.min and values.max() <= info.max)
