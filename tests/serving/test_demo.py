"""What the page of `make demo` does with what a person gives; test_browser opens the page."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from seqapps.app import Asks
from seqapps.config import UserError
from seqapps.serving import demo
from seqapps.serving.demo import Desk
from tests.toy import APP


@pytest.fixture
def desk(ran, tmp_path):
    """A desk of the toy application where the answer is the sum of the numbers."""

    def answer(columns):
        return {"mean": np.array([float(np.sum(steps)) for steps in columns["steps"]])}

    return Desk(APP, "smoke", ran, answer, tmp_path)


def test_pasted_text_is_answered_as_a_file_and_what_is_left_out_is_said(desk):
    [path, skipped], note = desk.ask("1 2\n\n4 5 6\n", None)
    assert skipped.read_text() == "what\treason\nruns.txt:2\tempty line\n"
    assert path.read_text().splitlines() == [
        "file,line,mean", "runs.txt,1,3.0", "runs.txt,3,15.0",
    ]  # fmt: skip
    assert note.splitlines() == [
        "predict: left out runs.txt:2: empty line",
        "toy predict: left out 1: empty line",
    ]


def test_a_file_is_asked_about_where_no_text_is(desk, tmp_path):
    (tmp_path / "mine.txt").write_text("1 2 3")
    [path], note = desk.ask("  ", str(tmp_path / "mine.txt"))
    assert path.read_text().splitlines()[1:] == ["mine.txt,1,6.0"] and note == ""


@pytest.mark.parametrize(("text", "first"), [("ACGT", ">pasted"), (">mine\nACGT", ">mine")])
def test_a_heading_is_put_above_text_that_lacks_one(desk, text, first):
    asks = Asks("Paste.", endings=(), pasted="pasted.fa", heading=">pasted")
    app = dataclasses.replace(APP, asks=asks)
    [path], _ = dataclasses.replace(desk, app=app)._input(text, None, desk.scratch)
    assert path.read_text().splitlines() == [first, "ACGT"]


def test_text_stands_for_the_option_that_makes_input_needless(desk):
    app = dataclasses.replace(APP, instead_of_input=("chords",))
    paths, words = dataclasses.replace(desk, app=app)._input('C "7"', None, desk.scratch)
    assert (paths, words) == ([], [r'predict.chords="C \"7\""'])


def test_a_mistake_is_a_sentence_that_names_no_folder(desk):
    found, note = desk.ask("", None)
    assert (found, note) == ([], "nothing was given. Give runs of numbers, one a line.")
    (desk.scratch / "mine.txt").write_text("\n")
    found, note = desk.ask("", str(desk.scratch / "mine.txt"))
    assert note == "mine.txt: nothing to predict on was found (empty line)"


def test_a_defect_is_a_sentence_and_a_log(desk):
    def answer(columns):
        raise ZeroDivisionError

    found, note = dataclasses.replace(desk, answer=answer).ask("1 2", None)
    assert not found and note.startswith("a defect of seqapps (ZeroDivisionError")
    assert "Traceback" in (desk.root / "data/error.log").read_text()


def test_the_example_is_the_row_that_was_exported(desk):
    text, file = desk.example()
    assert file is None and len([float(word) for word in text.split()]) >= 3
    assert desk.ask(text, file)[0]


def test_answers_are_shown_by_kind(tmp_path):
    files = [tmp_path / name for name in ("t.tsv", "a.png", "s.wav", "p.html", "x.mid")]
    for path in files:
        path.write_bytes(b"a\tb\n1\t<2>\n")
    note, pictures, sound, table, page, downloads = demo._shown(files, "said")
    assert note == "said" and pictures.startswith("<img") and sound == str(files[2])
    assert table == {"headers": ["a", "b"], "data": [["1", "<2>"]]}
    assert "sandbox" in page and "&lt;2&gt;" in page
    assert downloads == list(map(str, files))


def test_without_an_export_it_says_what_to_run(tmp_path):
    with pytest.raises(UserError, match="nothing of the profile full is exported; run make <app>"):
        demo.run(Path(tmp_path), profile="full", port=1, serve_port=2)
