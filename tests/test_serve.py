"""The server as a client meets it: a process of its own, in its own environment, on loopback."""

import base64
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqapps import app as contract
from seqapps.receipts import write_json
from tests.test_served import JSON

pytestmark = pytest.mark.slow


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Server:
    """A running server and ways to ask it."""

    def __init__(self, repository, models, *options, token=None):
        self.python = str(repository / ".venv-serve/bin/python")
        self.repository = repository
        own = {"SEQAPPS_TOKEN": token or "", "PYTHONPATH": str(repository)}
        words = [f"{name}={folder}" for name, folder in models.items()]
        ports = ["--port", "0", "--grpc-port", "0"]
        self.process = subprocess.Popen(
            [self.python, "-m", "seqapps.serve", *words, *ports, *options],
            env=os.environ | own,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = []
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()
        try:
            self.wait(lambda: any("serving" in line for line in self.said))
            [found] = re.findall(r"127.0.0.1:(\d+) \(gRPC (\d+)\)", "".join(self.said))
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

    def predict(self, name, body, **headers):
        return self.ask("POST", f"/v1/models/{name}:predict", body, **headers)

    def remote(self, **asked):
        """The answer over gRPC, or {"error"}."""
        request = json.dumps(asked | {"address": f"127.0.0.1:{self.rpc}"})
        client = [self.python, str(self.repository / "tests/serve_client.py")]
        done = subprocess.run(client, input=request, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self.listener.join()
        self.process.stdout.close()
        return code


def write_version(folder, factor, *, slow=False):
    """A SavedModel that multiplies; a slow one takes a while for each answer."""

    def scaled(value):
        result = value * factor
        if slow:
            size = tf.random.stateless_uniform([700, 700], [1, 2])
            power = tf.while_loop(lambda i, m: i < 30, lambda i, m: (i + 1, size @ m), (0, size))[1]
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


@pytest.fixture(scope="module")
def applications(repository, made):
    """All applications of this project, as their smoke profiles exported them."""
    exports = {n: made.path / f"data/{n}/smoke/export" for n in contract.names()}
    running = Server(repository, exports)
    yield running, exports
    running.stop()


@pytest.mark.parametrize("name", contract.names())
def test_every_application_answers_over_v1_v2_and_grpc_what_its_export_answered(applications, name):
    running, exports = applications
    request = json.loads((exports[name] / "example_request.json").read_text())
    wanted = json.loads((exports[name] / "example_response.json").read_text())["predictions"]
    status, answer = running.predict(name, request)
    assert status == 200, answer
    described = json.loads((exports[name] / "signatures.json").read_text())
    sides = described[request["signature_name"]]
    rows = (
        wanted
        if isinstance(wanted[0], dict)
        else [{next(iter(sides["outputs"])): w} for w in wanted]
    )
    got = answer["predictions"]
    got = got if isinstance(got[0], dict) else [{next(iter(sides["outputs"])): g} for g in got]
    for one, other in zip(got, rows, strict=True):
        assert_same(one, other)
    first = request["instances"][:1]  # rows of an application may differ in length
    inputs = [v2_input(n, spec, first) for n, spec in sides["inputs"].items()]
    body = {"inputs": inputs, "parameters": {"signature_name": request["signature_name"]}}
    status, answer = running.ask("POST", f"/v2/models/{name}/infer", body)
    assert status == 200, answer
    flat = {n: np.ravel(np.array(v, object)).tolist() for n, v in rows[0].items()}
    assert_same({o["name"]: o["data"] for o in answer["outputs"]}, flat)
    if request["signature_name"] == "serving_default":
        inputs = [
            i | {"data": [base64.b64decode(t).decode("latin-1") for t in i["data"]]}
            if i["datatype"] == "BYTES"
            else i | {"data": np.reshape(i["data"], i["shape"]).tolist()}
            for i in inputs
        ]
        answer = running.remote(model=name, inputs=inputs)
        assert "outputs" in answer, answer
        assert_same(answer["outputs"], flat)


def named(rows, outputs):
    """Rows as dicts, also if there is one output and they are bare values."""
    return rows if len(outputs) > 1 else [dict.fromkeys(outputs, row) for row in rows]


def assert_same(one, other):
    """Equal answers, but for what pads a row to the longest of the batch it was asked in."""
    assert one.keys() == other.keys()
    for name, value in one.items():
        wanted = other[name]
        if isinstance(value, list) and isinstance(wanted, list) and len(value) != len(wanted):
            count = min(len(value), len(wanted))
            assert not any([*value[count:], *wanted[count:]])
            value, wanted = value[:count], wanted[:count]
        if np.array(value).dtype.kind in "US":
            assert value == wanted
        else:
            wanted = np.array(wanted, float)
            assert np.array(value, float) == pytest.approx(wanted, rel=1e-3, abs=1e-4)


def v2_input(name, spec, instances):
    rows = [row[name] if isinstance(row, dict) and name in row else row for row in instances]
    datatype = {"string": "BYTES", "float32": "FP32", "int32": "INT32", "int64": "INT64"}
    found = {"name": name, "datatype": datatype[spec["dtype"]]}
    if spec["dtype"] == "string":
        texts = [
            row["b64"] if isinstance(row, dict) else base64.b64encode(row.encode()).decode()
            for row in rows
        ]
        parameters = {"content_type": "base64"}
        return found | {"shape": [len(texts)], "data": texts, "parameters": parameters}
    values = np.array(rows)
    return found | {"shape": list(values.shape), "data": values.ravel().tolist()}


def test_rows_columns_signatures_and_versions_are_those_of_tensorflow_serving(server):
    times = "/v1/models/times"
    ask = server.ask
    assert server.predict("times", {"instances": [1, 2]}) == (200, {"predictions": [3, 6]})
    assert server.predict("times", {"instances": [{"value": 1}]}) == (200, {"predictions": [3]})
    assert server.predict("times", {"inputs": [1, 2]}) == (200, {"outputs": [3, 6]})
    assert server.predict("times", {"inputs": {"value": [1]}}) == (200, {"outputs": [3]})
    assert ask("POST", f"{times}/versions/1:predict", {"instances": [1]})[1] == {"predictions": [2]}
    status, answer = ask("POST", f"{times}/versions/7:predict", {"instances": [1]})
    assert (status, answer) == (404, {"error": "times has no version 7; there is: 1, 2"})
    wave = {"b64": base64.b64encode(tf.audio.encode_wav([[0.0]], 8000).numpy()).decode()}
    heard = {"signature_name": "heard", "instances": [wave]}
    assert server.predict("times", heard) == (200, {"predictions": [8000]})
    form = {"content-type": "application/x-www-form-urlencoded"}  # what curl -d sends
    assert server.predict("times", b'{"instances": [1]}', **form)[0] == 200


def test_a_connection_forgets_the_version_that_was_asked_for(server):
    body = b'{"instances": [1]}'
    head = "POST {} HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    paths = ("/v1/models/times/versions/1:predict", "/v1/models/times:predict")
    heard = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as line:
        line.sendall(b"".join(head.format(path).encode() + body for path in paths))
        while heard.count(b"]}") < 2:
            heard += line.recv(65536)
    assert heard.index(b'{"predictions":[2') < heard.index(b'{"predictions":[3')


NO_WAVE = base64.b64encode(b"RIFF\x24\0\0\0WAVE" + b"\xff\xfe\xf1\xf2" * 9).decode()
"""TensorFlow's sentence about it quotes bytes that are no text."""


def test_the_metadata_name_inputs_outputs_and_versions(server):
    assert server.ask("GET", "/v2/models/times")[1] == {
        "name": "times",
        "versions": ["1", "2"],
        "platform": "tensorflow_savedmodel",
        "inputs": [{"name": "value", "datatype": "FP32", "shape": [-1]}],
        "outputs": [{"name": "scaled", "datatype": "FP32", "shape": [-1]}],
    }
    spec = server.ask("GET", "/v1/models/times/versions/1/metadata")[1]
    assert spec["model_spec"] == {"name": "times", "version": "1"}
    assert spec["signatures"]["heard"]["inputs"] == {"audio": {"dtype": "string", "shape": [None]}}
    assert 'request_predict_seconds_count{model_name="times"}' in server.ask("GET", "/metrics")[1]


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/v1/models/times:predict", b"{", 400, "Unrecognized request format"),
        ("/v1/models/times:predict", [1], 400, "not a JSON object"),
        ("/v1/models/times:predict", {}, 400, "either 'instances'"),
        ("/v1/models/times:predict", {"instances": ["x"]}, 400, "holds text; wanted float32"),
        ("/v1/models/times:predict", {"instances": [[1]]}, 400, "wanted value: float32 (any)"),
        ("/v1/models/times:predict", {"instances": [1] * 65}, 400, "65 rows; the limit is 64"),
        ("/v1/models/times:predict", b" " * 100_001, 413, "larger than 100000 bytes"),
        ("/v1/models/other:predict", {"instances": [1]}, 404, "other does not exist"),
        ("/v1/models/times:explain", {"instances": [1]}, 400, "no explain endpoint"),
        ("/v2/repository/models/times/unload", {}, 400, "a version goes when its folder goes"),
        (
            "/v1/models/times:predict",
            {"signature_name": "heard", "instances": [{"b64": "AAAA"}]},
            400,
            "the model refuses these values",
        ),
        (
            "/v1/models/times:predict",
            {"signature_name": "heard", "instances": [{"b64": NO_WAVE}]},
            400,
            "bytes it cannot read",
        ),
        (
            "/v2/models/times/infer",
            {"inputs": [{"name": "value", "datatype": "FP32", "shape": [3], "data": [1, 2]}]},
            400,
            "the data are not FP32 of shape [3]",
        ),
    ],
)
def test_a_bad_request_gets_a_sentence(server, path, body, status, said):
    found, answer = server.ask("POST", path, body)
    assert found == status and said in answer["error"]


def test_a_bad_call_over_grpc_gets_a_sentence(server):
    wrong = [{"name": "value", "datatype": "BYTES", "data": ["x"]}]
    assert "wanted float32" in server.remote(model="times", inputs=wrong)["error"]
    right = [{"name": "value", "datatype": "FP32", "data": [1.5, 2]}]
    answer = server.remote(model="times", inputs=right, version="1")
    assert answer == {"outputs": {"scaled": [3.0, 4.0]}}
    assert "does not exist" in server.remote(model="other", inputs=right)["error"]


BINARY_HEADER = {"Inference-Header-Content-Length": "9"}
PATHS = st.sampled_from(
    ["/v1/models/times:predict", "/v2/models/times/infer", "/v1/models/times/versions/1:predict"]
)
V1 = st.fixed_dictionaries({"instances": JSON}, optional={"signature_name": JSON})
V2 = st.fixed_dictionaries(
    {
        "inputs": st.lists(
            st.fixed_dictionaries(
                {
                    "name": st.sampled_from(["value", "audio", "x"]),
                    "shape": st.lists(st.integers(-2, 5), max_size=3),
                    "datatype": st.sampled_from(["FP32", "BYTES", "INT64", "FP16", "?"]),
                    "data": JSON,
                }
            ),
            max_size=2,
        )
    }
)


@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    PATHS,
    st.binary() | JSON | V1 | V2,
    st.sampled_from([{}, {"Inference-Header-Content-Length": "9"}]),
)
def test_no_body_whatever_makes_the_server_fail(server, path, body, headers):
    if not isinstance(body, bytes):
        body = json.dumps(body).encode("utf-8", "surrogatepass")
    status, answer = server.ask("POST", path, body, **headers)
    assert status < 500, answer


