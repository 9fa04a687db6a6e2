"""Uvicorn's HTTP protocol with limits of headers, time and connections.

A header has at most `HEADER_BYTES` and `HEADER_SECONDS`; a connection waits at most as long for its
first request, and `IDLE_SECONDS` for the next. If there are too many connections, the one that has
waited longest for its client gives way, so that silent ones shut nobody out.
"""

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from seqapps.serving.messages import Limits

HEADER_BYTES, HEADER_SECONDS, IDLE_SECONDS = 32_768, 10.0, 60
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\r\n"
TOO_LATE = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n"
TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n\r\n"


class LimitedProtocol(HttpToolsProtocol):
    """One connection; `limits` and `alive`, the open connections, are set by `limited`."""

    limits: Limits
    alive: "set[LimitedProtocol]"

    def connection_made(self, transport: Any) -> None:
        """Counts the connection, and makes room for it."""
        super().connection_made(transport)
        self._waits_since: float | None = self.loop.time()
        self._header_bytes, self._timer = 0, self.loop.call_later(HEADER_SECONDS, self._late)
        address = self.client[0] if self.client else ""
        neighbours = [one for one in self.alive if one.client and one.client[0] == address]
        if len(neighbours) >= self.limits.address:
            self._make_room(neighbours)
        elif len(self.alive) >= self.limits.connections:
            self._make_room(list(self.alive))
        self.alive.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the connection."""
        self._timer.cancel()
        self.alive.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parses data, unless a header has become too long."""
        if self._waits_since is not None:
            self._header_bytes += len(data)
        super().data_received(data)
        if self._waits_since is not None and self._header_bytes > HEADER_BYTES:
            self._close(TOO_LARGE)

    def on_message_begin(self) -> None:
        """Begins to count the time of a header."""
        super().on_message_begin()
        self._timer.cancel()
        self._timer = self.loop.call_later(HEADER_SECONDS, self._late)

    def on_headers_complete(self) -> None:
        """Passes the request on; the connection waits for its client no more."""
        self._timer.cancel()
        self._waits_since, self._header_bytes = None, 0
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Waits for the next request."""
        self._waits_since, self._header_bytes = self.loop.time(), 0
        super().on_response_complete()

    def _make_room(self, connections: "list[LimitedProtocol]") -> None:
        waiting = [one for one in connections if one._waits_since is not None]
        if waiting:
            min(waiting, key=lambda one: one._waits_since or 0.0)._close(TOO_MANY)
        else:
            self._close(TOO_MANY)

    def _late(self) -> None:
        self._close(TOO_LATE)

    def _close(self, answer: bytes) -> None:
        self.alive.discard(self)
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()


def limited(limits: Limits) -> type[LimitedProtocol]:
    """The protocol with these limits."""
    return type("Limited", (LimitedProtocol,), {"limits": limits, "alive": set()})
