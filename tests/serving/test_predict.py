import dataclasses

import pytest

from seqapps import config
from seqapps.config import UserError
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
    ("text", "said"), [(None, "no such file"), ("\n", "nothing to predict on")]
)
def test_predict_without_anything_to_predict_on_says_so(ran, text, said):
    path = ran / "mine.txt"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UserError, match=said):
        params = config.load(APP, "smoke", root=ran)
        predict.run(APP, params, [path], exported=exported(ran), out=ran / "answers")
