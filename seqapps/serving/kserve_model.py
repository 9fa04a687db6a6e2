"""KServe's requests answered by a SavedModel: V1 bodies and V2 tensors, in and out.

Shapes are those of the model's signatures.
"""

import asyncio
import base64
import binascii
import contextvars
import json
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import kserve
import numpy as np
from kserve.errors import InvalidInput, ModelNotFound
from kserve.protocol.infer_type import InferInput, InferOutput, InferRequest, InferResponse
from kserve.utils.numpy_codec import from_np_dtype

from seqapps.app import Record
from seqapps.artifacts import json_codec
from seqapps.artifacts.json_codec import BadRequest, Tensor
from seqapps.artifacts.saved_model import Endpoint, SavedModel, in_parts
from seqapps.serving.version_watcher import NoSuchVersion, Versions

MALFORMED = (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError)
MALFORMED += (struct.error, binascii.Error, RecursionError)
"""Errors that decoders raise on malformed requests."""

asked_version: contextvars.ContextVar[str | None] = contextvars.ContextVar("version", default=None)
"""The version in the path of the current request; None if there is none."""


@dataclass(frozen=True)
class Limits:
    """Limits of one request: bytes of its body, rows, seconds of its answer."""

    body_bytes: int
    rows: int
    seconds: float


class KServeModel(kserve.Model):
    """One application's model for KServe: `predict` for V1 and V2, in a thread, within limits."""

    def __init__(self, versions: Versions, limits: Limits, pool: ThreadPoolExecutor):
        super().__init__(versions.name)
        self.versions, self.limits, self.pool = versions, limits, pool
        self.ready = bool(versions.loaded)
        self.enable_latency_logging = False

    def load(self) -> bool:
        """True if a version answers; loading is the watcher's work."""
        self.ready = bool(self.versions.loaded)
        return self.ready

    def stop(self) -> None:
        """Keeps the versions: requests that are under way still need them."""

    def version(self, number: str | None = None) -> SavedModel:
        """The version in the path, else `number`, else the champion or the newest.

        Raises:
            ModelNotFound: it is not loaded.
        """
        try:
            return self.versions.version(asked_version.get() or number or None)
        except NoSuchVersion as error:
            missing = ModelNotFound()
            missing.reason = str(error)
            raise missing from None

    def get_input_types(self) -> list[dict[str, Any]]:
        """The inputs of `serving_default` as V2 metadata."""
        return _metadata(self.version().endpoint(None).inputs)

    def get_output_types(self) -> list[dict[str, Any]]:
        """The outputs of `serving_default` as V2 metadata."""
        return _metadata(self.version().endpoint(None).outputs)

    async def predict(
        self, payload: Any, headers: Any = None, response_headers: Any = None
    ) -> dict[str, Any] | InferResponse:
        """Answers a V1 body (dict) or a V2 request.

        Raises:
            InvalidInput: the request cannot be used; the reason says why.
        """
        del headers, response_headers
        answer = self._v2 if isinstance(payload, InferRequest) else self._v1
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        work = loop.run_in_executor(self.pool, lambda: context.run(_as_invalid, answer, payload))
        try:
            return await asyncio.wait_for(work, self.limits.seconds)
        except TimeoutError:
            raise InvalidInput(
                f"the answer takes over {self.limits.seconds:g} seconds; send fewer or shorter rows"
            ) from None

    async def explain(self, payload: Any, headers: Any = None) -> Any:
        """Refused: no endpoint of that kind."""
        del payload, headers
        raise InvalidInput(f"{self.name} has no explain endpoint; use :predict")

    def _v1(self, body: Any) -> dict[str, Any]:
        if not isinstance(body, dict):
            raise BadRequest("the body is not a JSON object with 'instances' or 'inputs'")
        if ("instances" in body) == ("inputs" in body):
            raise BadRequest("wanted either 'instances' (rows) or 'inputs' (columns)")
        endpoint = _endpoint(self.version(), body.get("signature_name"))
        partly = _on_error(body.get("on_error"))
        if "instances" in body:
            columns = json_codec.columns_of(body["instances"], endpoint.inputs)
            if partly:
                answers, reasons = self._in_parts(endpoint, columns)
                rows = [None if row is None else _in_row_form(row) for row in answers]
                return {"predictions": rows, "errors": reasons}
            return {"predictions": json_codec.rows_of(self._answer(endpoint, columns))}
        columns = body["inputs"]
        if not isinstance(columns, dict):
            if len(endpoint.inputs) != 1:
                raise BadRequest(f"'inputs' is not an object with {', '.join(endpoint.inputs)}")
            columns = dict.fromkeys(endpoint.inputs, columns)
        if partly:
            answers, reasons = self._in_parts(endpoint, columns)
            outputs = {
                name: [None if row is None else json_codec.to_json(row[name]) for row in answers]
                for name in endpoint.outputs
            }
            return {"outputs": _bare(outputs), "errors": reasons}
        outputs = {n: json_codec.to_json(v) for n, v in self._answer(endpoint, columns).items()}
        return {"outputs": _bare(outputs)}

    def _v2(self, request: InferRequest) -> InferResponse:
        version = self.version(request.model_version)
        endpoint = _endpoint(version, _parameter(request.parameters, "signature_name"))
        wanted = [output.name for output in request.request_outputs or ()] or list(endpoint.outputs)
        for name in wanted:
            if name not in endpoint.outputs:
                raise BadRequest(f"no output '{name}'; there is: {', '.join(endpoint.outputs)}")
        columns = {entry.name: _values(entry) for entry in request.inputs}
        parameters = {}
        if _on_error(_parameter(request.parameters, "on_error")):
            answers, reasons = self._in_parts(endpoint, columns)
            answer = _filled(answers)
            parameters = {"errors": json.dumps(reasons)}
        else:
            answer = self._answer(endpoint, columns)
        outputs = [_output(name, answer[name], raw=request.from_grpc) for name in wanted]
        return InferResponse(
            response_id=request.id or "",
            model_name=self.name,
            model_version=str(version.number),
            infer_outputs=outputs,
            use_binary_outputs=request.use_binary_outputs,
            requested_outputs=request.request_outputs,
            parameters=parameters or None,
        )

    def _in_parts(
        self, endpoint: Endpoint, columns: dict[str, Any]
    ) -> tuple[list[Record | None], dict[int, str]]:
        """The answer to each row, None where it is refused, and the reasons by row.

        Raises:
            BadRequest: the columns have no rows, or all rows are refused.
        """
        json_codec.same_names("input", columns, wanted=endpoint.inputs)
        counts = {_count(rows) for rows in columns.values()}
        if len(counts) != 1 or not max(counts):
            raise BadRequest(f"the inputs hold {sorted(counts)} rows; wanted the same, at least 1")
        self._within_limits(columns)
        answers, reasons = in_parts(endpoint, columns, max(counts))
        if len(reasons) == len(answers):
            raise BadRequest(f"every row is refused; row 0: {reasons[0]}")
        return answers, reasons

    def _within_limits(self, columns: dict[str, Any]) -> None:
        for name, rows in columns.items():
            if _count(rows) > self.limits.rows:
                raise BadRequest(
                    f"'{name}' has {_count(rows)} rows; the limit is {self.limits.rows}"
                )

    def _answer(self, endpoint: Endpoint, columns: dict[str, Any]) -> dict[str, np.ndarray]:
        self._within_limits(columns)
        return endpoint(columns)


