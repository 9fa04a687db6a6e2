"""Fixtures of serving."""

import http.client
import json
import os
import re
import resource
import signal
import subprocess
import threading
import time

import psutil
import pytest
import tensorflow as tf


class Server:
    """A running server and ways to ask it."""

    def __init__(self, repository, models, *options, token=None, files=None):
        self.python = str(repository / ".venv-serve/bin/python")
        self.repository = repository
        own = {"SEQAPPS_TOKEN": token or "", "PYTHONPATH": str(repository)}
        words = [f"{name}={folder}" for name, folder in models.items()]
        ports = ["--port", "0", "--grpc-port", "0"]
        self.process = subprocess.Popen(
            [self.python, "-m", "seqapps.serving.server", *words, *ports, *options],
            env=os.environ | own,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=files
            and (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))),
        )
        self.said = []
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()
        try:
            self.wait(lambda: any("serving" in line for line in self.said))
            [found] = re.findall(r"http://[\d.]+:(\d+) \(gRPC (\d+)\)", "".join(self.said))
            self.port, self.rpc = (int(port) for port in found)
            self.wait(self._answers)
        except BaseException:
            self.process.kill()
            self.stop()
            raise

    def _listen(self):
        self.said += iter(self.process.stdout.readline, "")

    def _answers(self):
        try:
            return self.ask("GET", "/v2/health/ready")[0] == 200
        except OSError:
            return False

    def wait(self, claim, seconds=90):
        end = time.monotonic() + seconds
        while not claim():
            assert time.monotonic() < end and self.process.poll() is None, "".join(self.said)
            time.sleep(0.1)

    def ask(self, method, path, body=None, **headers):
        """Status and decoded body of one request; `body` may be bytes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = body if isinstance(body, bytes | None) else json.dumps(body)
        content = {"content-type": "application/json"} if body is not None else {}
        connection.request(method, path, sent, content | headers)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        is_json = "json" in answer.headers.get("content-type", "")
        return answer.status, json.loads(text) if is_json else text.decode()

    def children(self):
        """The processes below the server's."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def predict(self, name, body, **headers):
        return self.ask("POST", f"/v1/models/{name}:predict", body, **headers)

    def remote(self, **asked):
        """The answer over gRPC, or {"error"}."""
        request = json.dumps(asked | {"address": f"127.0.0.1:{self.rpc}"})
        client = [self.python, str(self.repository / "tests/serving/serve_client.py")]
        done = subprocess.run(client, input=request, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self.listener.join()
        self.process.stdout.close()
        return code


def write_version(folder, factor, *, slow=0):
    """A SavedModel that multiplies; a slow one takes so many products of matrices for an answer."""

    def scaled(value):
        result = value * factor
        if slow:
            size = tf.random.stateless_uniform([700, 700], [1, 2])
            power = tf.while_loop(lambda i, m: i < slow, lambda i, m: (i + 1, size @ m), (0, size))[
                1
            ]
            result += 0 * tf.reduce_sum(tf.clip_by_value(power, 0, 1))
        return {"scaled": result}

    def heard(audio):
        return {"rate": tf.map_fn(lambda a: tf.audio.decode_wav(a)[1], audio, tf.int32)}

    endpoints = {
        "serving_default": (scaled, tf.TensorSpec([None], tf.float32, name="value")),
        "heard": (heard, tf.TensorSpec([None], tf.string, name="audio")),
    }
    functions = {
        name: tf.function(function, input_signature=[spec]).get_concrete_function()
        for name, (function, spec) in endpoints.items()
    }
    whole = folder.parent / f".{folder.name}"
    tf.saved_model.save(tf.Module(), str(whole), signatures=functions)
    os.rename(whole, folder)


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    folder = tmp_path_factory.mktemp("multiply")
    (folder / "model").mkdir()
    write_version(folder / "model/1", 2.0)
    write_version(folder / "model/2", 3.0)
    return folder


@pytest.fixture(scope="module")
def server(repository, export):
    running = Server(repository, {"times": export}, "--rows", "64", "--body-mb", "0.1")
    yield running
    running.stop()
