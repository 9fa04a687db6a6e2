"""Serving: the exported SavedModels behind KServe's V1 and V2 protocols, REST and gRPC.

Runs in a separate environment (`requirements-serve.lock`): KServe, a newer TensorFlow, no training
code. KServe provides routes, V2 encodings, metrics and gRPC; seqapps adds the loopback address,
limits, the bearer token, version routes and the switch to a new version.

    python -m seqapps.serving.server dna=data/dna/full/export jazz=data/jazz/full/export --port 8080
"""

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import kserve
import orjson
from fastapi.exceptions import RequestValidationError
from kserve.errors import InvalidInput, ModelNotFound
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as rpc
from kserve.protocol.grpc.interceptors import ExceptionToStatusInterceptor
from kserve.protocol.grpc.servicer import InferenceServicer
from kserve.protocol.infer_type import InferRequest
from kserve.protocol.model_repository_extension import ModelRepositoryExtension
from kserve.protocol.rest.server import RESTServer
from starlette.responses import JSONResponse

from seqapps.serving import version_watcher
from seqapps.serving.kserve_model import MALFORMED, KServeModel, Limits
from seqapps.serving.middleware import Middleware, Token
from seqapps.serving.version_watcher import Versions

DRAIN_SECONDS = 20
APPLICATION = "kserve.model_server:app"


@dataclass(frozen=True)
class Address:
    """The address a server listens at, and the bearer token it requires.

    Port 0 is any free one; `grpc_port` None is no gRPC.
    """

    host: str
    port: int
    grpc_port: int | None
    token: str | None


class Decoding(DataPlane):
    """KServe's data plane; a body that cannot be decoded is a client error."""

    def decode(self, *args: Any, **named: Any) -> Any:
        """Decodes the body of a request; see KServe.

        Raises:
            InvalidInput: the body is not what the protocol asks for.
        """
        try:
            body, attributes = super().decode(*args, **named)
            # KServe does not decode JSON of another content type, such as curl's default.
            return (orjson.loads(body) if isinstance(body, bytes) else body), attributes
        except InvalidInput:
            raise
        except MALFORMED as error:
            raise InvalidInput(f"the body cannot be decoded: {str(error)[:300]}") from None

    async def model_ready(self, model_name: str, *args: Any, **named: Any) -> bool:
        """True if the model is ready.

        Raises:
            ModelNotFound: the requested version is not loaded.
        """
        ready = await super().model_ready(model_name, *args, **named)
        self.get_model_from_registry(model_name).version()
        return ready

    async def model_metadata(self, model_name: str) -> dict[str, Any]:
        """Names, datatypes and shapes of the tensors of `serving_default`, and loaded versions."""
        described = await super().model_metadata(model_name)
        loaded = self.get_model_from_registry(model_name).versions.loaded
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

    def __init__(self, *args: Any, listening: socket.socket, **named: Any):
        super().__init__(*args, listening.getsockname()[1], **named)
        self.listening = listening

    async def start(self) -> None:
        """Serves until a signal comes."""
        self.create_application()
        await self._server.serve(sockets=[self.listening])