def test_half_a_request_disturbs_nobody(server):
    with socket.create_connection(("127.0.0.1", server.port)) as half:
        half.sendall(b"POST /v1/models/times:predict HTTP/1.1\r\nContent-Length: 99\r\n\r\n{")
        assert server.predict("times", {"instances": [1]})[0] == 200
    assert server.predict("times", {"instances": [1]})[0] == 200


def test_a_token_is_asked_for_if_there_is_one_but_not_for_health(repository, export):
    running = Server(repository, {"times": export}, token="secret")
    body = {"instances": [1]}
    assert running.predict("times", body)[0] == 401
    assert running.predict("times", body, authorization="Bearer wrong")[0] == 401
    assert running.predict("times", body, authorization="Bearer secret")[0] == 200
    value = [{"name": "value", "datatype": "FP32", "data": [1]}]
    assert "bearer token" in running.remote(model="times", inputs=value)["error"]
    answer = running.remote(model="times", inputs=value, token="secret")
    assert answer == {"outputs": {"scaled": [3.0]}}
    running.stop()


def test_it_listens_on_loopback_only(server):
    addresses = {
        line.split()[1]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/{server.process.pid}/net/{table}").read_text().splitlines()[1:]
        if line.split()[3] == "0A"
    }
    own = {f"{server.port:04X}", f"{server.rpc:04X}"}
    loopback = {"0100007F", "0000000000000000FFFF00000100007F"}  # 127.0.0.1, by IPv4 and by IPv6
    assert {a.split(":")[1] for a in addresses} >= own
    assert {a.split(":")[0] for a in addresses if a.split(":")[1] in own} <= loopback


