"""ASGI middleware before KServe's routes: checks of requests, and the predictions themselves."""

import asyncio
import hmac
import ipaddress
import re
import socket
import uuid
from dataclasses import dataclass
from typing import Any

import orjson

from seqapps.serving.dispatcher import Bodies, Dispatcher
from seqapps.serving.kserve_model import asked_version
from seqapps.serving.messages import Answer, Limits, Question
from seqapps.serving.telemetry import QUEUE, Entry, Telemetry

VERSION_ROUTE = re.compile(r"(/v[12]/models/[^/:]+)/versions/([^/:]+)(/ready|/metadata|)")
PREDICTIONS = {
    "v1": re.compile(r"/v1/models/([^/:]+)(?:/versions/([^/:]+))?:predict"),
    "v2": re.compile(r"/v2/models/([^/:]+)(?:/versions/([^/:]+))?/infer"),
}
"""Protocol -> the path of its predictions: model, version."""

OPEN_ROUTES = ("/", "/v2/health/live", "/v2/health/ready")
"""Routes that a probe may call without a token."""

CONTENT = ("application/json", "application/octet-stream")
"""Content types of bodies. A page of another site cannot send one without asking first."""

REQUEST_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)
DECIMAL = re.compile(rb"\d{1,18}")


@dataclass(frozen=True)
class Address:
    """The address a server listens at, and the bearer token it requires.

    Port 0 is any free one; `grpc_port` None is no gRPC. `names` are hosts by which clients may call
    it, besides its addresses and its own name; with a token, they may use any.
    """

    host: str
    port: int
    grpc_port: int | None
    token: str | None
    names: tuple[str, ...] = ()

    def knows(self, host: str) -> bool:
        """True if a client may call the server by this `Host`.

        A page whose name is made to point here is refused by it; it cannot call us by a number.
        """
        name = re.sub(r":\d*$", "", host.strip()).strip("[]").lower()
        known = {"", "localhost", self.host.lower(), socket.gethostname().lower(), *self.names}
        if self.token or name in known:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


