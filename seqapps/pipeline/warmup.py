"""The request by which TensorFlow Serving warms a model up before it answers clients.

TensorFlow Serving reads `assets.extra/tf_serving_warmup_requests`: TFRecords of PredictionLog. Its
messages are in a package that needs another TensorFlow than training; the few fields are written
here, by the numbers in its `prediction_log.proto`, `predict.proto` and `model.proto`.
"""

from pathlib import Path

import tensorflow as tf

from seqapps.artifacts.saved_model import SavedModel

PREDICT_LOG, REQUEST, MODEL_SPEC, INPUTS = 6, 1, 1, 2
NAME, SIGNATURE_NAME, KEY, VALUE = 1, 3, 1, 2


def write(path: Path, name: str, *, model: SavedModel) -> None:
    """Writes the example request of a version, to a model called `name`."""
    example = model.example()
    if example is None:
        return
    endpoint, columns = example
    spec = _field(NAME, name.encode()) + _field(SIGNATURE_NAME, endpoint.name.encode())
    message = _field(MODEL_SPEC, spec)
    for key, rows in columns.items():
        values = tf.make_tensor_proto(rows, dtype=endpoint.inputs[key].dtype)
        entry = _field(KEY, key.encode()) + _field(VALUE, values.SerializeToString())
        message += _field(INPUTS, entry)
    with tf.io.TFRecordWriter(str(path)) as file:
        file.write(_field(PREDICT_LOG, _field(REQUEST, message)))


def _field(number: int, content: bytes) -> bytes:
    """A field of bytes, text or a message, in the wire format of Protocol Buffers."""
    size, varint = len(content), bytearray([number << 3 | 2])
    while size > 127:
        varint.append(size & 127 | 128)
        size >>= 7
    return bytes([*varint, size]) + content
