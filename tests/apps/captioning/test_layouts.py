import json

import numpy as np
import pytest

from seqapps.apps.captioning import APP
from seqapps.config import STAGES, load
from seqapps.pipeline import stages
from seqapps.serving import predict
from tests.apps.captioning.conftest import encoded, speckled

PROFILE = """
[ingest]
source = "user"
folder = "mine"
[preprocess]
caption = "whole"
test_share = 0.25
validation_share = 0.2
seed = 1
max_words = 8
image_height = 32
image_width = 48
[train]
seed = 1
epochs = 2
batch_size = 4
learning_rate = 0.01
clip_norm = 1.0
patience_epochs = 2
jit_compile = false
attention = "dot"
cell = "jordan"
units = 8
embedding_dim = 4
teacher_forcing = 0.5
[evaluate]
bootstrap_samples = 20
decoding = "greedy"
[export]
gate = "warn"
"""
COUNT = 20
NUMBERS = "one two three four five six seven eight nine ten".split()


def sentences(number):
    name = f"{NUMBERS[number % 10]} {NUMBERS[number // 10]}"
    return [f"blocks {name} of colour", f"a picture of blocks {name}, small"]


def flickr8k(folder):
    lines = [f'{n:02}.png,"{text}"' for n in range(COUNT) for text in sentences(n)]
    (folder / "captions.txt").write_text("\n".join(["image,caption", *lines]))
    parts = {"train": range(12), "dev": range(12, 15), "test": range(15, COUNT)}
    for part, numbers in parts.items():
        names = "".join(f"{n:02}.png\n" for n in numbers)
        (folder / f"Flickr_8k.{part}Images.txt").write_text(names)
    return {"train": 12, "validation": 3, "test": 5}


def flickr30k(folder):
    lines = [f"{n:02}.png| {i}| {t}" for n in range(COUNT) for i, t in enumerate(sentences(n))]
    (folder / "results.csv").write_text("\n".join(["image_name| comment_number| comment", *lines]))
    return {"train": 11, "validation": 4, "test": 5}


def coco(folder):
    (folder / "annotations").mkdir()
    for part, numbers in (("train2014", range(15)), ("val2014", range(15, COUNT))):
        content = {
            "images": [{"id": n, "file_name": f"{n:02}.png"} for n in numbers],
            "annotations": [
                {"image_id": n, "caption": text} for n in numbers for text in sentences(n)
            ],
        }
        (folder / f"annotations/captions_{part}.json").write_text(json.dumps(content))
    return {"train": 12, "validation": 3, "test": 5}


@pytest.mark.slow
@pytest.mark.parametrize("layout", [flickr8k, flickr30k, coco])
def test_a_users_folder_passes_all_five_stages_and_answers(tmp_path, monkeypatch, layout):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipelines/captioning").mkdir(parents=True)
    (tmp_path / "pipelines/captioning/mine.toml").write_text(PROFILE)
    (tmp_path / "mine/Images").mkdir(parents=True)
    for number in range(COUNT):
        path = tmp_path / f"mine/Images/{number:02}.png"
        path.write_bytes(encoded(speckled(number)))
    expected = layout(tmp_path / "mine")
    for stage in STAGES:
        stages.run(APP, stage, profile="mine", tracker=stages.Quiet(), root=tmp_path)
    data = tmp_path / "data/captioning/mine"
    counts = json.loads((data / "preprocess/all/counts.json").read_text())
    assert counts == expected
    report = json.loads((data / "evaluate/metrics.json").read_text())
    assert report["counts"]["test_examples"] == expected["test"]
    assert np.isfinite(report["headline"]["value"])
    params = load(APP, "mine", root=tmp_path)
    out = tmp_path / "answers"
    predict.run(APP, params, [tmp_path / "mine/Images"], exported=data / "export", out=out)
    assert len((out / "captions.csv").read_text().splitlines()) == 1 + COUNT
