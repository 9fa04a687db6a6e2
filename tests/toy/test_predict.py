import pytest

from seqapps.app import Skip, UserFile
from seqapps.config import UserError
from tests.toy.predict import example_input, render, requests


def asked(path):
    return list(requests(None, path.parent, UserFile(path, path.name)))


def test_lines_become_requests_and_answers_a_table(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("1 2\n\n3\n")
    first, empty, last = asked(path)
    assert first[0] == {"file": "mine.txt", "line": 1}
    assert first[1]["steps"].tolist() == [1.0, 2.0]
    assert empty == Skip("empty line", "mine.txt:2")
    [table] = render(None, tmp_path, iter([(last[0], {"mean": 3.0})]), tmp_path)
    assert table.read_text().splitlines() == ["file,line,mean", "mine.txt,3,3.0"]


def test_a_line_that_holds_words_is_named(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("1 2\none two\n")
    with pytest.raises(UserError, match="mine.txt, line 2: 'one two'; wanted numbers"):
        asked(path)


def test_the_example_is_a_line_that_reads_as_the_same_request(tmp_path):
    path = tmp_path / "example.txt"
    path.write_text(example_input({"steps": [0.5, -2.0]}, tmp_path))
    [(_, request)] = asked(path)
    assert request["steps"].tolist() == [0.5, -2.0] and request["length"] == 2
