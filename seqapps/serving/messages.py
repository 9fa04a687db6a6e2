"""Messages between the server and the processes of its models, over a pair of sockets.

A frame is eight bytes of length and a pickled tuple; only these two sides can write to the pair.
"""

import asyncio
import pickle
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from seqapps.app import Columns, Record
from seqapps.artifacts.saved_model import Endpoint, SavedModel

LENGTH = struct.Struct("<Q")
PROTOBUF = "application/x-protobuf"

Versions = Callable[[str | None], SavedModel]
"""The version with a number in a model's path or request, or the one that answers."""


@dataclass(frozen=True)
class Limits:
    """Limits of one request, and of what waits.

    `body_bytes` of a request, its `rows`, JSON `elements`, `seconds` until its answer; `queue` of a
    model: requests that wait or are answered; `bytes_at_once` of all bodies that are read or wait;
    `connections` in all, and from one `address`.
    """

    body_bytes: int = 16_000_000
    rows: int = 1024
    seconds: float = 60.0
    elements: int = 2_000_000
    queue: int = 256
    bytes_at_once: int = 256_000_000
    connections: int = 1000
    address: int = 500


@dataclass(frozen=True)
class Batching:
    """The joining of requests to a model.

    `rows` is the most rows of a call, 1 for none; `seconds` how long the first waits for others.
    `always` joins without measuring whether it pays.
    """

    rows: int = 64
    seconds: float = 0.0
    always: bool = False


class Question(NamedTuple):
    """A request: its protocol, one of `requests.DECODERS`, model, version in its path, and body.

    `json_bytes` is the length of the JSON before binary tensors, V2's header; 0 if there is none.
    """

    kind: str
    model: str
    version: str | None
    body: bytes
    json_bytes: int = 0


class Answer(NamedTuple):
    """An answer: an HTTP status, headers, and a body, which is a sentence if it is an error."""

    status: int
    body: bytes
    headers: dict[str, str] = {}
    version: str = ""


@dataclass(frozen=True)
class Described:
    """The loaded versions of a model.

    `answering` is the version that answers if none is asked for; `signatures` and `tensors` (names,
    datatypes and shapes in V2's words) are by version; `batched` tells if requests are joined.
    """

    answering: int
    signatures: dict[int, dict[str, Any]]
    tensors: dict[int, dict[str, list[dict[str, Any]]]]
    batched: bool = field(default=False)


class Parts(NamedTuple):
    """The answers to rows of which some are refused: a record or None each, and reasons by row."""

    answers: list[Record | None]
    reasons: dict[int, str]


@dataclass(frozen=True)
class Call:
    """A decoded request.

    `columns` are plain values or arrays (N, ...) by input; `partly` asks for answers to the rows
    that can be answered; `encode` makes the answer of a protocol.
    """

    version: SavedModel
    endpoint: Endpoint
    columns: dict[str, Any]
    partly: bool
    encode: Callable[[Columns | Parts], Answer]


def frame(message: tuple[Any, ...]) -> bytes:
    """A message as bytes."""
    content = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return LENGTH.pack(len(content)) + content


def receive(line: socket.socket) -> tuple[Any, ...] | None:
    """The next message; None if the other side has gone."""
    head = _exactly(line, LENGTH.size)
    content = _exactly(line, LENGTH.unpack(head)[0]) if head else None
    return pickle.loads(content) if content else None


async def read(reader: asyncio.StreamReader) -> tuple[Any, ...] | None:
    """The next message; None if the other side has gone."""
    try:
        head = await reader.readexactly(LENGTH.size)
        return pickle.loads(await reader.readexactly(LENGTH.unpack(head)[0]))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def _exactly(line: socket.socket, count: int) -> bytes | None:
    content = bytearray(count)
    view = memoryview(content)
    while view:
        try:
            size = line.recv_into(view)
        except ConnectionError:
            return None
        if not size:
            return None
        view = view[size:]
    return bytes(content)
