import dataclasses
import gzip
from pathlib import Path

import numpy as np
import pytest

from seqapps import config
from seqapps.artifacts.json_codec import BadRequest
from seqapps.config import UserError
from seqapps.kit.files import Text
from seqapps.serving import predict
from tests.toy import APP


def exported(project):
    return project / "data/toy/smoke/export"


def test_predict_streams_a_users_file_and_counts_what_it_left_out(ran, capsys):
    params = config.load(APP, "smoke", ["predict.batch_size=2"], root=ran)
    (ran / "mine.txt").write_text("1 2 3\n\n4 5 6 7\n0 0 0\n")
    written = predict.run(
        APP, params, [ran / "mine.txt"], exported=exported(ran), out=ran / "answers"
    )
    assert [line.split(",")[1] for line in written[0].read_text().splitlines()] == [
        "line", "1", "3", "4",
    ]  # fmt: skip
    assert "left out 1: empty line" in capsys.readouterr().out


def test_predict_asks_what_is_served_whatever_evaluate_judges(ran):
    params = config.load(APP, "smoke", [], root=ran)
    (ran / "mine.txt").write_text("1 2 3\n")
    judged = dataclasses.replace(APP, evaluated=("score",))
    [path] = predict.run(
        judged, params, [ran / "mine.txt"], exported=exported(ran), out=ran / "answers"
    )
    assert len(path.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no such file"),
        ("\n", "nothing to predict on was found .empty line"),
        ("one two", "^mine.txt, line 1: 'one two'; wanted numbers"),
    ],
)
def test_predict_without_anything_to_predict_on_says_so(ran, text, said):
    path = ran / "mine.txt"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=said):
        answers_to(ran, path)


def answers_to(ran, *paths, say=print, answer=None, app=APP):
    params = config.load(APP, "smoke", root=ran)
    return predict.run(
        app,
        params,
        list(paths),
        exported=exported(ran),
        out=ran / "answers",
        root=ran,
        say=say,
        answer=answer,
    )


def rows_of(path):
    sign = "\t" if path.suffix == ".tsv" else ","
    return [line.split(sign) for line in path.read_text().splitlines(keepends=True)][1:]


def test_every_file_of_a_folder_is_answered_or_listed(ran):
    folder = ran / "mine"
    (folder / "a").mkdir(parents=True)
    (folder / "a/one.txt").write_text("1 2 3")
    (folder / "b.csv").write_bytes(gzip.compress(b"4 5 6"))
    (folder / "c.txt").write_text("1 2\n\n")
    (folder / "a/damaged").write_bytes(gzip.compress(b"1 2 3")[:-6])
    (folder / "picture.png").write_bytes(b"\x89PNG\x00")
    (folder / ".hidden").write_text("7")
    lines = []
    table, skipped = answers_to(ran, folder, say=lines.append)
    assert [row[:2] for row in rows_of(table)] == [
        ["a/one.txt", "1"], ["b.csv", "1"], ["c.txt", "1"],
    ]  # fmt: skip
    assert [row[0] for row in rows_of(skipped)] == ["a/damaged", "c.txt:2", "picture.png"]
    assert any(": a/damaged is gzip that is damaged or cut short" in line for line in lines)


def test_files_of_one_name_are_told_apart(ran, monkeypatch):
    for folder in ("x", "y"):
        (ran / folder).mkdir()
        (ran / folder / "mine.txt").write_text("1")
    monkeypatch.chdir(ran)
    [table] = answers_to(ran, Path("x/mine.txt"), Path("y/mine.txt"))
    assert [row[0] for row in rows_of(table)] == ["x/mine.txt", "y/mine.txt"]


def test_a_refused_input_leaves_earlier_answers_as_they_were(ran):
    (ran / "good.txt").write_text("1 2 3")
    (ran / "bad.txt").write_text("one")
    [table] = answers_to(ran, ran / "good.txt")
    before = table.read_text()
    with pytest.raises(UserError, match="bad.txt"):
        answers_to(ran, ran / "bad.txt")
    assert table.read_text() == before
    assert sorted(p.name for p in table.parent.iterdir()) == ["means.csv", "skipped.tsv"]
    answers_to(ran, ran / "good.txt")
    assert [p.name for p in table.parent.iterdir()] == ["means.csv"], "nothing was left out"


def test_an_interruption_leaves_earlier_answers_as_they_were(ran):
    (ran / "good.txt").write_text("1 2 3")
    [table] = answers_to(ran, ran / "good.txt")
    before = table.read_text()

    def interrupted(columns):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answers_to(ran, ran / "good.txt", answer=interrupted)
    assert table.read_text() == before and [p.name for p in table.parent.iterdir()] == ["means.csv"]


def test_a_row_that_the_model_refuses_is_listed_and_the_others_are_answered(ran):
    (ran / "mine.txt").write_text("1 2\n-1\n3\n")

    def answer(columns):
        bad = [row for row, steps in enumerate(columns["steps"]) if min(steps) < 0]
        if bad:
            raise BadRequest(f"the model refuses these values: row {bad[0]}: a negative number")
        return {"mean": np.array([float(np.mean(steps)) for steps in columns["steps"]])}

    table, skipped = answers_to(ran, ran / "mine.txt", answer=answer)
    assert [row[1:] for row in rows_of(table)] == [["1", "1.5\n"], ["3", "3.0\n"]]
    assert rows_of(skipped) == [
        ["mine.txt, request 2", "the model refuses these values: a negative number\n"]
    ]


def test_a_defect_in_one_file_does_not_end_the_others(ran, monkeypatch):
    for name in ("a.txt", "b.txt"):
        (ran / name).write_text("1 2")

    def read(path, name):
        if name == "a.txt":
            raise ZeroDivisionError
        return Text("1 2", "utf-8")

    monkeypatch.setattr("seqapps.kit.files.text", read)
    table, skipped = answers_to(ran, ran / "a.txt", ran / "b.txt")
    assert [row[0] for row in rows_of(table)] == ["b.txt"]
    assert rows_of(skipped)[0][1].startswith("a defect of seqapps (ZeroDivisionError")
    with pytest.raises(ZeroDivisionError):
        answers_to(ran, ran / "a.txt")
