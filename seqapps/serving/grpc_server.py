"""The gRPC server: V2, TensorFlow Serving's PredictionService and ModelService, and health.

Messages of predictions are passed on as bytes, so that only a model's process decodes them.
"""

import uuid
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as rpc
from kserve.protocol.grpc.interceptors import ExceptionToStatusInterceptor
from kserve.protocol.grpc.servicer import InferenceServicer

from seqapps.serving.dispatcher import Bodies, Dispatcher
from seqapps.serving.messages import Limits, Question
from seqapps.serving.middleware import REQUEST_ID, is_token
from seqapps.serving.telemetry import QUEUE, Entry, Telemetry

RAW = {
    "/inference.GRPCInferenceService/ModelInfer": "v2_message",
    "/tensorflow.serving.PredictionService/Predict": "serving_message",
    "/tensorflow.serving.PredictionService/GetModelMetadata": "serving_metadata",
    "/tensorflow.serving.ModelService/GetModelStatus": "serving_status",
}
"""Method -> protocol, see `requests.DECODERS`. The model's name is the message's first field; all
but V2 have it as the first field of a message in that one."""

STATUS = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
HEALTH, IDLE_MS, AT_ONCE = "/grpc.health.v1.Health/", 300_000, 1024
VARINT, FIXED64, TEXT, FIXED32 = 0, 1, 2, 5
"""Protocol Buffers' wire types."""


class Token(grpc.aio.ServerInterceptor):
    """Refuses calls without the bearer token, but for those about health."""

    def __init__(self, token: str):
        self.token = token

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """The handler of the call, or one that refuses it."""
        sent = dict(handler_call_details.invocation_metadata).get("authorization", "")
        sent = sent.encode() if isinstance(sent, str) else sent
        is_open = handler_call_details.method.startswith(HEALTH)
        if is_open or is_token(sent, self.token):
            return await continuation(handler_call_details)

        async def refuse(request: Any, context: Any) -> None:
            del request
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "wrong or no bearer token")

        return grpc.unary_unary_rpc_method_handler(refuse)


class Predictions(grpc.GenericRpcHandler):
    """Passes messages of `RAW` on to the models' processes."""

    def __init__(self, dispatchers: dict[str, Dispatcher], bodies: Bodies, telemetry: Telemetry):
        self.dispatchers, self.bodies, self.telemetry = dispatchers, bodies, telemetry

    def service(self, handler_call_details: Any) -> Any:
        """The handler of a method of `RAW`; None for others."""
        protocol = RAW.get(handler_call_details.method)
        if protocol is None:
            return None

        async def answer(body: bytes, context: Any) -> bytes:
            return await self._answer(protocol, body, context)

        return grpc.unary_unary_rpc_method_handler(answer)

    async def _answer(self, protocol: str, body: bytes, context: Any) -> bytes:
        sent = str(dict(context.invocation_metadata()).get("x-request-id", ""))
        request_id = sent if REQUEST_ID.fullmatch(sent) else str(uuid.uuid4())
        entry = Entry(request_id, protocol, protocol, context.peer())
        entry.bytes_in = len(body)
        with self.telemetry.of(entry):
            await context.send_initial_metadata((("x-request-id", request_id),))
            try:
                name = model_of(body, nested=protocol != "v2_message")
            except ValueError as error:
                return _refuse(context, entry, 400, f"the message cannot be decoded: {error}")
            dispatcher = self.dispatchers.get(name)
            if dispatcher is None:
                return _refuse(context, entry, 404, f"Model with name {name[:100]} does not exist")
            entry.model = dispatcher.name
            if not self.bodies.take(len(body)):
                return _refuse(context, entry, 503, "too many large requests at a time")
            try:
                with QUEUE.labels(dispatcher.name).track_inprogress():
                    question = Question(protocol, dispatcher.name, None, body)
                    answer = await dispatcher.ask(question)
            finally:
                self.bodies.give_back(len(body))
            entry.version, entry.status = answer.version, answer.status
            if answer.status != 200:
                return _refuse(context, entry, answer.status, answer.body.decode())
            entry.bytes_out = len(answer.body)
            return answer.body


class Later:
    """A server to whose methods those that it has already come first."""

    def __init__(self, server: Any):
        self.add_generic_rpc_handlers = server.add_generic_rpc_handlers

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Any]) -> None:
        """Ignored: methods that are registered by name would come before `Predictions`."""


class Health(health_pb2_grpc.HealthServicer):
    """`grpc.health.v1`: of the server, and of each model by its name."""

    def __init__(self, dispatchers: dict[str, Dispatcher]):
        self.dispatchers = dispatchers

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802
        """SERVING if the model, or without a name every model, is ready."""
        if request.service and request.service not in self.dispatchers:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no model of that name")
        names = [request.service] if request.service else list(self.dispatchers)
        state = health_pb2.HealthCheckResponse
        ready = all(self.dispatchers[name].ready for name in names)
        return state(status=state.SERVING if ready else state.NOT_SERVING)


def server(
    plane: Any,
    extension: Any,
    *,
    token: str | None,
    limits: Limits,
    dispatchers: dict[str, Dispatcher],
    bodies: Bodies,
    telemetry: Telemetry,
) -> Any:
    """The gRPC server, not yet started.

    Args:
        plane: KServe's data plane.
        extension: KServe's model repository extension.
        token: the bearer token that calls must carry; None for none.
        limits: of one request.
        dispatchers: by model.
        bodies: of all requests.
        telemetry: what is told of requests.
    """
    guards = (*((Token(token),) if token else ()), ExceptionToStatusInterceptor())
    options = [(f"grpc.max_{way}_message_length", limits.body_bytes) for way in ("send", "receive")]
    options.append(("grpc.so_reuseport", 0))  # else two servers could listen at one port
    options.append(("grpc.max_connection_idle_ms", IDLE_MS))
    listening = grpc.aio.server(
        interceptors=guards, options=options, maximum_concurrent_rpcs=AT_ONCE
    )
    listening.add_generic_rpc_handlers((Predictions(dispatchers, bodies, telemetry),))
    rpc.add_GRPCInferenceServiceServicer_to_server(
        InferenceServicer(plane, extension), Later(listening)
    )
    health_pb2_grpc.add_HealthServicer_to_server(Health(dispatchers), listening)
    return listening


def model_of(body: bytes, *, nested: bool) -> str:
    """The first field of a Protocol Buffers message, or its first field's, as text.

    Raises:
        ValueError: it has none.
    """
    content = _first_text(body)
    return (_first_text(content) if nested else content).decode()


def _first_text(body: bytes) -> bytes:
    offset = 0
    while offset < len(body):
        tag, offset = _varint(body, offset)
        kind = tag & 7
        if kind == VARINT:
            _, offset = _varint(body, offset)
        elif kind == TEXT:
            size, offset = _varint(body, offset)
            if tag >> 3 == 1:
                return body[offset : offset + size]
            offset += size
        elif kind in (FIXED64, FIXED32):
            offset += 8 if kind == FIXED64 else 4
        else:
            raise ValueError("a field of an unknown kind")
    raise ValueError("no model is named")


def _varint(body: bytes, offset: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        if offset >= len(body):
            raise ValueError("it is cut short")
        byte, offset = body[offset], offset + 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, offset
    raise ValueError("a number is too long")


def _refuse(context: Any, entry: Entry, status: int, reason: str) -> bytes:
    """Sets the status of a call; returns what is sent as its message then, nothing."""
    entry.status = status
    context.set_code(STATUS.get(status, grpc.StatusCode.INTERNAL))
    context.set_details(reason)
    return b""
