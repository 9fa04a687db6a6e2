import json
import subprocess

import numpy as np
import pytest

from seqapps.artifacts import layout

READ = """
import json, sys
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2
[record] = tf.data.TFRecordDataset(sys.argv[1]).as_numpy_iterator()
request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
values = {name: tf.make_ndarray(tensor).tolist() for name, tensor in request.inputs.items()}
print(json.dumps([request.model_spec.name, request.model_spec.signature_name, values]))
"""


@pytest.mark.slow
def test_tensorflow_serving_reads_the_example_as_its_warmup_request(ran, repository):
    exported = ran / "data/toy/smoke/export"
    path = exported / "model/1" / layout.EXTRA / "tf_serving_warmup_requests"
    python = str(repository / ".venv-serve/bin/python")
    done = subprocess.run([python, "-c", READ, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    name, signature, values = json.loads(done.stdout)
    asked = json.loads((exported / "example_request.json").read_text())
    assert (name, signature) == ("toy", asked["signature_name"])
    for key, rows in values.items():
        assert np.allclose(rows, [row[key] for row in asked["instances"]])
