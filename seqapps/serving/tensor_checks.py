"""Checks of V2's tensors: names, datatypes, shapes and sizes that fit each other.

KServe takes a shape of -1, texts for numbers, and a binary part of another length.
"""

import math
from typing import Any

import tensorflow as tf

from seqapps.artifacts.json_codec import BadRequest

NUMBERS = {"BOOL": bool, "BYTES": str} | dict.fromkeys(
    [*(f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)), "FP32", "FP64"],
    (int, float),
)
"""V2's datatypes, and the kinds of JSON values that they are written as."""

BYTES_OF = {"BOOL": 1, "FP16": 2, "FP32": 4, "FP64": 8}
BYTES_OF |= {f"{sign}INT{bits}": bits // 8 for sign in ("", "U") for bits in (8, 16, 32, 64)}


def check_v2(body: dict[str, Any], binary: int) -> None:
    """Raises BadRequest unless the JSON of a V2 request fits its datatypes, shapes and tail."""
    inputs = body.get("inputs")
    if not isinstance(inputs, list) or not inputs:
        raise BadRequest("'inputs' is not a list with at least one tensor")
    for part in ("parameters", "outputs"):
        kind = dict if part == "parameters" else list
        if not isinstance(body.get(part, kind()) or kind(), kind):
            raise BadRequest(f"'{part}' is not {'an object' if kind is dict else 'a list'}")
    for output in body.get("outputs") or []:
        if not isinstance(output, dict) or not isinstance(output.get("name"), str):
            raise BadRequest("an entry of 'outputs' has no name")
        if not isinstance(output.get("parameters") or {}, dict):
            raise BadRequest(f"'parameters' of '{output['name']}' is not an object")
    if not isinstance(body.get("id") or "", str):
        raise BadRequest("'id' is not text")
    for number, entry in enumerate(inputs):
        binary -= _check_tensor(number, entry)
    if binary:
        raise BadRequest(
            f"the body's binary part differs by {binary} bytes from 'binary_data_size'"
        )


def _check_tensor(number: int, entry: Any) -> int:
    """The bytes of a tensor in the body's binary part, 0 if it is written as JSON."""
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise BadRequest(f"entry {number} of 'inputs' has no name")
    name, datatype = entry["name"], entry.get("datatype")
    if datatype not in (*NUMBERS, "FP16"):
        raise BadRequest(f"'{name}' has datatype {datatype}; wanted one of {', '.join(NUMBERS)}")
    shape = checked_shape(name, entry.get("shape"))
    parameters = entry.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise BadRequest(f"'parameters' of '{name}' is not an object")
    if "data" not in entry:
        size = parameters.get("binary_data_size")
        if not isinstance(size, int) or size < 0:
            raise BadRequest(f"'{name}' has neither 'data' nor a 'binary_data_size'")
        check_size(name, datatype, shape, size)
        return size
    flat = _flat(entry["data"])
    if len(flat) != math.prod(shape):
        raise BadRequest(f"'{name}': the data are not {datatype} of shape {shape}")
    kind = NUMBERS.get(datatype)
    if kind is None:
        raise BadRequest(f"'{name}' has datatype FP16, which JSON cannot hold; send it as binary")
    for index, value in enumerate(flat):
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise BadRequest(
                f"'{name}' holds a {type(value).__name__} at place {index}; wanted {datatype}"
            )
    return 0


def checked_shape(name: str, shape: Any) -> list[int]:
    """The shape of a tensor.

    Raises:
        BadRequest: it is no list of sizes of 0 and more.
    """
    sizes = isinstance(shape, list) and all(type(size) is int and size >= 0 for size in shape)
    if not sizes:
        raise BadRequest(f"'{name}' has shape {str(shape)[:80]}; wanted sizes of 0 and more")
    return shape


def check_size(name: str, datatype: Any, shape: list[int], size: int) -> None:
    """Raises BadRequest unless `size` bytes are a tensor of the shape; texts have any size."""
    width = datatype.size if isinstance(datatype, tf.DType) else BYTES_OF.get(datatype)
    wanted = (width or 0) * math.prod(shape)
    if width and size != wanted:
        raise BadRequest(f"'{name}' has {size} bytes; {shape} of {datatype} are {wanted}")


def _flat(data: Any) -> list[Any]:
    values, level = data if isinstance(data, list) else [data], 0
    while any(isinstance(value, list) for value in values):
        level += 1
        if level > 8:
            raise BadRequest("'data' is nested deeper than eight lists")
        values = [v for value in values for v in (value if isinstance(value, list) else [value])]
    return values
