"""Requests of V1, V2 and gRPC: answers, metadata, refusals."""

import base64
import json
import subprocess

import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.artifacts.test_json_codec import JSON

pytestmark = pytest.mark.slow


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
    assert server.ask("GET", times)[1] == {
        "name": "times",
        "ready": True,
        "model_version_status": [
            {
                "version": version,
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
            for version in ("2", "1")
        ],
        "labels": {"answers": "2"},
        "batched": False,
    }


NO_WAVE = base64.b64encode(b"RIFF\x24\0\0\0WAVE" + b"\xff\xfe\xf1\xf2" * 9).decode()
"""TensorFlow's sentence about it quotes bytes that are no text."""


def test_with_on_error_null_a_bad_row_is_named_and_the_others_are_answered(server):
    wave = base64.b64encode(tf.audio.encode_wav([[0.0]], 8000).numpy()).decode()
    rows = [{"b64": wave}, {"b64": NO_WAVE}, {"b64": wave}]
    body = {"signature_name": "heard", "instances": rows}
    assert server.predict("times", body)[0] == 400
    status, answer = server.predict("times", body | {"on_error": "null"})
    assert (status, answer["predictions"]) == (200, [8000, None, 8000])
    assert list(answer["errors"]) == ["1"] and "refuses" in answer["errors"]["1"]
    columns = {"signature_name": "heard", "inputs": rows, "on_error": "null"}
    assert server.predict("times", columns)[1]["outputs"] == [8000, None, 8000]
    mixed = {"instances": [1, "x", None, 4], "on_error": "null"}
    assert server.predict("times", mixed)[1]["predictions"] == [3, None, None, 12]
    v2 = {
        "inputs": [{"name": "audio", "shape": [2], "datatype": "BYTES", "data": ["no", "wave"]}],
        "parameters": {"signature_name": "heard", "on_error": "null"},
    }
    status, answer = server.ask("POST", "/v2/models/times/infer", v2)
    assert status == 400 and "every row is refused; row 0: " in answer["error"]
    value = {"name": "value", "shape": [3], "datatype": "FP32", "data": [1, 1e39, 3]}
    v2 = {"inputs": [value], "parameters": {"on_error": "null"}}
    status, answer = server.ask("POST", "/v2/models/times/infer", v2)
    assert (status, answer["outputs"][0]["data"]) == (200, [3.0, None, 9.0])
    reasons = json.loads(answer["parameters"]["errors"])
    assert reasons == {"1": "'value' holds a value that is not a finite number"}
    wrong = {"instances": [1], "on_error": "skip"}
    assert server.predict("times", wrong)[1] == {
        "error": '\'on_error\' is neither "fail" nor "null"'
    }


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
    assert server.predict("times", {"instances": [1]})[0] == 200
    assert server.predict("times", {"instances": ["x"]})[0] == 400
    counted = server.ask("GET", "/metrics")[1]
    for outcome, version in (("answered", "2"), ("refused", "")):
        labels = f'model="times",outcome="{outcome}",protocol="v1",version="{version}"'
        assert f"seqapps_requests_total{{{labels}}}" in counted
    assert 'seqapps_queue_length{model="times"} 0.0' in counted


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("/v1/models/times:predict", b"{", 400, "the body is not JSON"),
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


def test_clients_of_tensorflow_serving_and_of_grpc_health_are_answered(server, repository):
    client = [server.python, repository / "tests/serving/tensorflow_serving_client.py"]
    done = subprocess.run(
        [*client, f"127.0.0.1:{server.rpc}", "times", "1"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer.pop("wrong").startswith("INVALID_ARGUMENT: 'value' holds ")
    assert "holds fewer values than that" in answer.pop("bomb")
    assert answer.pop("unknown") == "NOT_FOUND: Model with name other does not exist"
    available, serving = 30, 1
    assert answer == {
        "scaled": [2.0, 4.0],
        "version": 1,
        "signatures": ["heard", "serving_default"],
        "states": [[2, available]],
        "health": [serving, serving],
    }


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
