"""Serving: the exported SavedModels behind KServe's and TensorFlow Serving's protocols.

Runs in a separate environment (`requirements-serve.lock`): KServe, a newer TensorFlow, no training
code. KServe provides routes, metadata and V2 encodings; each model answers in a process of its own
(`dispatcher`, `model_process`).

    python -m seqapps.serving.server dna=data/dna/full/export jazz=data/jazz/full/export --port 8080
"""

import argparse
import asyncio
import ipaddress
import logging
import multiprocessing
import os
import signal
import socket
import sys
import warnings
from pathlib import Path
from typing import Any

import kserve
from kserve.errors import InvalidInput, ModelNotFound

from seqapps.serving import grpc_server, rest_server
from seqapps.serving.dispatcher import Bodies, Dispatcher
from seqapps.serving.kserve_model import KServeModel
from seqapps.serving.messages import Batching, Limits
from seqapps.serving.middleware import Address
from seqapps.serving.telemetry import LOGS, Telemetry

DRAIN_SECONDS = 20
APPLICATION = "kserve.model_server:app"
SPARE_FILES = 64
"""Open files that are kept for other things than connections."""


def serve(
    models: dict[str, Path],
    address: Address,
    limits: Limits,
    joined: dict[str, Batching],
    style: str,
) -> None:
    """Serves exported models until SIGTERM or SIGINT; then answers open requests and returns.

    Args:
        models: name -> export folder, each with `model/<version>/`.
        address: of the server.
        limits: of requests.
        joined: model -> how its requests are joined; others as measured.
        style: of the access log.

    Raises:
        FileNotFoundError: a folder holds no version that can be served.
        OSError: a port is taken.
    """
    context = multiprocessing.get_context("forkserver")
    # Processes of models begin as copies of one that has imported TensorFlow.
    context.set_forkserver_preload(["__main__", "seqapps.serving.model_process"])
    dispatchers = {
        name: Dispatcher(name, folder, limits, joined.get(name), context)
        for name, folder in models.items()
    }
    asyncio.run(_serve(dispatchers, address, limits, Telemetry(style)))


async def _serve(
    dispatchers: dict[str, Dispatcher], address: Address, limits: Limits, telemetry: Telemetry
) -> None:
    # Both listen before anything is loaded, so that a port in use ends the server with a message.
    listening = _listening(address.host, address.port)
    registry, bodies = kserve.ModelRepository(), Bodies(limits.bytes_at_once)
    for dispatcher in dispatchers.values():
        registry.update(KServeModel(dispatcher))
    plane, extension = (
        rest_server.Metadata(model_registry=registry),
        rest_server.NoLoading(registry),
    )
    remote, remote_port = None, "off"
    if address.grpc_port is not None:
        remote = grpc_server.server(
            plane,
            extension,
            token=address.token,
            limits=limits,
            dispatchers=dispatchers,
            bodies=bodies,
            telemetry=telemetry,
        )
        try:
            remote_port = remote.add_insecure_port(f"{address.host}:{address.grpc_port}")
        except RuntimeError:
            raise _taken(address.host, address.grpc_port, name="GRPC_PORT") from None
    try:
        await asyncio.gather(*(dispatcher.start() for dispatcher in dispatchers.values()))
        rest_server.add_routes(
            registry,
            dispatchers,
            address=address,
            limits=limits,
            bodies=bodies,
            telemetry=telemetry,
        )
        rest = rest_server.Rest(
            APPLICATION,
            plane,
            extension,
            listening=listening,
            limits=limits,
            grace_period=DRAIN_SECONDS,
        )
        if remote:
            await remote.start()
        # The REST server handles the signals and raises them again when it has drained; by then
        # they must do nothing, so that gRPC can drain too.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        at = f"http://{address.host}:{listening.getsockname()[1]} (gRPC {remote_port})"
        print(f"serving {_answering(dispatchers)} at {at}", flush=True)
        draining = asyncio.create_task(_drain(rest, remote))
        await rest.start()
        await draining
    finally:
        await asyncio.gather(*(dispatcher.close() for dispatcher in dispatchers.values()))


def _answering(dispatchers: dict[str, Dispatcher]) -> str:
    """The models, each with the version that answers."""
    known = {name: one.described for name, one in dispatchers.items()}
    return ", ".join(f"{name} {one.answering}" for name, one in known.items() if one)


