"""Requests of V1, V2 (REST and gRPC) and TensorFlow Serving's gRPC: bytes in, bytes out.

Runs in the process of a model, so that a body that is hard to decode delays no other model.
"""

import base64
import binascii
import json
import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import tensorflow as tf
from google.protobuf.message import DecodeError
from kserve.errors import InvalidInput
from kserve.protocol.grpc import grpc_predict_v2_pb2 as v2_messages
from kserve.protocol.grpc.servicer import InferenceServicer
from kserve.protocol.infer_type import InferInput, InferOutput, InferRequest, InferResponse
from kserve.utils.numpy_codec import from_np_dtype
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
)

from seqapps.app import Columns, Record
from seqapps.artifacts import json_codec
from seqapps.artifacts.json_codec import BadRequest, Tensor
from seqapps.artifacts.saved_model import Endpoint, SavedModel
from seqapps.serving.messages import Answer, Call, Limits, Parts, Question

MALFORMED = (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError)
MALFORMED += (struct.error, binascii.Error, RecursionError, DecodeError)
"""Errors that decoders raise on malformed requests."""

JSON, PROTOBUF = "application/json", "application/x-protobuf"
BINARY_LENGTH = "inference-header-content-length"

NUMBERS = {"BOOL": bool, "BYTES": str} | dict.fromkeys(
    [*(f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)), "FP32", "FP64"],
    (int, float),
)
"""V2's datatypes, and the kinds of JSON values that they are written as."""

