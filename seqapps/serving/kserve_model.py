"""Readiness and metadata, for KServe's routes, of a model that answers in a process of its own."""

import contextvars
from typing import Any

import kserve
from kserve.errors import InvalidInput, ModelNotFound, ModelNotReady

from seqapps.serving.dispatcher import Dispatcher
from seqapps.serving.messages import Described

asked_version: contextvars.ContextVar[str | None] = contextvars.ContextVar("version", default=None)
"""The version in the path of the current request; None if there is none."""


class KServeModel(kserve.Model):
    """A served model as KServe's routes for readiness and metadata see it."""

    def __init__(self, dispatcher: Dispatcher):
        self.dispatcher = dispatcher
        super().__init__(dispatcher.name)

    @property
    def ready(self) -> bool:
        """True if the model's process runs and a version is loaded."""
        return self.dispatcher.ready

    @ready.setter
    def ready(self, value: bool) -> None:
        """Ignored: KServe sets it when it makes a model, and the process decides."""

    def load(self) -> bool:
        """True if a version answers; loading is the process's work."""
        return self.ready

    def stop(self) -> None:
        """Nothing: the server ends the process."""

    @property
    def described(self) -> Described:
        """The loaded versions.

        Raises:
            ModelNotReady: the process has not loaded any yet.
        """
        if self.dispatcher.described is None:
            raise ModelNotReady(self.name)
        return self.dispatcher.described

    def version(self) -> int:
        """The version in the path, else the one that answers.

        Raises:
            ModelNotFound: it is not loaded.
        """
        asked, described = asked_version.get(), self.described
        if asked is None:
            return described.answering
        if not asked.isdecimal() or int(asked) not in described.signatures:
            known = ", ".join(map(str, described.signatures))
            missing = ModelNotFound()
            missing.reason = f"{self.name} has no version {asked}; there is: {known}"
            raise missing
        return int(asked)

    def get_input_types(self) -> list[dict[str, Any]]:
        """The inputs of `serving_default` as V2 metadata."""
        return self.described.tensors[self.version()]["inputs"]

    def get_output_types(self) -> list[dict[str, Any]]:
        """The outputs of `serving_default` as V2 metadata."""
        return self.described.tensors[self.version()]["outputs"]

    async def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        """Refused: predictions are asked of the dispatcher, before KServe's routes."""
        del payload, headers, response_headers
        raise InvalidInput(f"{self.name}: use POST on /v1/models/{self.name}:predict")

    async def explain(self, payload: Any, headers: Any = None) -> Any:
        """Refused: no endpoint of that kind."""
        del payload, headers
        raise InvalidInput(f"{self.name} has no explain endpoint; use :predict")