class Servicer(InferenceServicer):
    """KServe's V2 gRPC service; a request that cannot be decoded is a client error."""

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Answers one request; see KServe."""
        try:
            self.validate_grpc_request(request)
            InferRequest.from_grpc(request)
        except InvalidInput:
            raise
        except MALFORMED as error:
            raise InvalidInput(f"the request cannot be decoded: {str(error)[:300]}") from None
        return await super().ModelInfer(request, context)


def serve(models: dict[str, Path], address: Address, limits: Limits) -> None:
    """Serves exported models until SIGTERM or SIGINT; then answers open requests and returns.

    Args:
        models: name -> export folder, each with `model/<version>/`.
        address: of the server.
        limits: of one request.

    Raises:
        FileNotFoundError: a folder holds no version that can be served.
        OSError: a port is taken.
    """
    pool = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="model")
    registry = kserve.ModelRepository()
    watched = [Versions(name, folder) for name, folder in models.items()]
    for versions in watched:
        versions.refresh()
        if not versions.loaded:
            missing = f"{versions.exported}: no exported model that can be served"
            raise FileNotFoundError(f"{missing}; run make {versions.name}")
        registry.update(KServeModel(versions, limits, pool))
    version_watcher.follow(watched)
    asyncio.run(_serve(registry, watched, address, limits))


async def _serve(registry: Any, watched: list[Versions], address: Address, limits: Limits) -> None:
    from kserve.model_server import app

    @app.get("/v1/models/{model_name}/metadata", tags=["V1"])
    async def metadata(model_name: str) -> dict[str, Any]:
        """Endpoints of a model with the names, dtypes and shapes of their tensors."""
        model = registry.get_model(model_name)
        if model is None:
            raise ModelNotFound(model_name)
        version = model.version()
        spec = {"name": model_name, "version": str(version.number)}
        return {"model_spec": spec, "signatures": version.signatures()}

    app.add_exception_handler(RequestValidationError, _not_the_protocol)
    app.add_middleware(Middleware, token=address.token, limits=limits)
    plane, extension = Decoding(model_registry=registry), NoLoading(registry)
    # Both listen before either serves, so that a port in use ends the server with a message.
    listening = _listening(address.host, address.port)
    rest = Rest(APPLICATION, plane, extension, listening=listening, grace_period=DRAIN_SECONDS)
    remote, remote_port = None, "off"
    if address.grpc_port is not None:
        remote = _remote(plane, extension, token=address.token, limits=limits)
        try:
            remote_port = remote.add_insecure_port(f"{address.host}:{address.grpc_port}")
        except RuntimeError:
            raise _taken(address.host, address.grpc_port, name="GRPC_PORT") from None
        await remote.start()
    # The REST server handles the signals and raises them again when it has drained; by then they
    # must do nothing, so that gRPC can drain too.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    names = ", ".join(f"{v.name} {v.version(None).number}" for v in watched)
    at = f"http://{address.host}:{listening.getsockname()[1]} (gRPC {remote_port})"
    print(f"serving {names} at {at}", flush=True)
    await rest.start()
    if remote:
        await remote.stop(DRAIN_SECONDS)


def _listening(host: str, port: int) -> socket.socket:
    kind, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    try:
        return socket.create_server(address, family=kind, backlog=2048)
    except OSError:
        raise _taken(host, port, name="PORT") from None


def _taken(host: str, port: int, *, name: str) -> OSError:
    return OSError(f"{host}:{port} cannot be listened on; give another {name}=")


def _remote(plane: Any, extension: Any, *, token: str | None, limits: Limits) -> Any:
    guards = (*((Token(token),) if token else ()), ExceptionToStatusInterceptor())
    options = [(f"grpc.max_{way}_message_length", limits.body_bytes) for way in ("send", "receive")]
    options.append(("grpc.so_reuseport", 0))  # else two servers could listen at one port
    server = grpc.aio.server(interceptors=guards, options=options)
    rpc.add_GRPCInferenceServiceServicer_to_server(Servicer(plane, extension), server)
    return server


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
    warnings.filterwarnings("ignore", "ORJSONResponse is deprecated")  # in KServe's routes


def _arguments(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="seqapps.serving.server", allow_abbrev=False)
    parser.add_argument("models", nargs="+", metavar="NAME=EXPORT_FOLDER")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080, help="0: any that is free")
    parser.add_argument("--grpc-port", type=int, default=8081, help="0: any that is free")
    parser.add_argument("--no-grpc", action="store_true")
    parser.add_argument("--body-mb", type=float, default=16.0, help="largest body")
    parser.add_argument("--rows", type=int, default=1024, help="most rows in a request")
    parser.add_argument("--seconds", type=float, default=60.0, help="longest answer")
    return parser.parse_args(words)


def main(words: list[str]) -> int:
    """Runs the command line; SEQAPPS_TOKEN holds the bearer token, hidden from other users."""
    options = _arguments(words)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    _quiet()
    models = {name: Path(folder) for name, _, folder in (m.partition("=") for m in options.models)}
    token = os.environ.get("SEQAPPS_TOKEN") or None
    address = Address(
        options.host, options.port, None if options.no_grpc else options.grpc_port, token
    )
    try:
        serve(models, address, Limits(int(options.body_mb * 1e6), options.rows, options.seconds))
    except (OSError, ValueError) as error:
        print(f"seqapps: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main(sys.argv[1:]))
