"""A client of the server of `make serve`: V1 over REST, on this machine."""

import http.client
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqapps.app import Columns
from seqapps.artifacts import json_codec, saved_model
from seqapps.artifacts.columns import column, dense
from seqapps.artifacts.json_codec import BadRequest, Tensor
from seqapps.config import UserError
from seqapps.serving import predict

ASK_SECONDS, END_SECONDS = 90, 30
PYTHON = ".venv-serve/bin/python"


@dataclass(frozen=True)
class Client:
    """A client of the server that listens on a port of this machine."""

    port: int

    def answers(self) -> bool:
        """True if a server of seqapps answers on the port."""
        try:
            return self._ask("GET", "/v2")[1].get("name") == "seqapps"
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            return False

    def names(self) -> list[str]:
        """The names of the served models."""
        return self._asked("GET", "/v1/models")["models"]

    def model(self, name: str) -> predict.Answer:
        """A function from request to answer columns (N, ...), by the endpoint with those inputs.

        The function raises BadRequest if the server refuses the rows, and UserError if it does not
        answer.
        """

        def answer(request: Columns) -> Columns:
            signatures = self._asked("GET", f"/v1/models/{name}/metadata")["signatures"]
            takes = {endpoint: sides["inputs"] for endpoint, sides in signatures.items()}
            endpoint = saved_model.taking(takes, request)
            inputs = {n: json_codec.to_json(dense(values)) for n, values in request.items()}
            body = {"signature_name": endpoint, "inputs": inputs}
            outputs = self._asked("POST", f"/v1/models/{name}:predict", body=body)["outputs"]
            described = signatures[endpoint]["outputs"]
            outputs = outputs if len(described) > 1 else dict.fromkeys(described, outputs)
            return {n: _received(n, described[n], values) for n, values in outputs.items()}

        return answer

    def _asked(self, method: str, path: str, *, body: Any = None) -> Any:
        try:
            status, answer = self._ask(method, path, body=body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            kind = type(error).__name__
            gone = f"the server on port {self.port} does not answer ({kind})"
            raise UserError(f"{gone}; start it again with make serve") from None
        if status == 400:
            raise BadRequest(answer.get("error", "the server refuses the request"))
        if status != 200:
            raise UserError(answer.get("error", f"the server answers {status} to {path}"))
        return answer

    def _ask(self, method: str, path: str, *, body: Any = None) -> tuple[int, Any]:
        headers = {"content-type": "application/json"}
        if token := os.environ.get("SEQAPPS_TOKEN"):
            headers["authorization"] = f"Bearer {token}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ASK_SECONDS)
        try:
            sent = None if body is None else json.dumps(body)
            connection.request(method, path, sent, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()


@contextmanager
def running(root: Path, exports: dict[str, Path], port: int) -> Iterator[Client]:
    """A client of the server on `port`; if there is none, a server of `exports` is started.

    A server started here ends with the block.

    Raises:
        UserError: it cannot be started.
    """
    server = Client(port)
    if server.answers():
        print(f"asking the server on port {port}", flush=True)
        yield server
        return
    print(f"starting a server for {', '.join(exports)}", flush=True)
    words = [f"{name}={folder}" for name, folder in exports.items()]
    command = [str(root / PYTHON), "-m", "seqapps.serving.server", *words]
    process = subprocess.Popen([*command, "--port", str(port), "--no-grpc"], cwd=root)
    try:
        _wait(server, process)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(server: Client, process: subprocess.Popen) -> None:
    while not server.answers():
        if process.poll() is not None:
            way = "if something else has the port, name a free one: SERVE_PORT=8090"
            raise UserError(f"the server could not be started on port {server.port}; {way}")
        time.sleep(0.2)


def _received(name: str, described: dict[str, Any], values: Any) -> np.ndarray:
    tensor = Tensor(name, described["dtype"], tuple(described["shape"]))
    return column(list(tensor.array(values)))
