import base64
import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import seqapps
from seqapps import served, wire
from seqapps.wire import BadRequest, Tensor

TEXT = Tensor("text", "string", (None,))
PAIRS = Tensor("pairs", "float32", (None, 2))
COUNT = Tensor("count", "int32", (None,))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A SavedModel of two endpoints: one joins a text and a number, one adds pairs."""
    module = tf.Module()

    def joined(text, count):
        return {"said": tf.strings.join([text, tf.strings.as_string(count)])}

    def added(pairs):
        tf.debugging.assert_less(pairs, 100.0, "it isn't below 100; send less")
        return {"sum": tf.reduce_sum(pairs, axis=1), "first": pairs[:, 0]}

    pairs = tf.TensorSpec([None, 2], tf.float32, name="pairs")
    given = [tf.TensorSpec([None], tf.string, name="text")]
    given += [tf.TensorSpec([None], tf.int32, name="count")]
    endpoints = {"serving_default": (joined, given), "added": (added, [pairs])}
    functions = {
        name: tf.function(function, input_signature=signature).get_concrete_function()
        for name, (function, signature) in endpoints.items()
    }
    folder = tmp_path_factory.mktemp("export") / "model" / "3"
    tf.saved_model.save(module, str(folder), signatures=functions)
    return folder.parents[1]


def test_an_open_model_answers_as_its_endpoint_in_plain_values(model):
    opened = served.Model(model)
    assert opened(text=["a", "b"], count=[1, 2])["said"].tolist() == ["a1", "b2"]
    assert opened([1, 2], ["a", "b"])["said"].tolist() == ["a1", "b2"]  # in the order of names
    answer = opened([[1.0, 2.0]], endpoint="added")
    assert answer["sum"].tolist() == [3.0] and answer["first"].tolist() == [1.0]


def test_a_model_is_opened_by_application_or_folder_and_is_missed_with_a_way_out(model, tmp_path):
    (tmp_path / "data/toy/full").mkdir(parents=True)
    (tmp_path / "data/toy/full/export").symlink_to(model)
    for what in ("toy", model, model / "model/3"):
        assert seqapps.open(what, root=tmp_path)([[1, 1]], endpoint="added")["sum"] == 2
    with pytest.raises(FileNotFoundError, match="run make <app> first"):
        seqapps.open("nothing", root=tmp_path)


def test_the_repr_says_what_it_takes_and_needs_no_tensorflow(model):
    described = served.SavedModel(model / "model/3").signatures()
    (model / served.SIGNATURES).write_text(json.dumps(described))
    code = f"import sys, seqapps; print(seqapps.open({str(model)!r}))"
    code += "; print('tensorflow' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "serving_default(count: int32 (any), text: string (any))" in said.stdout
    assert "-> said: string (any)" in said.stdout
    assert said.stdout.endswith("False\n")


def test_rows_become_columns_and_answers_rows():
    one, two = {"text": TEXT}, {"text": TEXT, "count": COUNT}
    assert wire.columns_of(["a", "b"], one) == {"text": ["a", "b"]}
    assert wire.columns_of([{"text": "a"}], one) == {"text": ["a"]}
    b64 = {"b64": "AA=="}
    assert wire.columns_of([b64], one) == {"text": [b64]}
    rows = [{"text": "a", "count": 1}, {"count": 2, "text": "b"}]
    assert wire.columns_of(rows, two) == {"text": ["a", "b"], "count": [1, 2]}
    answer = {"x": np.array([1, 2]), "y": np.array([b"a", b"\xff"], object)}
    assert wire.rows_of(answer) == [{"x": 1, "y": "a"}, {"x": 2, "y": {"b64": "/w=="}}]
    assert wire.rows_of({"x": np.array([[1.5, np.nan]])}) == [[1.5, None]]


@pytest.mark.parametrize(
    ("tensor", "values", "said"),
    [
        (PAIRS, [[1, 2, 3]], r"'pairs' has shape \(1, 3\); wanted pairs: float32 \(any, 2\)"),
        (PAIRS, [[1, 2], [3]], "rows of different lengths"),
        (PAIRS, [["a", "b"]], "'pairs' holds text; wanted float32"),
        (PAIRS, [[1, None]], "'pairs' holds mixed values"),
        (PAIRS, [[1e400, 0]], "not a finite number"),
        (PAIRS, [[1e39, 0]], "not a finite number"),
        (COUNT, [1.5], "'count' holds fractions; wanted int32"),
        (COUNT, [2**40], "outside int32"),
        (COUNT, [2**80], "'count' holds"),
        (TEXT, [1], "'text' holds a int"),
        (TEXT, ["a", ["b"]], "nested deeper|different lengths"),
        (TEXT, [["a"]], "nested deeper"),
        (TEXT, [{"b64": "%"}], "not base64"),
    ],
)
def test_what_does_not_fit_is_named(tensor, values, said):
    with pytest.raises(BadRequest, match=said):
        tensor.array(values)


def test_what_the_graph_itself_refuses_is_said_in_its_words(model):
    saved = served.SavedModel(model / "model/3")
    with pytest.raises(BadRequest) as caught:
        saved.endpoint("added")({"pairs": [[1.0, 200.0]]})
    assert str(caught.value) == "the model refuses these values: it isn't below 100; send less"


def test_names_and_row_counts_are_checked_before_the_graph(model):
    default = served.SavedModel(model / "model/3").endpoint(None)
    for columns, said in (
        ({"text": ["a"]}, "input 'count' is missing; wanted: count, text"),
        ({"text": ["a"], "count": [1], "more": [1]}, "input 'more' is not known"),
        ({"text": ["a", "b"], "count": [1]}, r"hold \[1, 2\] rows"),
        ({"text": [], "count": []}, "at least 1"),
    ):
        with pytest.raises(BadRequest, match=said):
            default(columns)


@settings(deadline=None)
@given(JSON)
def test_any_json_is_an_array_or_a_bad_request(values):
    for tensor in (TEXT, PAIRS, COUNT):
        try:
            found = tensor.array(values)
        except BadRequest:
            continue
        assert found.ndim == len(tensor.shape)


@settings(deadline=None)
@given(st.lists(st.binary(), min_size=1, max_size=4))
def test_bytes_survive_base64(texts):
    sent = [{"b64": base64.b64encode(text).decode()} for text in texts]
    assert TEXT.array(sent).tolist() == texts
