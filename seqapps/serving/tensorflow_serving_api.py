"""Requests of TensorFlow Serving's gRPC services: PredictionService and ModelService."""

import math
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    predict_pb2,
)

from seqapps.app import Columns
from seqapps.artifacts.json_codec import BadRequest
from seqapps.serving import tensor_checks
from seqapps.serving.messages import PROTOBUF, Answer, Call, Limits, Parts, Question, Versions

AVAILABLE = 30
"""TensorFlow Serving's state of a version that answers."""


def predict(question: Question, versions: Versions, limits: Limits) -> Call:
    """The call of a PredictRequest."""
    del limits
    message = predict_pb2.PredictRequest.FromString(question.body)  # pyright: ignore[reportAttributeAccessIssue] made at run time
    spec = message.model_spec
    version = versions(_number(spec))
    endpoint = version.endpoint(spec.signature_name or None)
    for name in message.output_filter:
        if name not in endpoint.outputs:
            raise BadRequest(f"no output '{name}'; there is: {', '.join(endpoint.outputs)}")
    columns = {name: _array(name, tensor) for name, tensor in message.inputs.items()}
    wanted = list(message.output_filter) or list(endpoint.outputs)

    def encode(outcome: Columns | Parts) -> Answer:
        assert not isinstance(outcome, Parts)
        response = predict_pb2.PredictResponse()  # pyright: ignore[reportAttributeAccessIssue] made at run time
        response.model_spec.name = spec.name
        response.model_spec.version.value = version.number
        response.model_spec.signature_name = endpoint.name
        for name in wanted:
            response.outputs[name].CopyFrom(tf.make_tensor_proto(outcome[name]))
        return Answer(200, response.SerializeToString(), {"content-type": PROTOBUF})

    return Call(version, endpoint, columns, False, encode)


def metadata(question: Question, versions: Versions, limits: Limits) -> Answer:
    """The answer to a GetModelMetadataRequest."""
    del limits
    message = get_model_metadata_pb2.GetModelMetadataRequest.FromString(question.body)  # pyright: ignore[reportAttributeAccessIssue] made at run time
    version = versions(_number(message.model_spec))
    response = get_model_metadata_pb2.GetModelMetadataResponse()  # pyright: ignore[reportAttributeAccessIssue] made at run time
    response.model_spec.name = message.model_spec.name
    response.model_spec.version.value = version.number
    described = get_model_metadata_pb2.SignatureDefMap()  # pyright: ignore[reportAttributeAccessIssue] made at run time
    for name, endpoint in version.endpoints.items():
        signature = described.signature_def[name]
        signature.method_name = "tensorflow/serving/predict"
        for side in ("inputs", "outputs"):
            for tensor in getattr(endpoint, side).values():
                info = getattr(signature, side)[tensor.name]
                info.name, info.dtype = tensor.name, tf.as_dtype(tensor.dtype).as_datatype_enum
                info.tensor_shape.CopyFrom(tf.TensorShape(tensor.shape).as_proto())
    response.metadata["signature_def"].Pack(described)
    return Answer(200, response.SerializeToString(), {"content-type": PROTOBUF})


def status(question: Question, versions: Versions, limits: Limits) -> Answer:
    """The answer to a GetModelStatusRequest, about the version that answers."""
    del limits
    message = get_model_status_pb2.GetModelStatusRequest.FromString(question.body)  # pyright: ignore[reportAttributeAccessIssue] made at run time
    response = get_model_status_pb2.GetModelStatusResponse()  # pyright: ignore[reportAttributeAccessIssue] made at run time
    status = response.model_version_status.add()
    status.version = versions(_number(message.model_spec)).number
    status.state = AVAILABLE
    return Answer(200, response.SerializeToString(), {"content-type": PROTOBUF})


def _number(spec: Any) -> str | None:
    return str(spec.version.value) if spec.HasField("version") else None


def _array(name: str, tensor: Any) -> np.ndarray:
    sizes = [size.size for size in tensor.tensor_shape.dim]
    tensor_checks.checked_shape(name, sizes)
    text = tensor.dtype == tf.string.as_datatype_enum
    values = len(tensor.string_val) if text else None
    if tensor.tensor_content and not text:
        tensor_checks.check_size(
            name, tf.dtypes.as_dtype(tensor.dtype), sizes, len(tensor.tensor_content)
        )
    elif math.prod(sizes) > max(values or 0, tensor.ByteSize()):
        # One value may stand for all of a tensor, so that a few bytes would take gigabytes.
        raise BadRequest(f"'{name}' of shape {sizes} holds fewer values than that")
    return tf.make_ndarray(tensor)
