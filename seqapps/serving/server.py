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
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.docs import get_swagger_ui_html
from kserve.errors import InvalidInput, ModelNotFound
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.model_repository_extension import ModelRepositoryExtension
from kserve.protocol.rest.server import RESTServer
from starlette.responses import JSONResponse

from seqapps.serving import grpc_server, http_protocol
from seqapps.serving.dispatcher import Bodies, Dispatcher
from seqapps.serving.kserve_model import KServeModel
from seqapps.serving.messages import Batching, Limits
from seqapps.serving.middleware import Address, Middleware
from seqapps.serving.telemetry import LOGS, Telemetry

DRAIN_SECONDS = 20
APPLICATION = "kserve.model_server:app"
SPARE_FILES = 64
"""Open files that are kept for other things than connections."""


class Metadata(DataPlane):
    """KServe's data plane for readiness and metadata; predictions do not reach it."""

    async def ready(self) -> bool:
        """True if every model is ready."""
        return all(model.ready for model in self.model_registry.get_models().values())

    async def model_ready(self, model_name: str, *args: Any, **named: Any) -> bool:
        """True if the model is ready.

        Raises:
            ModelNotFound: the requested version is not loaded.
        """
        ready = await super().model_ready(model_name, *args, **named)
        if ready:
            self.get_model_from_registry(model_name).version()
        return ready

    async def model_metadata(self, model_name: str) -> dict[str, Any]:
        """Names, datatypes and shapes of the tensors of `serving_default`, and loaded versions."""
        described = await super().model_metadata(model_name)
        loaded = self.get_model_from_registry(model_name).described.signatures
        return described | {
            "platform": "tensorflow_savedmodel",
            "versions": [str(n) for n in loaded],
        }

    def metadata(self) -> dict[str, Any]:
        """Server metadata, without the extension by which clients load and unload models."""
        return super().metadata() | {"name": "seqapps", "extensions": ["binary_tensor_data"]}


class NoLoading(ModelRepositoryExtension):
    """A model repository whose versions are decided by the export folder, not by clients."""

    async def load(self, model_name: str) -> None:
        """Raises InvalidInput."""
        raise InvalidInput(f"{model_name}: a new version is served when it is exported")

    async def unload(self, model_name: str) -> None:
        """Raises InvalidInput."""
        raise InvalidInput(f"{model_name}: a version goes when its folder goes")


class Rest(RESTServer):
    """KServe's REST server on a socket that is already listening."""

    def __init__(self, *args: Any, listening: socket.socket, limits: Limits, **named: Any):
        super().__init__(*args, listening.getsockname()[1], **named)
        self.listening = listening
        self.config.http = http_protocol.limited(limits)
        self.config.timeout_keep_alive = http_protocol.IDLE_SECONDS

    @property
    def ending(self) -> bool:
        """True once a signal has come."""
        return self._server.should_exit

    async def start(self) -> None:
        """Serves until a signal comes."""
        self.create_application()
        await self._server.serve(sockets=[self.listening])


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
    plane, extension = Metadata(model_registry=registry), NoLoading(registry)
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
        _routes(
            registry,
            dispatchers,
            address=address,
            limits=limits,
            bodies=bodies,
            telemetry=telemetry,
        )
        rest = Rest(
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
        answering = ", ".join(
            f"{n} {d.described.answering}" for n, d in dispatchers.items() if d.described
        )
        at = f"http://{address.host}:{listening.getsockname()[1]} (gRPC {remote_port})"
        print(f"serving {answering} at {at}", flush=True)
        draining = asyncio.create_task(_drain(rest, remote))
        await rest.start()
        await draining
    finally:
        await asyncio.gather(*(dispatcher.close() for dispatcher in dispatchers.values()))


async def _drain(rest: Rest, remote: Any) -> None:
    """Ends gRPC once a signal has come, at the same time as REST."""
    while not rest.ending:
        await asyncio.sleep(0.1)
    if remote:
        await remote.stop(DRAIN_SECONDS)


def _routes(
    registry: Any,
    dispatchers: dict[str, Dispatcher],
    *,
    address: Address,
    limits: Limits,
    bodies: Bodies,
    telemetry: Telemetry,
) -> None:
    """Adds the routes that KServe has not, and the middleware, to KServe's application."""
    from kserve.model_server import app

    def model(name: str) -> KServeModel:
        served = registry.get_model(name)
        if served is None:
            raise ModelNotFound(name)
        return served

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Any:
        """Swagger's page about the routes."""
        return get_swagger_ui_html(openapi_url="/openapi.json", title="seqapps")

    @app.get("/v1/models/{model_name}/metadata", tags=["V1"])
    async def metadata(model_name: str) -> dict[str, Any]:
        """Endpoints of a model with the names, dtypes and shapes of their tensors."""
        served = model(model_name)
        number = served.version()
        spec = {"name": model_name, "version": str(number)}
        return {"model_spec": spec, "signatures": served.described.signatures[number]}

    @app.get("/v1/models/{model_name}", tags=["V1"])
    async def status(model_name: str) -> dict[str, Any]:
        """Readiness of a model, the state of its versions, and the version that answers."""
        served = model(model_name)
        if not served.ready:
            raise kserve.errors.ModelNotReady(model_name)
        served.version()
        described = served.described
        done = {"error_code": "OK", "error_message": ""}
        return {
            "name": model_name,
            "ready": True,
            "model_version_status": [
                {"version": str(number), "state": "AVAILABLE", "status": done}
                for number in sorted(described.signatures, reverse=True)
            ],
            "labels": {"answers": str(described.answering)},
            "batched": described.batched,
        }

    app.add_exception_handler(RequestValidationError, _not_the_protocol)
    app.add_middleware(
        Middleware,
        address=address,
        limits=limits,
        dispatchers=dispatchers,
        bodies=bodies,
        telemetry=telemetry,
    )


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


async def _not_the_protocol(request: Any, error: Any) -> JSONResponse:
    del request  # FastAPI's answer would repeat the input, and fails on an infinite number
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    return JSONResponse({"error": f"{field}: {first['msg']}"}, status_code=422)


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