def _count(rows: Any) -> int:
    return len(rows) if isinstance(rows, list) or getattr(rows, "ndim", 0) else 0


def _on_error(value: Any) -> bool:
    if value not in (None, "fail", "null"):
        raise BadRequest('\'on_error\' is neither "fail" nor "null"')
    return value == "null"


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


def _as_invalid(answer: Callable[[Any], Any], payload: Any) -> Any:
    try:
        return answer(payload)
    except BadRequest as error:
        raise InvalidInput(str(error)) from None


def _endpoint(version: SavedModel, signature: Any) -> Endpoint:
    if signature is not None and not isinstance(signature, str):
        raise BadRequest("'signature_name' is not text")
    return version.endpoint(signature or None)


def _values(entry: InferInput) -> Any:
    try:
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


def _metadata(tensors: dict[str, Tensor]) -> list[dict[str, Any]]:
    return [
        {
            "name": tensor.name,
            "datatype": _datatype(
                np.dtype(object if tensor.dtype == json_codec.TEXT else tensor.dtype)
            ),
            "shape": [-1 if size is None else size for size in tensor.shape],
        }
        for tensor in tensors.values()
    ]


def _output(name: str, values: np.ndarray, *, raw: bool | None) -> InferOutput:
    output = InferOutput(name, list(values.shape), _datatype(values.dtype), values)
    if raw:  # KServe's conversion to gRPC fails: it tests the truth of an array
        output.set_data_from_numpy(values)
    return output


def _datatype(dtype: np.dtype) -> str:
    return "BYTES" if dtype.kind == "O" else from_np_dtype(dtype)
