"""Uvicorn's HTTP protocol with limits of headers, time and connections.

A header has at most `HEADER_BYTES` and `HEADER_SECONDS`; a connection waits at most as long for its
first request, and `IDLE_SECONDS` for the next; an answer that its client does not read is dropped
after `READING_SECONDS`. If there are too many connections, in all or from one address, the one that
has waited longest for its client gives way, so that silent and slow ones shut nobody out.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from seqapps.serving.messages import Limits

HEADER_BYTES, HEADER_SECONDS, IDLE_SECONDS, READING_SECONDS = 32_768, 10.0, 60, 60.0
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
        self._header_bytes: int | None = 0  # None after the header
        self._header_timer = self.loop.call_later(HEADER_SECONDS, self._close, TOO_LATE)
        self._reading_timer: asyncio.TimerHandle | None = None
        neighbours = [one for one in self.alive if one._address() == self._address()]
        self.alive.add(self)
        if len(neighbours) >= self.limits.address:
            self._make_room(neighbours)
        elif len(self.alive) > self.limits.connections:
            self._make_room([one for one in self.alive if one is not self])

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the connection."""
        self._header_timer.cancel()
        self.resume_writing()
        self.alive.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parses data, unless a header has become too long."""
        if self._header_bytes is not None:
            self._header_bytes += len(data)
        super().data_received(data)
        if self._header_bytes is not None and self._header_bytes > HEADER_BYTES:
            self._close(TOO_LARGE)

    def on_message_begin(self) -> None:
        """Begins to count the time of a header."""
        super().on_message_begin()
        self._header_timer.cancel()
        self._header_timer = self.loop.call_later(HEADER_SECONDS, self._close, TOO_LATE)

    def on_headers_complete(self) -> None:
        """Passes the request on; its body has a time of its own, see `Middleware`."""
        self._header_timer.cancel()
        self._header_bytes = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Notes that the client has sent all and waits for the server."""
        self._waits_since, self._header_bytes = None, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Notes that the server waits for the client again."""
        if not self.pipeline:
            self._waits_since = self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Begins to count the time in which the client must read."""
        super().pause_writing()
        self._reading_timer = self.loop.call_later(READING_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Goes on with the answer."""
        super().resume_writing()
        if self._reading_timer:
            self._reading_timer.cancel()

    def _address(self) -> str:
        return self.client[0] if self.client else ""

    def _make_room(self, connections: "list[LimitedProtocol]") -> None:
        waiting = [(one._waits_since, id(one), one) for one in connections if one._waits_since]
        (min(waiting)[2] if waiting else self)._close(TOO_MANY)

    def _close(self, answer: bytes) -> None:
        self.alive.discard(self)
        if not self.transport.is_closing():
            self.transport.write(answer)
            self.transport.close()


def limited(limits: Limits) -> type[LimitedProtocol]:
    """The protocol with these limits."""
    return type("Limited", (LimitedProtocol,), {"limits": limits, "alive": set()})
