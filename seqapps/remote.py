"""The server of `make serve` as a client asks it: V1 over REST, on this machine."""

import base64
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

from seqapps import evaluation, predict, records
from seqapps.app import UserError
from seqapps.wire import Tensor

ASK_SECONDS, END_SECONDS = 90, 30
PYTHON = ".venv-serve/bin/python"


@dataclass(frozen=True)
class Server:
    """A server that listens on a port of this machine."""

    port: int

    def answers(self) -> bool:
        """Whether one is there, and is ready."""
        try:
            return self._ask("GET", "/v2")[1].get("name") == "seqapps"
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            return False

    def names(self) -> list[str]:
        """The models it serves."""
        return self._asked("GET", "/v1/models")["models"]

    def model(self, name: str) -> predict.Answer:
        """Columns of requests to columns of answers, from the endpoint that takes them.

        The function raises UserError with the server's sentence if it refuses, or does not answer.
        """

        def answer(columns: predict.Columns) -> predict.Columns:
            signatures = self._asked("GET", f"/v1/models/{name}/metadata")["signatures"]
            takes = {endpoint: sides["inputs"] for endpoint, sides in signatures.items()}
            endpoint = predict.taking(takes, columns)
            inputs = {n: _sent(evaluation.dense(values)) for n, values in columns.items()}
            body = {"signature_name": endpoint, "inputs": inputs}
            outputs = self._asked("POST", f"/v1/models/{name}:predict", body)["outputs"]
            described = signatures[endpoint]["outputs"]
            outputs = outputs if len(described) > 1 else dict.fromkeys(described, outputs)
            return {n: _received(n, described[n], values) for n, values in outputs.items()}

        return answer

    def _asked(self, method: str, path: str, body: Any = None) -> Any:
        try:
            status, answer = self._ask(method, path, body)
        except (OSError, http.client.HTTPException, ValueError) as error:
            kind = type(error).__name__
            gone = f"the server on port {self.port} does not answer ({kind})"
            raise UserError(f"{gone}; start it again with make serve") from None
        if status != 200:
            raise UserError(answer.get("error", f"the server answers {status} to {path}"))
        return answer

    def _ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
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
def running(root: Path, exports: dict[str, Path], port: int) -> Iterator[Server]:
    """The server on `port`; if there is none, one of `exports` that ends with the block.

    Raises:
        UserError: it cannot be started.
    """
    server = Server(port)
    if server.answers():
        print(f"asking the server on port {port}", flush=True)
        yield server
        return
    print(f"starting a server for {', '.join(exports)}", flush=True)
    words = [f"{name}={folder}" for name, folder in exports.items()]
    command = [str(root / PYTHON), "-m", "seqapps.serve", *words]
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


def _wait(server: Server, process: subprocess.Popen) -> None:
    while not server.answers():
        if process.poll() is not None:
            way = "if something else has the port, name a free one: SERVE_PORT=8090"
            raise UserError(f"the server could not be started on port {server.port}; {way}")
        time.sleep(0.2)


def _sent(values: Any) -> Any:
    if isinstance(values, bytes):
        return {"b64": base64.b64encode(values).decode()}
    if hasattr(values, "tolist"):
        values = values.tolist()
    return [_sent(value) for value in values] if isinstance(values, list) else values


def _received(name: str, described: dict[str, Any], values: Any) -> Any:
    tensor = Tensor(name, described["dtype"], tuple(described["shape"]))
    return records.column(list(tensor.array(values)))