def test_a_swap_drops_no_request_and_a_broken_version_is_refused(repository, export, tmp_path):
    shutil.copytree(export, tmp_path / "export")
    model = tmp_path / "export/model"
    running = Server(repository, {"times": tmp_path / "export"})
    seen, stop = [], threading.Event()

    def client():
        while not stop.is_set():
            seen.append(running.predict("times", {"instances": [1]}))

    clients = [threading.Thread(target=client) for _ in range(4)]
    for one in clients:
        one.start()
    write_version(model / "3", 5.0)
    running.wait(lambda: seen[-1] == (200, {"predictions": [5]}))
    (model / ".4").mkdir()
    (model / ".4/saved_model.pb").write_bytes(b"no graph")
    os.rename(model / ".4", model / "4")
    running.wait(lambda: any("model/4 is refused" in line for line in running.said))
    count = len(seen)
    running.wait(lambda: len(seen) > count + 40)
    stop.set()
    for one in clients:
        one.join()
    assert {status for status, _ in seen} == {200}
    values = [answer["predictions"][0] for _, answer in seen]
    assert set(values) == {3, 5} and values[-1] == 5
    assert running.stop() == 0


def test_the_server_follows_the_champion_there_and_back(repository, export, tmp_path):
    shutil.copytree(export, tmp_path / "export")

    def crown(number):
        write_json(tmp_path / "export/champion.json", {"version": number, "history": []})

    crown(1)
    running = Server(repository, {"times": tmp_path / "export"})
    body = {"instances": [1]}
    assert running.predict("times", body) == (200, {"predictions": [2]})
    crown(2)
    running.wait(lambda: running.predict("times", body) == (200, {"predictions": [3]}))
    crown(1)
    running.wait(lambda: running.predict("times", body) == (200, {"predictions": [2]}))
    assert running.ask("POST", "/v1/models/times/versions/2:predict", body)[0] == 200
    running.stop()


