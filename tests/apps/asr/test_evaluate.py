"""Scores against hand-counted errors; rivals on sounds whose answer is known."""

from types import SimpleNamespace

import numpy as np
import pytest

from seqapps.apps.asr import baselines, evaluate


def column(*values):
    out = np.empty(len(values), object)
    out[:] = values
    return out


def test_errors_counted_by_hand():
    # 7 words: one substituted, one left out, one added. 24 characters said: 1, 4 and 3 edits.
    truth = {
        "text": column("the cat sat", "on the mat", "yes"),
        "corpus": column("a", "b", "b"),
    }
    found = evaluate.score(None, truth, {"text": column("the bat sat", "on mat", "oh yes")})
    assert found["wer"] == pytest.approx(3 / 7)
    assert found["substitutions"] == pytest.approx(1 / 7)
    assert found["deletions"] == pytest.approx(1 / 7)
    assert found["insertions"] == pytest.approx(1 / 7)
    assert found["cer"] == pytest.approx(8 / 24)
    assert found["wer.a"] == pytest.approx(1 / 3)
    assert found["cer.a"] == pytest.approx(1 / 11)
    assert found["cer.b"] == pytest.approx(7 / 13)


def test_nothing_heard_is_an_error_rate_of_one():
    truth = {"text": column("a b", "c"), "corpus": column("x", "x")}
    found = evaluate.score(None, truth, {"text": baselines.empty({"key": [1, 2]})})
    assert (found["wer"], found["cer"], found["deletions"]) == (1, 1, 1)


def test_where_the_speller_looked_is_read_from_the_answers_of_its_endpoint():
    weights = np.eye(3, dtype=np.float32)[None]
    asked = []

    def call(fold, endpoint, columns):
        asked.append((fold, endpoint))
        return {"text": column("go"), "weights": weights}

    room = SimpleNamespace(
        truth={"text": column("no", "go"), "wav": column(b"", b"")},
        folds=("all",),
        call=call,
        params=SimpleNamespace(train=SimpleNamespace(subsampling=4)),
    )
    found = evaluate._looks(room, np.array([1]))
    assert asked == [("all", "attention")]
    assert (found["text"], found["reference"], found["step_seconds"]) == ("go", "go", 0.04)
    np.testing.assert_array_equal(found["weights"], weights[0])
