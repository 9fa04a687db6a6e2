import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import seqapps
from seqapps.artifacts import layout, saved_model
from seqapps.artifacts.json_codec import BadRequest, Tensor


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
    opened = saved_model.Model(model)
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
    described = saved_model.SavedModel(model / "model/3").signatures()
    (model / layout.SIGNATURES).write_text(json.dumps(described))
    code = f"import sys, seqapps; print(seqapps.open({str(model)!r}))"
    code += "; print('tensorflow' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "serving_default(count: int32 (any), text: string (any))" in said.stdout
    assert "-> said: string (any)" in said.stdout
    assert said.stdout.endswith("False\n")


def test_what_the_graph_itself_refuses_is_said_in_its_words(model):
    saved = saved_model.SavedModel(model / "model/3")
    with pytest.raises(BadRequest) as caught:
        saved.endpoint("added")({"pairs": [[1.0, 200.0]]})
    assert str(caught.value) == "the model refuses these values: it isn't below 100; send less"


def test_names_and_row_counts_are_checked_before_the_graph(model):
    default = saved_model.SavedModel(model / "model/3").endpoint(None)
    for columns, said in (
        ({"text": ["a"]}, "input 'count' is missing; wanted: count, text"),
        ({"text": ["a"], "count": [1], "more": [1]}, "input 'more' is not known"),
        ({"text": ["a", "b"], "count": [1]}, r"hold \[1, 2\] rows"),
        ({"text": [], "count": []}, "at least 1"),
    ):
        with pytest.raises(BadRequest, match=said):
            default(columns)


STEPS = tf.TensorSpec([None, None], tf.float32, name="x")


def endpoint_of(function, signature):
    return saved_model.of_function("sum", function, signature)


def test_answers_do_not_depend_on_the_batch_and_keep_their_order():
    def endpoint(x):
        return {"double": x * 2, "sum": np_sum(x)}

    def np_sum(x):
        return tf.reduce_sum(x, axis=1)

    ragged = np.empty(5, object)
    ragged[:] = [np.arange(n + 1, dtype=np.float32) for n in range(5)]
    one = endpoint_of(endpoint, [STEPS]).in_batches({"x": ragged}, 1)
    three = endpoint_of(endpoint, [STEPS]).in_batches({"x": ragged}, 3)
    np.testing.assert_array_equal(one["sum"], [0, 1, 3, 6, 10])
    np.testing.assert_array_equal(three["sum"], one["sum"])


def test_rows_of_like_length_are_asked_together_so_that_little_is_padded():
    shapes = []

    def endpoint(x, y):
        shapes.append(x.shape.as_list())
        return {"sum": tf.reduce_sum(x, axis=1) + y}

    ragged = np.empty(6, object)
    ragged[:] = [np.ones(n, np.float32) for n in (9, 1, 2, 8, 2, 9)]
    described = {"x": Tensor("x", "float32", (None, None)), "y": Tensor("y", "float32", (None,))}
    tens = np.arange(6, dtype=np.float32) * 10
    columns = {"x": ragged, "y": tens, "other": tens}
    answer = saved_model.Endpoint("sum", endpoint, described).in_batches(columns, 3)
    assert shapes == [[3, 2], [3, 9]]
    np.testing.assert_array_equal(answer["sum"], [9, 11, 22, 38, 42, 59])


def test_the_endpoint_that_takes_exactly_these_names_is_chosen():
    endpoints = {"other": ["a", "b"], "twin": ["a"], saved_model.DEFAULT: ["a"]}
    assert saved_model.taking(endpoints, ["a"]) == saved_model.DEFAULT
    assert saved_model.taking(endpoints, ["b", "a"]) == "other"
    with pytest.raises(ValueError, match=r"no endpoint takes \['c'\]"):
        saved_model.taking(endpoints, ["c"])


def test_a_function_in_this_process_answers_by_the_names_of_its_signature():
    signature = [tf.TensorSpec([None], tf.float32, name=name) for name in ("b", "a")]
    endpoint = saved_model.of_function("minus", lambda b, a: {"minus": b - a}, signature)
    assert list(endpoint.inputs) == ["b", "a"]
    assert endpoint({"a": [1.0], "b": [3.0]})["minus"].tolist() == [2.0]
    with pytest.raises(BadRequest, match="input 'b' is missing"):
        endpoint({"a": [1.0]})
