"""KServe's REST server: its routes for metadata and readiness, ours, and the middleware."""

import socket
from typing import Any

import kserve
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.docs import get_swagger_ui_html
from kserve.errors import InvalidInput, ModelNotFound
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.model_repository_extension import ModelRepositoryExtension
from kserve.protocol.rest.server import RESTServer
from starlette.responses import JSONResponse

from seqapps.serving import http_protocol
from seqapps.serving.dispatcher import Bodies, Dispatcher
from seqapps.serving.kserve_model import KServeModel
from seqapps.serving.messages import Limits
from seqapps.serving.middleware import Address, Middleware
from seqapps.serving.telemetry import Telemetry


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


def add_routes(
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


async def _not_the_protocol(request: Any, error: Any) -> JSONResponse:
    del request  # FastAPI's answer would repeat the input, and fails on an infinite number
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    return JSONResponse({"error": f"{field}: {first['msg']}"}, status_code=422)
