import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqapps import config
from seqapps.artifacts import layout
from seqapps.config import STAGES, UserError
from seqapps.pipeline import export, stages
from tests.toy import APP

PLAIN_TENSORFLOW = """
import json, sys
import tensorflow as tf
folder, request = sys.argv[1:]
instances = json.load(open(request))["instances"]
function = tf.saved_model.load(folder).signatures["serving_default"]
answers = []
for row in instances:
    given = {name: tf.constant([value], function.structured_input_signature[1][name].dtype)
             for name, value in row.items()}
    answers.append(float(function(**given)["mean"][0]))
assert not any(name.startswith(("seqapps", "tests")) for name in sys.modules)
print(json.dumps(answers))
"""


def exported(project):
    return project / "data/toy/smoke/export"


def test_the_model_answers_in_a_process_that_has_only_tensorflow(ran):
    folder = exported(ran)
    command = [sys.executable, "-I", "-c", PLAIN_TENSORFLOW]
    paths = [folder / "model/1", folder / "example_request.json"]
    done = subprocess.run([*command, *paths], capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    expected = json.loads((folder / "example_response.json").read_text())["predictions"]
    np.testing.assert_allclose(json.loads(done.stdout), expected, atol=1e-6)


def test_the_example_is_one_request_whose_rows_have_one_length(whole):
    request = json.loads((exported(whole) / "example_request.json").read_text())
    steps = np.array([row["steps"] for row in request["instances"]])
    assert steps.ndim == 2


@pytest.mark.parametrize(
    ("table", "kept"), [("", ["2", "3", "4"]), ("keep_versions = 5\n", ["1", "2", "3", "4"])]
)
def test_versions_rise_and_the_last_are_kept(ran, table, kept):
    profile = ran / "pipelines/toy/smoke.toml"
    profile.write_text(profile.read_text().replace("[export]\n", "[export]\n" + table))
    for _ in range(3):
        stages.run(APP, "export", profile="smoke", tracker=stages.Quiet(), force=True, root=ran)
    model = exported(ran) / "model"
    assert sorted(path.name for path in model.iterdir()) == kept
    assert layout.answering(exported(ran)).name == "4"


def test_a_model_that_answers_otherwise_than_evaluate_was_answered_is_refused(ran):
    responses = ran / "data/toy/smoke/evaluate/responses.jsonl"
    lines = [json.loads(line) for line in responses.read_text().splitlines()]
    lines[3]["serving_default"]["mean"] += 0.01
    responses.write_text("\n".join(map(json.dumps, lines)))
    with pytest.raises(UserError, match="differs from evaluate's answers by 0.016 of their"):
        params = config.load(APP, "smoke", root=ran)
        folders = {stage: ran / "data/toy/smoke" / stage for stage in STAGES}
        export.run(APP, params, folders, ran / "out", previous=ran / "none")


def test_a_python_function_in_the_graph_is_refused(tmp_path):
    model = keras.Sequential([keras.layers.Input([2]), keras.layers.Dense(1)])

    def with_python(x):
        return {"y": tf.py_function(lambda v: v * 2, [model(x)], tf.float32)}

    signature = [tf.TensorSpec([None, 2], tf.float32, name="x")]
    export.write(model, {"serving_default": (with_python, signature)}, tmp_path / "1")
    with pytest.raises(ValueError, match="EagerPyFunc"):
        export.check_core_ops(tmp_path / "1")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"p": [0.1, 0.2]}, {"p": [0.1, 0.25]}, 0.05 / 1.25),
        ({"p": [None, 0.2]}, {"p": [None, 0.2]}, 0.0),
        ({"p": [None, 0.2]}, {"p": [0.0, 0.2]}, float("inf")),
        ({"name": {"b64": "/w=="}}, {"name": {"b64": "/w=="}}, 0.0),
        ({"text": "a b"}, {"text": "a b"}, 0.0),
        ({"text": "a b"}, {"text": "a c"}, float("inf")),
        ({"p": [0.1]}, {"p": [0.1, 0.2]}, 0.2 / 1.2),
        ({"p": [0.1]}, {"p": [[0.1]]}, float("inf")),
    ],
)
def test_the_difference_of_two_answers(one, other, expected):
    assert export.difference(one, other) == pytest.approx(expected)


def test_padding_of_a_batch_makes_no_difference():
    one = {"words": ["hello"], "start_s": [0.5]}
    padded = {"words": ["hello", ""], "start_s": [0.5, 0.0]}
    assert export.difference(one, padded) == export.difference(padded, one) == 0
    assert export.difference({"words": []}, {"words": ["", ""]}) == 0
    assert export.difference(one, {"words": ["hello", "there"], "start_s": [0.5, 0.0]}) == np.inf
    assert export.difference(one, {"words": ["hello"], "start_s": [0.5, 0.25]}) == 0.2


def test_prices_and_volatilities_are_held_to_the_same_number_of_digits():
    stored = [{"close": [2852.0], "volatility": [0.011]}, {"close": [2900.0], "volatility": [0.9]}]
    units = export.units_of(stored)
    assert units["close"] == pytest.approx(2876.1, abs=0.1)
    rounded = {"close": [2852.000243], "volatility": [0.011]}
    assert export.difference(rounded, stored[0], units=units) < 1e-7 < export.TOLERANCE
    wrong = {"close": [2852.0], "volatility": [0.0112]}
    assert export.difference(wrong, stored[0], units=units) > export.TOLERANCE
