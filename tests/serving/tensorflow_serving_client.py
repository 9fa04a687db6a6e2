"""Asks a running server as clients of TensorFlow Serving do, from the server's environment.

Arguments: address, model, version or "". Prints the answers as JSON.
"""

import json
import sys

import grpc
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

address, model, version = sys.argv[1:]
channel = grpc.insecure_channel(address)
predictions = prediction_service_pb2_grpc.PredictionServiceStub(channel)


def said(call, request):
    """The answer, or the status and the sentence of a refusal."""
    try:
        return call(request)
    except grpc.RpcError as error:
        return f"{error.code().name}: {error.details()}"


def request(values, **spec):
    asked = predict_pb2.PredictRequest()
    asked.model_spec.name = spec.get("name", model)
    if version:
        asked.model_spec.version.value = int(version)
    asked.inputs["value"].CopyFrom(tf.make_tensor_proto(values))
    return asked


answer = predictions.Predict(request([1.0, 2.0]))
bomb = request([1.0])
bomb.inputs["value"].tensor_shape.dim[0].size = 2_000_000_000
metadata = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
metadata.model_spec.name = model
described = get_model_metadata_pb2.SignatureDefMap()
predictions.GetModelMetadata(metadata).metadata["signature_def"].Unpack(described)
status = get_model_status_pb2.GetModelStatusRequest()
status.model_spec.name = model
states = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(status)
health = health_pb2_grpc.HealthStub(channel).Check
print(
    json.dumps(
        {
            "scaled": tf.make_ndarray(answer.outputs["scaled"]).tolist(),
            "version": answer.model_spec.version.value,
            "wrong": said(predictions.Predict, request(["x"])),
            "bomb": said(predictions.Predict, bomb),
            "unknown": said(predictions.Predict, request([1.0], name="other")),
            "signatures": sorted(described.signature_def),
            "states": [[s.version, s.state] for s in states.model_version_status],
            "health": [
                health(health_pb2.HealthCheckRequest(service=n)).status for n in ("", model)
            ],
        }
    )
)
