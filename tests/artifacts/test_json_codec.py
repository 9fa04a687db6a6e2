import base64

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqapps.artifacts import json_codec
from seqapps.artifacts.json_codec import BadRequest, Tensor

TEXT = Tensor("text", "string", (None,))
PAIRS = Tensor("pairs", "float32", (None, 2))
COUNT = Tensor("count", "int32", (None,))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


def test_rows_become_columns_and_answers_rows():
    one, two = {"text": TEXT}, {"text": TEXT, "count": COUNT}
    assert json_codec.columns_of(["a", "b"], one) == {"text": ["a", "b"]}
    assert json_codec.columns_of([{"text": "a"}], one) == {"text": ["a"]}
    b64 = {"b64": "AA=="}
    assert json_codec.columns_of([b64], one) == {"text": [b64]}
    rows = [{"text": "a", "count": 1}, {"count": 2, "text": "b"}]
    assert json_codec.columns_of(rows, two) == {"text": ["a", "b"], "count": [1, 2]}
    answer = {"x": np.array([1, 2]), "y": np.array([b"a", b"\xff"], object)}
    assert json_codec.rows_of(answer) == [{"x": 1, "y": "a"}, {"x": 2, "y": {"b64": "/w=="}}]
    assert json_codec.rows_of({"x": np.array([[1.5, np.nan]])}) == [[1.5, None]]


@pytest.mark.parametrize(
    ("tensor", "values", "reason"),
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
def test_what_does_not_fit_is_named(tensor, values, reason):
    with pytest.raises(BadRequest, match=reason):
        tensor.array(values)


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


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.5), 0.5),
        (np.array([[1, 2]]), [[1, 2]]),
        (np.array([b"a", b"\xff"], object), ["a", {"b64": "/w=="}]),
        ([np.nan, np.inf, 1.0], [None, None, 1.0]),
        ((np.int64(3), True, "x", None), [3, True, "x", None]),
    ],
)
def test_values_as_json_can_hold_them(value, expected):
    assert json_codec.to_json(value) == expected


@settings(deadline=None)
@given(st.lists(st.binary() | st.text(), max_size=4))
def test_texts_and_bytes_come_back_as_they_were(values):
    back = json_codec.from_json(json_codec.to_json(values))
    as_bytes = [value if isinstance(value, bytes) else value.encode() for value in values]
    assert [v if isinstance(v, bytes) else v.encode() for v in back] == as_bytes


def test_texts_in_an_array_are_str_and_other_bytes_stay():
    values = np.array([[b"a", b"\xff"]], object)
    assert json_codec.texts_of(values).tolist() == [["a", b"\xff"]]
    numbers = np.array([1.0])
    assert json_codec.texts_of(numbers) is numbers
