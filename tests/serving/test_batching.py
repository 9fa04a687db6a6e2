"""Requests that wait for the same endpoint, answered in one call of the model."""

import threading

import numpy as np
import pytest

from seqapps.artifacts.json_codec import BadRequest, Tensor
from seqapps.artifacts.saved_model import Endpoint
from seqapps.serving import batching
from seqapps.serving.messages import Call
from tests.serving.conftest import Server


class Calls:
    """An endpoint of texts and numbers that notes the rows of its calls."""

    def __init__(self):
        self.rows = []
        inputs = {"text": Tensor("text", "string", (None,)), "x": Tensor("x", "int32", (None, 2))}
        self.endpoint = Endpoint("serving_default", self.answer, inputs)

    def answer(self, text, x):
        import tensorflow as tf

        self.rows.append(int(tf.size(text)))
        if tf.reduce_any(x < 0):
            raise tf.errors.InvalidArgumentError(None, None, "row 0: negative")
        return {"sum": tf.reduce_sum(x, axis=1), "text": text}

    def call(self, *texts, x=1, partly=False):
        columns = {"text": list(texts), "x": [[x, 2]] * len(texts)}
        return Call(None, self.endpoint, columns, partly, None)


def test_calls_of_like_rows_are_joined_and_each_gets_its_rows():
    made = Calls()
    calls = {1: made.call("ab", "cd"), 2: made.call("ef", x=5), 3: made.call("a" * 99)}
    groups = batching.groups(calls, {"serving_default": True}, 64)
    assert groups == [[1, 2], [3]]
    first, second = batching.answered([calls[1], calls[2]])
    assert made.rows == [3]
    assert first["sum"].tolist() == [3, 3] and second["sum"].tolist() == [7]
    assert second["text"].tolist() == [b"ef"]


def test_calls_are_not_joined_beyond_the_rows_or_if_they_cannot_be():
    made = Calls()
    joined = {"serving_default": True}
    calls = {n: made.call("a", "b") for n in range(3)}
    assert batching.groups(calls, joined, 4) == [[0, 1], [2]]
    calls = {1: made.call("a"), 2: made.call("b", partly=True), 3: made.call("c")}
    assert batching.groups(calls, joined, 64) == [[1, 3], [2]]
    wrong = made.call("d")
    wrong.columns["x"] = ["no number"]
    assert batching.groups({1: made.call("a"), 2: wrong}, joined, 64) == [[1], [2]]
    assert batching.groups(calls, {"serving_default": False}, 64) == [[1], [2], [3]]


def test_a_refused_row_refuses_the_call_of_all():
    made = Calls()
    with pytest.raises(BadRequest, match="row 0: negative"):
        calls = {1: made.call("a"), 2: made.call("b", x=-1)}
        batching.groups(calls, {"serving_default": True}, 64)
        batching.answered(list(calls.values()))


@pytest.mark.slow
def test_joined_requests_get_the_answers_of_single_ones_and_only_the_bad_one_a_refusal(
    repository, export
):
    running = Server(repository, {"times": export}, "--batch", "times=16:20")
    try:
        assert running.ask("GET", "/v1/models/times")[1]["batched"] is True
        answers = {}

        def ask(number):
            values = ["x"] if number == 7 else [number, 2 * number]
            answers[number] = running.predict("times", {"instances": values})

        clients = [threading.Thread(target=ask, args=(number,)) for number in range(40)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
    finally:
        running.stop()
    assert answers.pop(7)[0] == 400
    for number, (status, answer) in answers.items():
        assert status == 200
        assert np.allclose(answer["predictions"], [3 * number, 6 * number])
