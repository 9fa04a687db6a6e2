"""Scores against hand-counted errors; rivals on sounds whose answer is known."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

from seqapps import records
from seqapps.asr import audio, evaluate, figures, rivals
from tests.asr.conftest import noisy, tone, write


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
    found = evaluate.score(None, truth, {"text": rivals.empty({"key": [1, 2]})})
    assert (found["wer"], found["cer"], found["deletions"]) == (1, 1, 1)


def train(*pairs):
    return [{"wav": audio.wav(sound, 8000), "text": text.encode()} for text, sound in pairs]


def test_the_most_frequent_sentence_is_the_shorter_of_equals():
    rows = train(*[(text, noisy(0.1)) for text in ("yes", "no", "yes sir", "no", "yes")])
    found = rivals.most_frequent(rows, {"key": ["a", "b"]})
    assert found.tolist() == ["no", "no"]


def test_the_nearest_template_is_the_same_sound_at_another_speed():
    def glide(seconds, low, high):
        place = np.linspace(0, 1, int(seconds * 8000))
        return (0.3 * np.sin(2 * np.pi * np.cumsum(low + (high - low) * place) / 8000)).astype(
            np.float32
        )

    rows = train(
        ("up", glide(0.8, 300, 2500)),
        ("down", glide(0.8, 2500, 300)),
        ("flat", tone(0.8)),
    )
    heard = [audio.wav(glide(1.0, 320, 2450), 8000), audio.wav(glide(0.7, 2400, 310), 8000)]
    assert rivals.nearest_template(rows, {"wav": heard}).tolist() == ["up", "down"]


def test_templates_much_longer_than_the_clip_are_not_compared():
    rows = train(("long", noisy(2.0)))
    assert rivals.nearest_template(rows, {"wav": [audio.wav(noisy(0.5), 8000)]}).tolist() == [""]


def test_pocketsphinx_is_given_the_recording_itself(tmp_path):
    write(tmp_path / "a.wav", np.zeros(8000), 8000)
    (tmp_path / "clips.jsonl").write_text(json.dumps({"key": "a", "file": "a.wav"}) + "\n")
    heard = rivals.pocketsphinx(tmp_path, np.array(["a"]))
    assert heard.shape == (1,)
    assert isinstance(heard[0], str)


def test_confusions_pair_what_was_said_with_what_was_heard():
    pairs = figures.pairs(column("cat", "a"), column("cut", ""))
    assert pairs == {("c", "c"): 1, ("a", "u"): 1, ("t", "t"): 1, ("a", figures.GAP): 1}


def test_figures_are_drawn():
    rng = np.random.default_rng(0)
    drawn = [
        figures.spikes(
            rng.normal(size=(100, 12)),
            np.log(rng.dirichlet(np.ones(5), 33)),
            step_seconds=0.03,
            words=[("hello", 0.1, 0.4), ("there", 0.5, 0.9)],
            said="hello there",
        ),
        figures.confusions(column("hello there"), column("yellow tear")),
        figures.bars({"anna": (0.5, 3)}, title="WER"),
    ]
    assert all(isinstance(one, Figure) and one.axes for one in drawn)


def test_where_the_speller_looked_is_read_from_the_answers_of_its_endpoint():
    weights = np.eye(3, dtype=np.float32)[None]
    asked = []

    def call(fold, endpoint, columns):
        asked.append((fold, endpoint))
        return {"text": records.column([b"go"]), "weights": weights}

    room = SimpleNamespace(
        truth={"text": column("no", "go"), "wav": column(b"", b"")},
        folds=("all",),
        call=call,
        params=SimpleNamespace(train=SimpleNamespace(subsampling=4)),
    )
    found = evaluate._looks(room, np.array([1]))
    assert asked == [("all", "attention")]
    assert (found["spelt"], found["said"], found["step_seconds"]) == ("go", "go", 0.04)
    np.testing.assert_array_equal(found["weights"], weights[0])
