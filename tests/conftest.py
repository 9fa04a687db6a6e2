"""What several test files share: the toy application in a project folder of its own."""

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

from pathlib import Path

import pytest

from tests import toy

TOY = """
[ingest]
sequences = 60
[preprocess]
folds = ["a"]
[train]
seed = 1
epochs = 4
batch_size = 8
learning_rate = 0.02
clip_norm = 1.0
patience_epochs = 4
jit_compile = false
bucket_edges = [8, 12]
units = 8
[evaluate]
bootstrap_samples = 20
[export]
gate = "warn"
"""


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """An empty project with a profile of the toy application; the tests stand in it."""
    folder = tmp_path / "pipelines/toy"
    folder.mkdir(parents=True)
    (folder / "smoke.toml").write_text(TOY)
    (tmp_path / "seqapps/toy").mkdir(parents=True)
    (tmp_path / "seqapps/toy/README.md").write_text(
        Path(toy.__file__).with_name("README.md").read_text()
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def untracked(monkeypatch):
    """Tracking that writes nowhere, for tests that are not about it."""
    from seqapps import tracking

    monkeypatch.setattr(tracking.StageRun, "start", lambda self: None)
    monkeypatch.setattr(tracking, "catch_up", lambda *_: None)
