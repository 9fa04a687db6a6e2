"""Dynamic batching: requests that wait for the same endpoint are answered in one call.

Requests are joined if the rows of all their inputs have the same shape; texts, if their lengths
have the same number of binary digits. Only endpoints are joined whose answers have fixed shapes,
since others pad to the longest row of a call. Answers differ from those to single requests by
rounding alone, within `ROUNDING`. Joining adds no waiting time unless `seconds` is set: what has
come while the model was busy is answered next, together.
"""

import time
from typing import Any

import numpy as np

from seqapps.app import Columns
from seqapps.artifacts import json_codec
from seqapps.artifacts.json_codec import BadRequest
from seqapps.artifacts.saved_model import Endpoint, SavedModel
from seqapps.serving.messages import Batching, Call

ROUNDING = 1e-5
"""Largest difference of a number in an answer, relative to the largest of its output."""

MOST_BYTES = 4_000_000
"""No more bodies are joined once they have so many bytes together."""

ROUNDS, MOST_SECONDS, ROWS_TIMED, WORTH = 6, 1.0, 8, 0.7


def pays(model: SavedModel, batching: Batching) -> dict[str, bool]:
    """Endpoint -> whether its requests are joined: whether `WORTH` of the time is enough.

    Measured with the version's example request: eight times its rows in one call against eight
    calls, and taken for all endpoints. Without an example nothing is joined.
    """
    joined = {name: _is_fixed(one) for name, one in model.endpoints.items()}
    request = model.example()
    if batching.always and batching.rows > 1:
        return joined
    if batching.rows < 2 or request is None or not any(joined.values()):
        return dict.fromkeys(joined, False)
    endpoint, columns = request
    several = {name: np.concatenate([rows] * ROWS_TIMED) for name, rows in columns.items()}
    one, all_at_once = _fastest(endpoint, columns), _fastest(endpoint, several)
    worth = all_at_once < WORTH * ROWS_TIMED * one
    return {name: fixed and worth for name, fixed in joined.items()}


def groups(calls: dict[int, Call], joined: dict[str, bool], rows: int) -> list[list[int]]:
    """The numbers of calls that are answered together, in the order they came.

    Args:
        calls: by number; columns of calls that are joined become arrays.
        joined: endpoint -> whether its calls are joined.
        rows: most rows of a group of several.
    """
    parts: dict[Any, list[list[int]]] = {}
    sizes: dict[int, int] = {}
    for number, call in calls.items():
        key = _key(call) if joined.get(call.endpoint.name) and not call.partly else None
        if key is None:
            parts[number] = [[number]]
            continue
        sizes[number] = len(next(iter(call.columns.values())))
        alike = parts.setdefault(key, [[]])
        if alike[-1] and sum(sizes[n] for n in alike[-1]) + sizes[number] > rows:
            alike.append([])
        alike[-1].append(number)
    return [group for alike in parts.values() for group in alike]


def answered(calls: list[Call]) -> list[Columns]:
    """The answers to calls of one group, each name -> array (N, ...) of its rows.

    Raises:
        BadRequest: a row of one of them is refused.
    """
    endpoint = calls[0].endpoint
    answer = endpoint(
        {name: np.concatenate([call.columns[name] for call in calls]) for name in endpoint.inputs}
    )
    ends = np.cumsum([len(next(iter(call.columns.values()))) for call in calls])[:-1]
    parts = {name: np.split(values, ends) for name, values in answer.items()}
    return [{name: values[i] for name, values in parts.items()} for i in range(len(calls))]


def _key(call: Call) -> Any:
    """The endpoint and shapes that calls must share to be joined; None if this one cannot be."""
    try:
        json_codec.same_names("input", call.columns, wanted=call.endpoint.inputs)
        arrays = {n: call.endpoint.inputs[n].array(rows) for n, rows in call.columns.items()}
    except BadRequest:  # which is said when it is answered alone
        return None
    counts = {len(array) for array in arrays.values() if array.ndim}
    if len(counts) != 1 or counts == {0}:
        return None
    call.columns.update(arrays)
    shapes = tuple((name, array.shape[1:], _digits(array)) for name, array in arrays.items())
    return id(call.endpoint), shapes


def _digits(array: np.ndarray) -> int:
    if array.dtype != object:
        return 0
    return max((len(text) for text in array.ravel()), default=0).bit_length()


def _is_fixed(endpoint: Endpoint) -> bool:
    shapes = [tensor.shape for tensor in endpoint.outputs.values()]
    return all(shape and shape[0] is None and None not in shape[1:] for shape in shapes)


def _fastest(endpoint: Endpoint, columns: Columns) -> float:
    """The seconds of the fastest of some calls, no more than take `MOST_SECONDS` in all."""
    seconds: list[float] = []
    while len(seconds) < ROUNDS and sum(seconds) < MOST_SECONDS:
        start = time.perf_counter()
        endpoint(columns)
        seconds.append(time.perf_counter() - start)
    return min(seconds)