async def _drain(rest: rest_server.Rest, remote: Any) -> None:
    """Ends gRPC once a signal has come, at the same time as REST."""
    while not rest.ending:
        await asyncio.sleep(0.1)
    if remote:
        await remote.stop(DRAIN_SECONDS)


def _listening(host: str, port: int) -> socket.socket:
    kind, _, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    # With the protocol named, asyncio sends small answers at once (TCP_NODELAY).
    listening = socket.socket(kind, socket.SOCK_STREAM, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(2048)
    except OSError:
        listening.close()
        raise _taken(host, port, name="PORT") from None
    return listening


def _taken(host: str, port: int, *, name: str) -> OSError:
    return OSError(f"{host}:{port} cannot be listened on; give another {name}=")


def _quiet() -> None:
    """Drops the tracebacks of client errors: the answer holds the reason."""

    def drop(record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, InvalidInput | ModelNotFound)

    for name in ("kserve", "kserve.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)
        logging.getLogger(name).addFilter(drop)
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    logging.getLogger("seqapps.serving.access").setLevel(logging.INFO)
    warnings.filterwarnings("ignore", "ORJSONResponse is deprecated")  # in KServe's routes


def _limits(options: argparse.Namespace) -> Limits:
    """The limits of the command line; no more connections than the process may have open files."""
    import resource

    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    most = max(min(options.connections, files - SPARE_FILES), 8)
    return Limits(
        body_bytes=int(options.body_mb * 1e6),
        rows=options.rows,
        seconds=options.seconds,
        queue=options.queue,
        connections=most,
        address=most // 2,
    )


def _joined(words: list[str]) -> dict[str, Batching]:
    """Model -> how its requests are joined, of words NAME=ROWS[:MILLISECONDS].

    Raises:
        ValueError: a word is not one.
    """
    joined = {}
    for word in words:
        name, _, rule = word.partition("=")
        rows, _, milliseconds = rule.partition(":")
        try:
            joined[name] = Batching(int(rows), float(milliseconds or 0) / 1000, always=True)
        except ValueError:
            raise ValueError(
                f"--batch {word}: wanted NAME=ROWS or NAME=ROWS:MILLISECONDS"
            ) from None
    return joined


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="seqapps.serving.server", allow_abbrev=False)
    parser.add_argument("models", nargs="+", metavar="NAME=EXPORT_FOLDER")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--name", action="append", default=[], help="host that clients may use")
    parser.add_argument("--port", type=int, default=8080, help="0: any that is free")
    parser.add_argument("--grpc-port", type=int, default=8081, help="0: any that is free")
    parser.add_argument("--no-grpc", action="store_true")
    parser.add_argument("--body-mb", type=float, default=16.0, help="largest body")
    parser.add_argument("--rows", type=int, default=1024, help="most rows in a request")
    parser.add_argument("--seconds", type=float, default=60.0, help="longest answer")
    parser.add_argument("--queue", type=int, default=256, help="most requests a model holds")
    parser.add_argument("--connections", type=int, default=1000, help="most connections")
    parser.add_argument(
        "--batch",
        action="append",
        default=[],
        metavar="NAME=ROWS[:MS]",
        help="join waiting requests up to so many rows, wait so long for others; 1: never",
    )
    parser.add_argument("--log", choices=LOGS, default="off", help="a line for each request")
    return parser.parse_args(words)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def main(words: list[str]) -> int:
    """Runs the command line; SEQAPPS_TOKEN holds the bearer token, hidden from other users."""
    options = _arguments(words)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    _quiet()
    models = {name: Path(folder) for name, _, folder in (m.partition("=") for m in options.models)}
    token = os.environ.get("SEQAPPS_TOKEN") or None
    if not token and not _is_loopback(options.host):
        print(
            f"seqapps: {options.host} is open to the network and no token is asked for; "
            "set SEQAPPS_TOKEN",
            file=sys.stderr,
        )
    remote = None if options.no_grpc else options.grpc_port
    names = tuple(name.lower() for name in options.name)
    address = Address(options.host, options.port, remote, token, names)
    try:
        serve(models, address, _limits(options), _joined(options.batch), options.log)
    except (OSError, ValueError) as error:
        print(f"seqapps: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main(sys.argv[1:]))
