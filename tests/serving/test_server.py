"""The server as a client meets it: a process of its own, in its own environment, on loopback."""

import base64
import json
import socket
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from seqapps import app as contract
from tests.serving.conftest import Server, write_version

pytestmark = pytest.mark.slow


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


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


BINARY_HEADER = {"Inference-Header-Content-Length": "9"}


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


def test_sigterm_answers_what_has_come_and_then_ends(repository, tmp_path):
    (tmp_path / "model").mkdir()
    write_version(tmp_path / "model/1", 2.0, slow=30)
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
            [
                repository / ".venv-serve/bin/python",
                "-m",
                "seqapps.serving.server",
                f"x={export}",
                *words,
            ],
            cwd=repository,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 2
    assert f"127.0.0.1:{port} cannot be listened on; give another {word}=" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_model_it_says_what_to_run(repository, tmp_path):
    done = subprocess.run(
        [
            str(repository / ".venv-serve/bin/python"),
            "-m",
            "seqapps.serving.server",
            f"dna={tmp_path}",
        ],
        cwd=repository,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and "run make dna" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_server_imports_nothing_that_trains(repository):
    code = "import sys, seqapps.serving.server as server, seqapps.serving.dispatcher\n"
    code += "print('tensorflow' in sys.modules)\n"
    code += "import seqapps.serving.model_process\n"
    code += "print(*(name for name in sys.modules if name.startswith('seqapps.')))"
    done = subprocess.run(
        [str(repository / ".venv-serve/bin/python"), "-c", code],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    )
    has_tensorflow, *modules = done.stdout.split()
    assert has_tensorflow == "False"  # only the models' processes have it
    floors = {name.split(".")[1] for name in modules}
    assert floors == {"app", "config", "serving", "artifacts"}
