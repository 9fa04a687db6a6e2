"""The three layouts a user may bring, through all five stages, on generated sounds.

A letter is a tone of its own, so that a small network can learn to spell in seconds.
"""

import json

import numpy as np
import pytest

from seqapps import config, predict, stages
from seqapps.app import STAGES
from seqapps.asr import APP
from tests.asr.conftest import write

PROFILE = """
[ingest]
source = "user"
folder = "recordings"
[preprocess]
test_percent = 20
validation_percent = 20
[train]
cell = "dense"
seed = 1
epochs = {epochs}
batch_size = 8
learning_rate = 0.01
clip_norm = 1.0
patience_epochs = 20
jit_compile = false
units = 24
layers = 1
conv_filters = 8
dropout = 0.0
time_masks = 0
mel_masks = 0
speed_change = 0.0
[evaluate]
beam_width = 4
lm_weight = 0.0
character_bonus = 0.0
bootstrap_samples = 20
[export]
gate = "warn"
"""
LETTER_SECONDS = 0.12
HZ = {"a": 400, "b": 900, "c": 1700, "d": 2900}


def spoken(text, rate_hz):
    """The letters of a text as tones, a space as silence."""
    place = np.arange(int(LETTER_SECONDS * rate_hz)) / rate_hz
    fade = np.hanning(len(place))
    sounds = [0.4 * fade * np.sin(2 * np.pi * HZ.get(letter, 0) * place) for letter in text]
    return np.concatenate(sounds).astype(np.float32)


def texts(count):
    rng = np.random.default_rng(5)
    words = [["".join(rng.choice([*HZ], rng.integers(2, 4))) for _ in "12"] for _ in range(count)]
    return [" ".join(pair) for pair in words]


def librispeech(folder):
    for speaker in range(3):
        place = folder / str(speaker) / "7"
        lines = []
        for number, said in enumerate(texts(60)[speaker::3]):
            name = f"{speaker}-7-{number:04d}"
            write(place / f"{name}.flac", spoken(said, 16000), 16000)
            lines.append(f"{name} {said.upper()}")
        (place / f"{speaker}-7.trans.txt").write_text("\n".join(lines))


def common_voice(folder):
    rows = dict.fromkeys(("train", "dev", "test"), "client_id\tpath\tsentence\n")
    for number, said in enumerate(texts(60)):
        split = ("train", "train", "train", "dev", "test")[number % 5]
        write(folder / "clips" / f"c{number}.mp3", spoken(said, 32000), 32000)
        rows[split] += f"voice{number}\tc{number}.mp3\t{said}.\n"
    for split, table in rows.items():
        (folder / f"{split}.tsv").write_text(table)


def ljspeech(folder):
    lines = []
    for number, said in enumerate(texts(120)):
        stereo = np.stack([spoken(said, 22050)] * 2, axis=1)
        write(folder / "wavs" / f"LJ-{number}.wav", stereo, 22050)
        lines.append(f"LJ-{number}|{said}|{said}")
    (folder / "metadata.csv").write_text("\n".join(lines))


def run(project, layout, epochs):
    layout(project / "recordings")
    (project / "pipelines/asr").mkdir(parents=True)
    (project / "pipelines/asr/mine.toml").write_text(PROFILE.format(epochs=epochs))
    for stage in STAGES:
        stages.run(APP, stage, "mine", root=project)
    return json.loads((project / "data/asr/mine/evaluate/metrics.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("layout", [librispeech, common_voice])
def test_a_users_folder_passes_all_stages(tmp_path, monkeypatch, untracked, layout):
    monkeypatch.chdir(tmp_path)
    report = run(tmp_path, layout, epochs=1)
    assert report["counts"]["test_examples"] >= 5
    assert (tmp_path / "data/asr/mine/export/model/1/saved_model.pb").exists()


@pytest.mark.slow
def test_an_mp3_and_a_flac_of_one_clip_give_the_same_text(tmp_path, monkeypatch, untracked):
    monkeypatch.chdir(tmp_path)
    report = run(tmp_path, ljspeech, epochs=15)
    assert report["model"]["cer"] < 0.4
    for suffix, rate_hz in ((".mp3", 44100), (".flac", 16000), (".ogg", 22050)):
        write(tmp_path / f"in/clip{suffix}", spoken("abc dab", rate_hz), rate_hz)
    params = config.load(APP, "mine", root=tmp_path)
    exported = tmp_path / "data/asr/mine/export"
    predict.run(APP, params, exported, [tmp_path / "in"], tmp_path / "out")
    rows = (tmp_path / "out/transcripts.tsv").read_text().splitlines()[1:]
    heard = {row.split("\t")[3] for row in rows}
    assert len(rows) == 3 and len(heard) == 1
    assert heard.pop().strip()
