"""Columns: rows of records, requests and answers as named arrays.

A column is an array with a leading axis of rows: stacked where the rows' shapes agree, else an
object array of arrays; texts are an object array of str, bytes that are not UTF-8 stay bytes.

Axis letters: N rows.
"""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seqapps.app import Columns
from seqapps.artifacts import json_codec

CELL_CHARACTERS = 400
"""Most characters of an array in a CSV cell; a longer one is replaced by its shape."""


def column(values: Sequence[Any]) -> np.ndarray:
    """One array (N, ...) of N values: stacked if their shapes agree, else an object array (N,)."""
    values = [json_codec.as_text(value) for value in values]
    shapes = {np.shape(value) for value in values}
    if isinstance(values[0], str | bytes) or len(shapes) > 1:
        out = np.empty(len(values), object)
        out[:] = values
        return out
    return np.stack(values)


def dense(values: np.ndarray) -> np.ndarray:
    """The rows (N, ...) as one array: shorter ones padded with zeros at the end, texts as they are.

    `dense` of an object array that holds [1, 2] and [3] is [[1, 2], [3, 0]].
    """
    if values.dtype != object or isinstance(values[0], str | bytes):
        return values
    longest = np.max([np.shape(value) for value in values], axis=0)
    batch = np.zeros((len(values), *longest), values[0].dtype)
    for row, value in enumerate(values):
        batch[(row, *(slice(0, size) for size in np.shape(value)))] = value
    return batch


def take(columns: Columns, rows: np.ndarray) -> Columns:
    """The given rows of every column; `rows` is an int or bool array (N,)."""
    return {name: values[rows] for name, values in columns.items()}


def from_rows(rows: Sequence[dict[str, Any]]) -> Columns:
    """Columns (N, ...) of N rows that all have the same names; no rows give no columns."""
    return {name: column([row[name] for row in rows]) for name in (rows[0] if rows else ())}


def write_csv(path: Path, columns: Columns) -> None:
    """Writes columns (N, ...) as a CSV table: six digits per number, arrays as JSON."""
    count = len(next(iter(columns.values())))
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in range(count):
            writer.writerow([_cell(values[row]) for values in columns.values()])


def _cell(value: Any) -> Any:
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if np.ndim(value) == 0:
        return f"{value:.6g}" if isinstance(value, float | np.floating) else value
    if np.asarray(value).dtype.kind in "OSU":
        return json.dumps(json_codec.to_json(value), ensure_ascii=False)
    text = json.dumps(np.round(np.asarray(value, float), 6).tolist())
    if len(text) <= CELL_CHARACTERS:
        return text
    return f"<{'x'.join(map(str, np.shape(value)))} numbers>"