class Middleware:
    """ASGI middleware: host, token, content type, size; predictions; the version in a path."""

    def __init__(
        self,
        app: Any,
        *,
        address: Address,
        limits: Limits,
        dispatchers: dict[str, Dispatcher],
        bodies: Bodies,
        telemetry: Telemetry,
    ):
        self.app, self.address, self.limits = app, address, limits
        self.dispatchers, self.bodies, self.telemetry = dispatchers, bodies, telemetry

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers a prediction or a refusal; passes other requests on."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        headers = dict(scope["headers"])
        entry = _entry(scope, headers)
        with self.telemetry.of(entry):
            answer = self._refusal(scope, headers)
            if answer is not None:
                # The body is not read, so the connection cannot be used again.
                await _send(send, answer, entry, {"connection": "close"})
                return None
            for protocol, path in PREDICTIONS.items():
                match = path.fullmatch(scope["path"])
                if match and scope["method"] == "POST":
                    entry.protocol = protocol
                    return await self._predict(entry, match, headers, receive=receive, send=send)
            await self._pass_on(scope, entry, receive=receive, send=send)

    def _refusal(self, scope: Any, headers: dict[bytes, bytes]) -> Answer | None:
        host = headers.get(b"host", b"").decode("latin-1")
        if not self.address.knows(host):
            name = f"the host '{host[:100]}' is not this server's"
            return Answer(421, f"{name}; start it with --name {host[:100]} to allow it".encode())
        sent = headers.get(b"authorization", b"")
        is_open = scope["path"] in OPEN_ROUTES or not self.address.token
        if not is_open and not is_token(sent, self.address.token or ""):
            return Answer(401, b"wrong or no bearer token", {"www-authenticate": "Bearer"})
        if scope["method"] != "POST":
            return None
        kind = headers.get(b"content-type", b"").decode("latin-1").partition(";")[0].strip().lower()
        if kind not in CONTENT:
            reason = f"the content type is '{kind[:60]}'; "
            return Answer(415, f"{reason}send the header 'content-type: {CONTENT[0]}'".encode())
        length = headers.get(b"content-length", b"0")
        if not DECIMAL.fullmatch(length) or int(length) > self.limits.body_bytes:
            return self._too_large()
        return None

    def _too_large(self) -> Answer:
        limit = f"the body is larger than {self.limits.body_bytes} bytes"
        return Answer(413, f"{limit}; send fewer rows at a time".encode())

    async def _predict(
        self, entry: Entry, match: Any, headers: dict[bytes, bytes], *, receive: Any, send: Any
    ) -> None:
        dispatcher = self.dispatchers.get(match[1])
        if dispatcher is None:
            known = ", ".join(self.dispatchers)
            answer = Answer(404, f"Model with name {match[1]} does not exist; {known}".encode())
            return await _send(send, answer, entry, {"connection": "close"})
        entry.model = dispatcher.name
        body = bytearray()
        try:
            refused = await self._read(receive, body)
            if isinstance(refused, Answer):
                return await _send(send, refused, entry, {"connection": "close"})
            entry.bytes_in = len(body)
            binary = headers.get(b"inference-header-content-length", b"")
            if binary and (not DECIMAL.fullmatch(binary) or int(binary) > len(body)):
                wrong = b"'Inference-Header-Content-Length' is no length within the body"
                return await _send(send, Answer(400, wrong), entry, {})
            question = Question(
                entry.protocol, dispatcher.name, match[2], bytes(body), int(binary or 0)
            )
            with QUEUE.labels(dispatcher.name).track_inprogress():
                answer = await _unless_gone(dispatcher.ask(question), receive)
        finally:
            self.bodies.give_back(len(body))
        if answer is not None:
            entry.version = answer.version
            await _send(send, answer, entry, {})
        else:
            entry.status = 499  # the client has gone

    async def _read(self, receive: Any, body: bytearray) -> Answer | None:
        """Reads a request's body into `body`; what is in it is counted in `bodies`."""
        try:
            async with asyncio.timeout(self.limits.seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return Answer(499, b"the client has gone")
                    part = message.get("body", b"")
                    if len(body) + len(part) > self.limits.body_bytes:
                        return self._too_large()
                    if not self.bodies.take(len(part)):
                        busy = b"too many large requests at a time; ask again later"
                        return Answer(503, busy, {"retry-after": "1"})
                    body += part
                    if not message.get("more_body"):
                        return None
        except TimeoutError:
            return Answer(408, b"the body did not arrive in time")

    async def _pass_on(self, scope: Any, entry: Entry, *, receive: Any, send: Any) -> None:
        body = bytearray()
        try:
            refused = await self._read(receive, body) if scope["method"] == "POST" else None
            if refused:
                return await _send(send, refused, entry, {"connection": "close"})
            route = VERSION_ROUTE.fullmatch(scope["path"])
            # Always set: a pipelined request runs in the context of the request before it.
            asked_version.set(route[2] if route else None)
            if route:
                path = route[1] + route[3]
                scope = scope | {"path": path, "raw_path": path.encode()}
            again = _replay(bytes(body), receive) if body else receive
            await self.app(scope, again, _noting(send, entry))
        finally:
            self.bodies.give_back(len(body))


def is_token(sent: bytes, token: str) -> bool:
    """True if an Authorization header holds the bearer token; the scheme is in any case."""
    scheme, _, value = sent.partition(b" ")
    return hmac.compare_digest(value.strip(), token.encode()) and scheme.lower() == b"bearer"


def _entry(scope: Any, headers: dict[bytes, bytes]) -> Entry:
    sent = headers.get(b"x-request-id", b"").decode("latin-1")
    client = scope["client"][0] if scope["client"] else ""
    number = sent if REQUEST_ID.fullmatch(sent) else str(uuid.uuid4())
    return Entry(number, "rest", scope["path"][:200], client)


async def _unless_gone(work: Any, receive: Any) -> Answer | None:
    """The answer; None, and the work is cancelled, if the client goes before."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnect(receive))
    try:
        await asyncio.wait([task, gone], return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        gone.cancel()
        task.cancel()


async def _disconnect(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _send(send: Any, answer: Answer, entry: Entry, more: dict[str, str]) -> None:
    failed = answer.status != 200
    body = orjson.dumps({"error": answer.body.decode()}) if failed else answer.body
    headers = {"content-type": CONTENT[0], **answer.headers, **more}
    headers |= {"content-length": str(len(body)), "x-request-id": entry.request_id}
    entry.status, entry.bytes_out = answer.status, len(body)
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


def _noting(send: Any, entry: Entry) -> Any:
    async def noting(message: Any) -> None:
        if message["type"] == "http.response.start":
            entry.status = message["status"]
            headers = [*message.get("headers", ()), (b"x-request-id", entry.request_id.encode())]
            message = message | {"headers": headers}
        await send(message)

    return noting


def _replay(body: bytes, receive: Any) -> Any:
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Any:
        return pending.pop() if pending else await receive()

    return again
