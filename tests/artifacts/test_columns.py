import json

import numpy as np

from seqapps.artifacts import columns


def test_a_column_is_stacked_where_shapes_agree():
    assert columns.column([[1, 2], [3, 4]]).shape == (2, 2)
    ragged = columns.column([np.array([1]), np.array([1, 2])])
    assert ragged.dtype == object and len(ragged) == 2
    assert columns.column([b"text", "other", b"\xff"]).tolist() == ["text", "other", b"\xff"]


def test_shorter_rows_are_padded_with_zeros_at_their_end():
    ragged = columns.column([np.array([1, 2]), np.array([3])])
    assert columns.dense(ragged).tolist() == [[1, 2], [3, 0]]
    squares = columns.column([np.ones((1, 2)), np.ones((2, 1))])
    assert columns.dense(squares).tolist() == [[[1, 1], [0, 0]], [[1, 0], [1, 0]]]
    texts = columns.column(["a", "bc"])
    assert columns.dense(texts) is texts


def test_rows_are_taken_from_every_column():
    table = columns.from_rows([{"x": 1, "t": "a"}, {"x": 2, "t": "b"}])
    picked = columns.take(table, np.array([1, 1]))
    assert picked["x"].tolist() == [2, 2] and picked["t"].tolist() == ["b", "b"]
    assert columns.from_rows([]) == {}


def test_a_table_for_people_has_short_cells(tmp_path):
    table = {
        "key": columns.column(["a", "b"]),
        "value": np.array([1 / 3, 2.0]),
        "sound": columns.column([b"\xff\xff", b"\xff"]),
        "long": np.zeros((2, 300)),
        "texts": columns.column([["one", "zwölf"], ["two", ""]]),
    }
    columns.write_csv(tmp_path / "t.csv", table)
    first = (tmp_path / "t.csv").read_text().splitlines()[1]
    assert first.startswith("a,0.333333,<2 bytes>,<300 numbers>,")
    assert json.loads(first.split(">,", 2)[-1].strip('"').replace('""', '"')) == ["one", "zwölf"]