BYTES_OF = {"BOOL": 1, "FP16": 2, "FP32": 4, "FP64": 8}
BYTES_OF |= {f"{sign}INT{bits}": bits // 8 for sign in ("", "U") for bits in (8, 16, 32, 64)}

AVAILABLE = 30
"""TensorFlow Serving's state of a version that answers."""

Versions = Callable[[str | None], SavedModel]
"""The version with a number in a model's path or request, or the one that answers."""


def decode(question: Question, versions: Versions, limits: Limits) -> Call | Answer:
    """The call that a request stands for, or the answer to a question about the model.

    Raises:
        BadRequest: it is not what its protocol asks for, or larger than the limits.
        NoSuchVersion: of `versions`.
    """
    try:
        call = DECODERS[question.kind](question, versions, limits)
    except BadRequest:
        raise
    except InvalidInput as error:
        raise BadRequest(error.reason) from None
    except MALFORMED as error:
        raise BadRequest(f"the body cannot be decoded: {str(error)[:300]}") from None
    for name, rows in call.columns.items() if isinstance(call, Call) else ():
        if count(rows) > limits.rows:
            raise BadRequest(f"'{name}' has {count(rows)} rows; the limit is {limits.rows}")
    return call


def count(rows: Any) -> int:
    """The rows of a column that may be no column at all."""
    return len(rows) if isinstance(rows, list) or getattr(rows, "ndim", 0) else 0


def parsed(body: bytes, limits: Limits) -> dict[str, Any]:
    """The JSON object of a body.

    Raises:
        BadRequest: it is no JSON object, or has more elements than the limit.
    """
    # Lists and objects of a few bytes take a hundred times that in memory, so they are counted
    # before they are made. Signs within texts count too.
    elements = sum(body.count(sign) for sign in (b",", b"[", b"{"))
    if elements > limits.elements:
        most = f"the limit is {limits.elements:,}"
        raise BadRequest(f"the body has about {elements:,} JSON elements; {most}; send fewer rows")
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"the body is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise BadRequest("the body is not a JSON object")
    return content


def _v1(question: Question, versions: Versions, limits: Limits) -> Call:
    body = parsed(question.body, limits)
    if ("instances" in body) == ("inputs" in body):
        raise BadRequest("wanted either 'instances' (rows) or 'inputs' (columns)")
    version = versions(question.version)
    endpoint = _endpoint(version, body.get("signature_name"))
    partly = _on_error(body.get("on_error"))
    if "instances" in body:
        columns = json_codec.columns_of(body["instances"], endpoint.inputs)
        return Call(version, endpoint, columns, partly, _v1_rows)
    columns = body["inputs"]
    if not isinstance(columns, dict):
        if len(endpoint.inputs) != 1:
            raise BadRequest(f"'inputs' is not an object with {', '.join(endpoint.inputs)}")
        columns = dict.fromkeys(endpoint.inputs, columns)
    return Call(version, endpoint, columns, partly, _v1_columns)


def _v1_rows(outcome: Columns | Parts) -> Answer:
    if isinstance(outcome, Parts):
        rows = [None if row is None else _in_row_form(row) for row in outcome.answers]
        return _json({"predictions": rows, "errors": outcome.reasons})
    return _json({"predictions": json_codec.rows_of(outcome)})


def _v1_columns(outcome: Columns | Parts) -> Answer:
    if isinstance(outcome, Parts):
        names = next(row for row in outcome.answers if row is not None)
        outputs = {
            name: [
                None if row is None else json_codec.to_json(row[name]) for row in outcome.answers
            ]
            for name in names
        }
        return _json({"outputs": _bare(outputs), "errors": outcome.reasons})
    return _json({"outputs": _bare({n: json_codec.to_json(v) for n, v in outcome.items()})})


def _v2(question: Question, versions: Versions, limits: Limits) -> Call:
    length = question.json_bytes or len(question.body)
    _check_v2(parsed(question.body[:length], limits), len(question.body) - length)
    request = InferRequest.from_bytes(question.body, length, question.model)

    def encode(response: InferResponse) -> Answer:
        content, json_bytes = response.to_rest()
        if isinstance(content, dict):
            return _json(content)
        headers = {"content-type": "application/octet-stream", BINARY_LENGTH: str(json_bytes)}
        return Answer(200, bytes(content), headers)

    return _tensors(request, question.version, versions, encode)


def _v2_message(question: Question, versions: Versions, limits: Limits) -> Call:
    del limits
    message = v2_messages.ModelInferRequest.FromString(question.body)
    InferenceServicer.validate_grpc_request(message)
    request = InferRequest.from_grpc(message)
    for entry, raw in zip(request.inputs, message.raw_input_contents, strict=False):
        _check_size(entry.name, entry.datatype, entry.shape, len(raw))
    for entry in request.inputs:
        _checked_shape(entry.name, entry.shape)

    def encode(response: InferResponse) -> Answer:
        return Answer(200, response.to_grpc().SerializeToString(), {"content-type": PROTOBUF})

    return _tensors(request, question.version, versions, encode)


def _tensors(
    request: InferRequest,
    number: str | None,
    versions: Versions,
    encode: Callable[[InferResponse], Answer],
) -> Call:
    version = versions(number or request.model_version or None)
    endpoint = _endpoint(version, _parameter(request.parameters, "signature_name"))
    wanted = [output.name for output in request.request_outputs or ()] or list(endpoint.outputs)
    for name in wanted:
        if name not in endpoint.outputs:
            raise BadRequest(f"no output '{name}'; there is: {', '.join(endpoint.outputs)}")
    columns = {entry.name: _values(entry) for entry in request.inputs}

    def answered(outcome: Columns | Parts) -> Answer:
        parameters = None
        if isinstance(outcome, Parts):
            parameters = {"errors": json.dumps(outcome.reasons)}
            outcome = _filled(outcome.answers)
        response = InferResponse(
            response_id=request.id or "",
            model_name=request.model_name,
            model_version=str(version.number),
            infer_outputs=[_output(n, outcome[n], raw=request.from_grpc) for n in wanted],
            use_binary_outputs=request.use_binary_outputs,
            requested_outputs=request.request_outputs,
            parameters=parameters,
        )
        return encode(response)

    partly = _on_error(_parameter(request.parameters, "on_error"))
    return Call(version, endpoint, columns, partly, answered)


def _serving_message(question: Question, versions: Versions, limits: Limits) -> Call:
    """TensorFlow Serving's PredictRequest."""
    del limits
    message = predict_pb2.PredictRequest.FromString(question.body)  # pyright: ignore[reportAttributeAccessIssue] made at run time
    spec = message.model_spec
    version = versions(_number(spec))
    endpoint = _endpoint(version, spec.signature_name or None)
    for name in message.output_filter:
        if name not in endpoint.outputs:
            raise BadRequest(f"no output '{name}'; there is: {', '.join(endpoint.outputs)}")
    columns = {name: _array(name, tensor) for name, tensor in message.inputs.items()}
    wanted = list(message.output_filter) or list(endpoint.outputs)

    def encode(outcome: Columns | Parts) -> Answer:
        assert not isinstance(outcome, Parts)
        response = predict_pb2.PredictResponse()  # pyright: ignore[reportAttributeAccessIssue] made at run time
        response.model_spec.name = spec.name
        response.model_spec.version.value = version.number
        response.model_spec.signature_name = endpoint.name
        for name in wanted:
            response.outputs[name].CopyFrom(tf.make_tensor_proto(outcome[name]))
        return Answer(200, response.SerializeToString(), {"content-type": PROTOBUF})

    return Call(version, endpoint, columns, False, encode)


def _serving_metadata(question: Question, versions: Versions, limits: Limits) -> Answer:
    """The answer to TensorFlow Serving's GetModelMetadataRequest."""
    del limits
    message = get_model_metadata_pb2.GetModelMetadataRequest.FromString(question.body)  # pyright: ignore[reportAttributeAccessIssue] made at run time
    version = versions(_number(message.model_spec))
    response = get_model_metadata_pb2.GetModelMetadataResponse()  # pyright: ignore[reportAttributeAccessIssue] made at run time
    response.model_spec.name = message.model_spec.name
    response.model_spec.version.value = version.number
    described = get_model_metadata_pb2.SignatureDefMap()  # pyright: ignore[reportAttributeAccessIssue] made at run time
    for name, endpoint in version.endpoints.items():
        signature = described.signature_def[name]
        signature.method_name = "tensorflow/serving/predict"
        for side in ("inputs", "outputs"):
            for tensor in getattr(endpoint, side).values():
                info = getattr(signature, side)[tensor.name]
                info.name, info.dtype = tensor.name, tf.as_dtype(tensor.dtype).as_datatype_enum
                info.tensor_shape.CopyFrom(tf.TensorShape(tensor.shape).as_proto())
    response.metadata["signature_def"].Pack(described)
    return Answer(200, response.SerializeToString(), {"content-type": PROTOBUF})


def _serving_status(question: Question, versions: Versions, limits: Limits) -> Answer:
    """The answer to TensorFlow Serving's GetModelStatusRequest, about the version that answers."""
    del limits
    message = get_model_status_pb2.GetModelStatusRequest.FromString(question.body)  # pyright: ignore[reportAttributeAccessIssue] made at run time
    response = get_model_status_pb2.GetModelStatusResponse()  # pyright: ignore[reportAttributeAccessIssue] made at run time
    status = response.model_version_status.add()
    status.version = versions(_number(message.model_spec)).number
    status.state = AVAILABLE
    return Answer(200, response.SerializeToString(), {"content-type": PROTOBUF})


def _number(spec: Any) -> str | None:
    return str(spec.version.value) if spec.HasField("version") else None


DECODERS: dict[str, Callable[[Question, Versions, Limits], Call | Answer]] = {
    "v1": _v1,
    "v2": _v2,
    "v2_message": _v2_message,
    "serving_message": _serving_message,
    "serving_metadata": _serving_metadata,
    "serving_status": _serving_status,
}
"""Protocol -> what decodes its requests."""


def _array(name: str, tensor: Any) -> np.ndarray:
    sizes = [size.size for size in tensor.tensor_shape.dim]
    _checked_shape(name, sizes)
    text = tensor.dtype == tf.string.as_datatype_enum
    values = len(tensor.string_val) if text else None
    if tensor.tensor_content and not text:
        _check_size(name, tf.dtypes.as_dtype(tensor.dtype), sizes, len(tensor.tensor_content))
    elif math.prod(sizes) > max(values or 0, tensor.ByteSize()):
        # One value may stand for all of a tensor, so that a few bytes would take gigabytes.
        raise BadRequest(f"'{name}' of shape {sizes} holds fewer values than that")
    return tf.make_ndarray(tensor)


def _check_v2(body: dict[str, Any], binary: int) -> None:
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
    shape = _checked_shape(name, entry.get("shape"))
    parameters = entry.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise BadRequest(f"'parameters' of '{name}' is not an object")
    if "data" not in entry:
        size = parameters.get("binary_data_size")
        if not isinstance(size, int) or size < 0:
            raise BadRequest(f"'{name}' has neither 'data' nor a 'binary_data_size'")
        _check_size(name, datatype, shape, size)
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


def _checked_shape(name: str, shape: Any) -> list[int]:
    sizes = isinstance(shape, list) and all(type(size) is int and size >= 0 for size in shape)
    if not sizes:
        raise BadRequest(f"'{name}' has shape {str(shape)[:80]}; wanted sizes of 0 and more")
    return shape


def _check_size(name: str, datatype: Any, shape: list[int], size: int) -> None:
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


def _endpoint(version: SavedModel, signature: Any) -> Endpoint:
    if signature is not None and not isinstance(signature, str):
        raise BadRequest("'signature_name' is not text")
    return version.endpoint(signature or None)


def _on_error(value: Any) -> bool:
    if value not in (None, "fail", "null"):
        raise BadRequest('\'on_error\' is neither "fail" nor "null"')
    return value == "null"


def _json(content: Any) -> Answer:
    options = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
    return Answer(200, orjson.dumps(content, option=options), {"content-type": JSON})


def _bare(outputs: dict[str, Any]) -> Any:
    return outputs if len(outputs) != 1 else next(iter(outputs.values()))


def _in_row_form(row: Record) -> Any:
    return _bare({name: json_codec.to_json(value) for name, value in row.items()})


def _filled(answers: list[Record | None]) -> dict[str, np.ndarray]:
    """Columns (N, ...) of answers; a missing one is NaN, 0 or an empty text."""
    known = next(row for row in answers if row is not None)
    missing = {}
    for name, value in known.items():
        dtype = np.asarray(value).dtype
        empty = b"" if dtype.kind in "OSU" else np.nan if dtype.kind == "f" else 0
        missing[name] = np.full(np.shape(value), empty, object if dtype.kind in "OSU" else dtype)
    rows = [{n: np.asarray(v) for n, v in (row or missing).items()} for row in answers]
    return {name: _dense([row[name] for row in rows]) for name in known}


def _dense(values: list[np.ndarray]) -> np.ndarray:
    """Arrays as one (N, ...), padded at the ends with zeros or empty texts to the longest."""
    longest = np.max([value.shape for value in values], axis=0) if values[0].ndim else ()
    text = values[0].dtype.kind in "OSU"
    batch = np.full(
        (len(values), *map(int, longest)),
        b"" if text else 0,
        object if text else values[0].dtype,
    )
    for row, value in enumerate(values):
        batch[(row, *(slice(0, size) for size in value.shape))] = value
    return batch


def _values(entry: InferInput) -> Any:
    try:
        with np.errstate(over="ignore"):  # overflow becomes infinite, which is refused
            values = entry.as_numpy()
        if entry.datatype == "BYTES" and _parameter(entry.parameters, "content_type") == "base64":
            flat = [base64.b64decode(value, validate=True) for value in values.ravel()]
            values.ravel()[:] = flat
    except InvalidInput:
        raise BadRequest(
            f"'{entry.name}' has datatype {entry.datatype}, which is not known"
        ) from None
    except MALFORMED:
        raise BadRequest(
            f"'{entry.name}': the data are not {entry.datatype} of shape {entry.shape}"
        ) from None
    return values


def _parameter(parameters: Any, name: str) -> Any:
    value = parameters.get(name) if parameters and name in parameters else None
    return getattr(value, "string_param", value)


def _output(name: str, values: np.ndarray, *, raw: bool | None) -> InferOutput:
    output = InferOutput(name, list(values.shape), datatype(values.dtype), values)
    if raw:  # KServe's conversion to gRPC fails: it tests the truth of an array
        output.set_data_from_numpy(values)
    return output


def tensors(described: dict[str, Tensor]) -> list[dict[str, Any]]:
    """Inputs or outputs of an endpoint as V2 metadata: names, datatypes, shapes."""
    return [
        {
            "name": tensor.name,
            "datatype": datatype(
                np.dtype(object if tensor.dtype == json_codec.TEXT else tensor.dtype)
            ),
            "shape": [-1 if size is None else size for size in tensor.shape],
        }
        for tensor in described.values()
    ]


def datatype(dtype: np.dtype) -> str:
    """V2's name of a dtype."""
    return "BYTES" if dtype.kind == "O" else from_np_dtype(dtype)
