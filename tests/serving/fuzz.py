"""Sends mutated requests to a server it starts: none may end it, or be answered as its own fault.

    .venv-serve/bin/python tests/serving/fuzz.py dna=data/dna/full/export [--requests 4000]

A quarter each goes over V1, V2's JSON, V2's gRPC and TensorFlow Serving's PredictionService. Each
begins as the example beside the export; then a value is replaced by one that does not belong there,
or bytes are flipped, cut out or doubled. Prints the answers by status; exit 1 if one is a 5xx.
"""

import argparse
import base64
import http.client
import json
import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from kserve.protocol.grpc import grpc_predict_v2_pb2 as v2
from tensorflow_serving.apis import predict_pb2

REPOSITORY = Path(__file__).parents[2]
ODD = (
    None, True, False, 0, -1, 2**31, 2**63, -(2**63), 1e308, -1e308, 1e-320, float("nan"),
    float("inf"), "", "x", "\x00", "é", "NaN", "ACGT" * 50, "a" * 10_000, [], [[]], [None], [[[]]],
    {}, {"b64": ""}, {"b64": "!"}, {"b64": "AAAA"}, {"b64": 5}, {"x": 1},
)  # fmt: skip
TYPES = {"float32": "FP32", "float64": "FP64", "int32": "INT32", "int64": "INT64"}
FAULTS = {"INTERNAL", "UNKNOWN", "UNAVAILABLE", "DEADLINE_EXCEEDED", "UNIMPLEMENTED"}
"""gRPC statuses that say that the server is to blame."""


def replaced(rng: random.Random, value):
    """The value with one part of it, somewhere, replaced, left out or doubled."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        name = rng.choice(list(value))
        if rng.random() < 0.1:
            return {n: v for n, v in value.items() if n != name}
        return value | {name: replaced(rng, value[name])}
    if isinstance(value, list) and value and rng.random() < 0.85:
        at = rng.randrange(len(value))
        kind = rng.random()
        if kind < 0.1:
            return value[:at] + value[at + 1 :]
        if kind < 0.2:
            return value[:at] + [value[at]] * 2 + value[at + 1 :]
        return value[:at] + [replaced(rng, value[at])] + value[at + 1 :]
    return rng.choice(ODD)


def scrambled(rng: random.Random, body: bytes) -> bytes:
    """The body with some bytes flipped, cut out or doubled."""
    content = bytearray(body)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(content) or 1)
        kind = rng.randrange(4)
        if kind == 0 and content:
            content[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del content[at : at + rng.randint(1, 50)]
        elif kind == 2:
            content[at:at] = content[at : at + rng.randint(1, 50)]
        else:
            content[at:at] = rng.randbytes(rng.randint(1, 9))
    return bytes(content)


def columns(example: dict) -> dict[str, np.ndarray]:
    """The inputs of the example by name; bytes and texts as objects."""
    rows = example["instances"]
    values = {}
    for name in rows[0]:
        column = [row[name] for row in rows]
        if isinstance(column[0], dict):
            column = np.array([base64.b64decode(one["b64"]) for one in column], object)
        elif isinstance(column[0], str):
            column = np.array([one.encode() for one in column], object)
        values[name] = np.array(column)
    return values


def v2_json(values: dict[str, np.ndarray]) -> dict:
    """A request of V2 in JSON."""
    return {
        "inputs": [
            {"name": n, "shape": list(a.shape), "datatype": _type(a), "data": _plain(a)}
            for n, a in values.items()
        ]
    }


def v2_message(model: str, values: dict[str, np.ndarray]) -> v2.ModelInferRequest:
    """A request of V2 over gRPC."""
    request = v2.ModelInferRequest(model_name=model)
    for name, array in values.items():
        tensor = request.inputs.add(name=name, datatype=_type(array), shape=array.shape)
        if array.dtype == object:
            tensor.contents.bytes_contents.extend(array.ravel().tolist())
        else:
            kind = {"f4": "fp32", "f8": "fp64", "i4": "int", "i8": "int64"}[array.dtype.str[1:]]
            getattr(tensor.contents, f"{kind}_contents").extend(array.ravel().tolist())
    return request


def serving_message(model: str, values: dict[str, np.ndarray]) -> predict_pb2.PredictRequest:
    """A request of PredictionService."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    for name, array in values.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(array))
    return request


