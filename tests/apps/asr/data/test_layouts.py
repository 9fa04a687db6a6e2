"""The three layouts a user may bring, through all five stages, on generated sounds.

A letter is a tone of its own, so that a small network can learn to spell in seconds.
"""

import json

import numpy as np
import pytest

from seqapps import config
from seqapps.apps.asr import APP
from seqapps.apps.asr.data import layouts
from seqapps.config import STAGES, UserError
from seqapps.pipeline import stages
from seqapps.serving import predict
from tests.apps.asr.conftest import noisy, write
from tests.apps.asr.test_ingest import ljspeech as small_ljspeech

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
        stages.run(APP, stage, profile="mine", tracker=stages.Quiet(), root=project)
    return json.loads((project / "data/asr/mine/evaluate/metrics.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("layout", [librispeech, common_voice])
def test_a_users_folder_passes_all_stages(tmp_path, monkeypatch, layout):
    monkeypatch.chdir(tmp_path)
    report = run(tmp_path, layout, epochs=1)
    assert report["counts"]["test_examples"] >= 5
    assert (tmp_path / "data/asr/mine/export/model/1/saved_model.pb").exists()


@pytest.mark.slow
def test_an_mp3_and_a_flac_of_one_clip_give_the_same_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report = run(tmp_path, ljspeech, epochs=15)
    assert report["model"]["cer"] < 0.4
    for suffix, rate_hz in ((".mp3", 44100), (".flac", 16000), (".ogg", 22050)):
        write(tmp_path / f"in/clip{suffix}", spoken("abc dab", rate_hz), rate_hz)
    params = config.load(APP, "mine", root=tmp_path)
    exported = tmp_path / "data/asr/mine/export"
    predict.run(APP, params, [tmp_path / "in"], exported=exported, out=tmp_path / "out")
    rows = (tmp_path / "out/transcripts.tsv").read_text().splitlines()[1:]
    heard = {row.split("\t")[3] for row in rows}
    assert len(rows) == 3 and len(heard) == 1
    assert heard.pop().strip()


def librispeech(folder):
    for speaker, chapter in (("19", "198"), ("26", "495")):
        place = folder / "train-clean" / speaker / chapter
        lines = []
        for number, said in enumerate(("CHAPTER ONE", "HE SAID SO")):
            name = f"{speaker}-{chapter}-{number:04d}"
            write(place / f"{name}.flac", noisy(1.0, seed=number))
            lines.append(f"{name} {said}")
        (place / f"{speaker}-{chapter}.trans.txt").write_text("\n".join(lines) + "\n")
    return folder


def common_voice(folder):
    for split, said in (("train", "One two."), ("dev", "Three four!"), ("test", "Five six?")):
        write(folder / "clips" / f"{split}.mp3", noisy(1.0), 32000)
        (folder / f"{split}.tsv").write_text(
            f'client_id\tpath\tsentence\tup_votes\nabc{split}\t{split}.mp3\t{said} "x\t2\n'
        )
    return folder


def test_librispeech_is_read_as_it_is(tmp_path):
    layout, rows = layouts.recordings(librispeech(tmp_path / "libri"))
    rows = list(rows)
    assert layout == "LibriSpeech"
    assert [row["text"] for row in rows] == ["CHAPTER ONE", "HE SAID SO"] * 2
    assert {row["speaker"] for row in rows} == {"librispeech-19", "librispeech-26"}
    assert {row["split"] for row in rows} == {"train"}
    assert rows[0]["file"].endswith("19-198-0000.flac")


def test_common_voice_is_read_as_it_is_quotes_included(tmp_path):
    layout, rows = layouts.recordings(common_voice(tmp_path / "voice"))
    assert layout == "Common Voice"
    assert [(row["text"], row["split"]) for row in rows] == [
        ('One two. "x', "train"),
        ('Three four! "x', "validation"),
        ('Five six? "x', "test"),
    ]


def test_ljspeech_is_read_as_it_is_and_the_normalised_text_wins(tmp_path):
    layout, rows = layouts.recordings(small_ljspeech(tmp_path / "lj"))
    rows = list(rows)
    assert layout == "LJSpeech"
    assert [row["text"] for row in rows] == ["Doctor No", "In nineteen ninety nine"]
    assert [row["split"] for row in rows] == [None, None]


def test_a_folder_without_a_layout_is_refused(tmp_path):
    with pytest.raises(UserError, match="no known layout"):
        layouts.recordings(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        layouts.recordings(tmp_path / "none")


def test_a_table_without_its_columns_is_refused(tmp_path):
    (tmp_path / "train.tsv").write_text("path\ttext\na.mp3\thello\n")
    with pytest.raises(UserError, match="lacks the columns client_id, sentence"):
        list(layouts.recordings(tmp_path)[1])


def test_a_line_of_ljspeech_with_too_many_columns_is_named(tmp_path):
    (tmp_path / "metadata.csv").write_text("a|b\nc|d|e|f\n")
    with pytest.raises(UserError, match="line 2"):
        list(layouts.recordings(tmp_path)[1])
