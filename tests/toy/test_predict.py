from seqapps.app import Skip
from tests.toy.predict import render, requests


def test_lines_become_requests_and_answers_a_table(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("1 2\n\n3\n")
    first, empty, last = requests(None, tmp_path, [path])
    assert first[0] == 0 and first[1]["steps"].tolist() == [1.0, 2.0]
    assert empty == Skip("empty line", f"{path}:2")
    [table] = render(None, tmp_path, iter([(last[0], {"mean": 3.0})]), tmp_path)
    assert table.read_text() == "2,3.0"