def disturbed(rng: random.Random, message) -> bytes:
    """A message with one of its tensors changed, as bytes, which may be scrambled as well."""
    tensors = message.inputs
    if isinstance(message, v2.ModelInferRequest):
        tensor = rng.choice(list(tensors))
        kind = rng.randrange(5)
        if kind == 0:
            tensor.shape[:] = [rng.choice([-1, 0, 1, 7, 2**40]) for _ in range(rng.randrange(4))]
        elif kind == 1:
            tensor.datatype = rng.choice(["FP32", "INT64", "BYTES", "BOOL", "FP16", "", "x"])
        elif kind == 2:
            tensor.name = rng.choice(["", "x", tensor.name * 2])
        elif kind == 3:
            message.raw_input_contents.append(rng.randbytes(rng.randrange(64)))
        else:
            message.model_version = rng.choice(["1", "9", "-1", "x", "1" * 40])
    else:
        tensor = tensors[rng.choice(list(tensors))]
        kind = rng.randrange(5)
        if kind == 0:
            tensor.dtype = rng.choice(range(24))
        elif kind == 1:
            tensor.tensor_shape.dim.add(size=rng.choice([-1, 0, 1, 7, 2**40]))
        elif kind == 2:
            tensor.tensor_content = rng.randbytes(rng.randrange(64))
        elif kind == 3:
            message.model_spec.signature_name = rng.choice(["x", "serving_default", ""])
        else:
            message.model_spec.version.value = rng.choice([0, 1, 9, -1])
    body = message.SerializeToString()
    return scrambled(rng, body) if rng.random() < 0.5 else body


def asks(name: str, example: dict, port: int, channel: grpc.Channel) -> list[Callable]:
    """A function for each protocol: (random numbers) -> the status of a mutated request."""
    values = columns(example)

    def over_http(path: str, body) -> Callable[[random.Random], str]:
        def ask(rng: random.Random) -> str:
            changed = json.dumps(replaced(rng, body)).encode()
            sent = scrambled(rng, changed) if rng.random() < 0.3 else changed
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            connection.request("POST", path, sent, {"content-type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            connection.close()
            return str(answer.status)

        return ask

    def over_grpc(method: str, made: Callable) -> Callable[[random.Random], str]:
        call = channel.unary_unary(method)

        def ask(rng: random.Random) -> str:
            try:
                call(disturbed(rng, made(name, values)), timeout=120)
            except grpc.RpcError as error:
                return error.code().name
            return "OK"

        return ask

    return [
        over_http(f"/v1/models/{name}:predict", example),
        over_http(f"/v2/models/{name}/infer", v2_json(values)),
        over_grpc("/inference.GRPCInferenceService/ModelInfer", v2_message),
        over_grpc("/tensorflow.serving.PredictionService/Predict", serving_message),
    ]


def _type(array: np.ndarray) -> str:
    return "BYTES" if array.dtype == object else TYPES[array.dtype.name]


def _plain(array: np.ndarray) -> list:
    if array.dtype != object:
        return array.ravel().tolist()
    return [base64.b64encode(one).decode() for one in array.ravel()]


def main() -> int:
    """The exit code: 0 if no answer was the server's fault and it still answers the example."""
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="+", metavar="NAME=EXPORT_FOLDER")
    parser.add_argument("--requests", type=int, default=4000, help="of each model")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    server = subprocess.Popen(
        [sys.executable, "-m", "seqapps.serving.server", *asked.models]
        + ["--port", "0", "--grpc-port", "0"],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout
    try:
        line = next(line for line in server.stdout if "gRPC" in line)
        [(port, grpc_port)] = re.findall(r"http://[\d.]+:(\d+) \(gRPC (\d+)\)", line)
        channel = grpc.insecure_channel(f"127.0.0.1:{grpc_port}")
        faults = 0
        for model in asked.models:
            name, folder = model.split("=")
            example = json.loads((Path(folder) / "example_request.json").read_text())
            rng, counts = random.Random(f"{asked.seed} {name}"), Counter()
            ways = asks(name, example, int(port), channel)
            for number in range(asked.requests):
                status = ways[number % len(ways)](rng)
                counts[status] += 1
                if status in FAULTS or status.startswith("5"):
                    faults += 1
                    print(f"{name}: request {number}: {status}", flush=True)
            connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=120)
            sent = {"content-type": "application/json"}
            connection.request("POST", f"/v1/models/{name}:predict", json.dumps(example), sent)
            alive = connection.getresponse().status
            faults += alive != 200
            print(f"{name}: {dict(counts.most_common())}; then the example: {alive}", flush=True)
        return 1 if faults else 0
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    sys.exit(main())
