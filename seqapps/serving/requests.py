"""Requests of V1, V2 (REST and gRPC) and TensorFlow Serving's gRPC: bytes in, bytes out.

Runs in the process of a model, so that a body that is hard to decode delays no other model.
"""

import base64
import binascii
import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
from google.protobuf.message import DecodeError
from kserve.errors import InvalidInput
from kserve.protocol.grpc import grpc_predict_v2_pb2 as v2_messages
from kserve.protocol.grpc.servicer import InferenceServicer
from kserve.protocol.infer_type import InferInput, InferOutput, InferRequest, InferResponse
from kserve.utils.numpy_codec import from_np_dtype

from seqapps.app import Columns, Record
from seqapps.artifacts import json_codec
from seqapps.artifacts.json_codec import BadRequest, Tensor
from seqapps.artifacts.saved_model import Endpoint, SavedModel
from seqapps.serving import tensor_checks, tensorflow_serving_api
from seqapps.serving.messages import PROTOBUF, Answer, Call, Limits, Parts, Question, Versions

MALFORMED = (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError)
MALFORMED += (struct.error, binascii.Error, RecursionError, DecodeError)
"""Errors that decoders raise on malformed requests."""

JSON = "application/json"
BINARY_LENGTH = "inference-header-content-length"


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
    tensor_checks.check_v2(parsed(question.body[:length], limits), len(question.body) - length)
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
        tensor_checks.check_size(entry.name, entry.datatype, entry.shape, len(raw))
    for entry in request.inputs:
        tensor_checks.checked_shape(entry.name, entry.shape)

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


DECODERS: dict[str, Callable[[Question, Versions, Limits], Call | Answer]] = {
    "v1": _v1,
    "v2": _v2,
    "v2_message": _v2_message,
    "serving_message": tensorflow_serving_api.predict,
    "serving_metadata": tensorflow_serving_api.metadata,
    "serving_status": tensorflow_serving_api.status,
}
"""Protocol -> what decodes its requests."""


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
