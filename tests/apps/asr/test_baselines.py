"""Baselines on sounds whose answer is known."""

import json

import numpy as np

from seqapps.apps.asr import baselines
from seqapps.apps.asr.data import audio
from tests.apps.asr.conftest import noisy, tone, write


def train(*pairs):
    return [{"wav": audio.wav(sound, 8000), "text": text.encode()} for text, sound in pairs]


def test_the_most_frequent_sentence_is_the_shorter_of_equals():
    rows = train(*[(text, noisy(0.1)) for text in ("yes", "no", "yes sir", "no", "yes")])
    found = baselines.most_frequent(rows, {"key": ["a", "b"]})
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
    assert baselines.nearest_template(rows, {"wav": heard}).tolist() == ["up", "down"]


def test_templates_much_longer_than_the_clip_are_not_compared():
    rows = train(("long", noisy(2.0)))
    assert baselines.nearest_template(rows, {"wav": [audio.wav(noisy(0.5), 8000)]}).tolist() == [""]


def test_pocketsphinx_is_given_the_recording_itself(tmp_path):
    write(tmp_path / "a.wav", np.zeros(8000), 8000)
    (tmp_path / "clips.jsonl").write_text(json.dumps({"key": "a", "file": "a.wav"}) + "\n")
    heard = baselines.pocketsphinx(tmp_path, np.array(["a"]), lines=[])
    assert heard.shape == (1,)
    assert isinstance(heard[0], str)
