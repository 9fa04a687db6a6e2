"""Checks before KServe's routes: token, size of the body, version in the path."""

import asyncio
import hmac
import re
from typing import Any

import grpc
import orjson

from seqapps.serving.kserve_model import Limits, asked_version

VERSION_ROUTE = re.compile(
    r"(/v[12]/models/[^/:]+)/versions/([^/:]+)(/infer|/ready|/metadata|:predict|)"
)
OPEN_ROUTES = ("/", "/v2/health/live", "/v2/health/ready")
"""Routes that a probe may call without a token."""


class Token(grpc.aio.ServerInterceptor):
    """Refuses calls without the bearer token."""

    def __init__(self, token: str):
        self.token = token

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        """The handler of the call, or one that refuses it."""
        sent = dict(handler_call_details.invocation_metadata).get("authorization", "")
        if _is_token(sent.encode() if isinstance(sent, str) else sent, self.token):
            return await continuation(handler_call_details)

        async def refuse(request: Any, context: Any) -> None:
            del request
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "wrong or no bearer token")

        return grpc.unary_unary_rpc_method_handler(refuse)


class Middleware:
    """ASGI middleware before KServe's routes: token, size of the body, version in the path."""

    def __init__(self, app: Any, *, token: str | None, limits: Limits):
        self.app, self.token, self.limits = app, token, limits

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Passes a request on, or answers it with 401, 408 or 413."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        sent = dict(scope["headers"]).get(b"authorization", b"")
        if self.token and scope["path"] not in OPEN_ROUTES and not _is_token(sent, self.token):
            return await _refuse(send, 401, "wrong or no bearer token")
        try:
            body = await asyncio.wait_for(self._body(receive), self.limits.seconds)
        except TimeoutError:
            return await _refuse(send, 408, "the body did not arrive in time")
        if body is None:
            return None  # the client has gone
        if len(body) > self.limits.body_bytes:
            limit = f"the body is larger than {self.limits.body_bytes} bytes"
            return await _refuse(send, 413, f"{limit}; send fewer rows at a time")
        route = VERSION_ROUTE.fullmatch(scope["path"])
        # Always set: a pipelined request runs in the context of the request before it.
        asked_version.set(route[2] if route else None)
        if route:
            path = route[1] + route[3]
            scope = scope | {"path": path, "raw_path": path.encode()}
        await self.app(scope, _replay(body, receive), send)

    async def _body(self, receive: Any) -> bytes | None:
        parts, size = [], 0
        while size <= self.limits.body_bytes:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if not message.get("more_body"):
                break
        return b"".join(parts)


def _is_token(sent: bytes, token: str) -> bool:
    return hmac.compare_digest(sent, f"Bearer {token}".encode())


async def _refuse(send: Any, status: int, reason: str) -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": orjson.dumps({"error": reason})})


def _replay(body: bytes, receive: Any) -> Any:
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Any:
        return pending.pop() if pending else await receive()

    return again