def test_sigterm_answers_what_has_come_and_then_ends(repository, tmp_path):
    (tmp_path / "model").mkdir()
    write_version(tmp_path / "model/1", 2.0, slow=True)
    running = Server(repository, {"times": tmp_path})
    began = time.monotonic()
    running.predict("times", {"instances": [1]})
    alone = time.monotonic() - began
    answers = []
    client = threading.Thread(
        target=lambda: answers.append(running.predict("times", {"instances": [4]}))
    )
    client.start()
    time.sleep(alone / 2)
    code = running.stop()
    client.join()
    assert answers == [(200, {"predictions": [8]})] and code == 0


@pytest.mark.parametrize(("name", "word"), [("port", "PORT"), ("grpc-port", "GRPC_PORT")])
def test_a_port_that_is_taken_ends_the_server_with_a_sentence(repository, export, name, word):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        ports = {"--port": "0", "--grpc-port": "0"} | {f"--{name}": port}
        words = [word for pair in ports.items() for word in pair]
        done = subprocess.run(
            [repository / ".venv-serve/bin/python", "-m", "seqapps.serve", f"x={export}", *words],
            cwd=repository,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 2
    assert f"127.0.0.1:{port} cannot be listened on; give another {word}=" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_model_it_says_what_to_run(repository, tmp_path):
    done = subprocess.run(
        [str(repository / ".venv-serve/bin/python"), "-m", "seqapps.serve", f"dna={tmp_path}"],
        cwd=repository,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and "run make dna" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_server_imports_nothing_that_trains(repository):
    code = "import sys, seqapps.serve; print(*(m for m in sys.modules if m.startswith('seqapps.')))"
    done = subprocess.run(
        [str(repository / ".venv-serve/bin/python"), "-c", code],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    )
    modules = {"serve", "door", "answering", "swap", "served", "wire"}
    assert set(done.stdout.split()) == {f"seqapps.{name}" for name in modules}
