"""What reruns after which edit, through Make itself on an application's smoke profile."""

import json
import re
import shutil
import subprocess
import sys

import pytest

from seqapps import app as contract
from seqapps.config import STAGES
from tests.conftest import SKELETON

pytestmark = pytest.mark.slow
APP = SKELETON


def said(done):
    """Stage -> what its line says, from the output of a make call."""
    found = re.findall(rf"^{APP} (\w+): (fresh|stale: .*)$", done.stdout, re.M)
    return dict(found)


def test_help_names_every_application_stage_and_target(made):
    text = made.make().stdout
    targets = "predict sweep tune compare promote rollback".split()
    targets += "status demo report test clean-<app>".split()
    for word in [*contract.names(), *STAGES, *targets]:
        assert word in text, word


def test_set_makes_a_variant_and_leaves_the_profile_as_it_was(made):
    made.make(APP)
    why = said(made.make(f"{APP}-evaluate", "SET=evaluate.seed=99"))
    assert why.pop("evaluate") == "stale: not made yet"
    assert why == dict.fromkeys(("ingest", "preprocess", "train"), "fresh")
    assert (made.path / "data" / APP / "smoke@evaluate.seed=99/evaluate/metrics.json").exists()
    assert set(said(made.make(APP)).values()) == {"fresh"}
    assert said(made.make(f"{APP}-evaluate", "SET=evaluate.seed=99"))["evaluate"] == "fresh"


def test_what_is_fresh_is_asked_in_one_process_and_starts_no_other(made):
    made.make(APP)
    script, calls = made.path / "counted", made.path / "calls.txt"
    script.write_text(
        '#!/bin/sh\necho "$1 $2" >> calls.txt\nexec .venv/bin/python -m seqapps "$@"\n'
    )
    script.chmod(0o755)
    assert set(said(made.make(APP, "RUN=./counted")).values()) == {"fresh"}
    assert calls.read_text().splitlines() == ["idle --profile"]
    calls.unlink()
    tracked = made.path / "data" / APP / "smoke/train/tracked.json"
    mark = tracked.read_text()
    tracked.unlink()  # as after a call that could not reach MLflow
    made.make(APP, "RUN=./counted")
    assert calls.read_text().splitlines() == ["idle --profile", f"{APP} train"]
    assert json.loads(tracked.read_text()).keys() == json.loads(mark).keys()


def test_a_stage_target_stops_at_its_stage(made):
    assert list(said(made.make(f"{APP}-preprocess"))) == ["ingest", "preprocess"]


def test_status_tells_what_an_override_would_rerun(made):
    made.make(APP)
    lines = made.make("status", "SET=train.epochs=99").stdout.splitlines()
    own = [line for line in lines if line.startswith(APP)]
    assert "fresh" in own[0] and "fresh" in own[1]
    assert all("stale: not made yet" in line for line in own[2:])


def test_a_variant_of_a_profile_shares_what_its_words_do_not_reach(made):
    made.make(APP)
    done = made.make(f"{APP}-train", profile="smoke@train.epochs=1")
    assert said(done) == {
        "ingest": "fresh",
        "preprocess": "fresh",
        "train": "stale: not made yet",
    }
    assert set(said(made.make(APP)).values()) == {"fresh"}


def test_an_edited_comment_reruns_nothing_and_edited_code_names_its_module(made):
    path = made.path / "seqapps/apps" / APP / "evaluate.py"
    text = path.read_text()
    made.make(APP)
    path.write_text(text + "\n# a remark\n")
    assert "stale" not in made.make("status").stdout
    path.write_text(text + "\nUNUSED = 1\n")
    status = made.make("status").stdout
    path.write_text(text)
    assert re.search(rf"{APP} +train +fresh", status)
    assert f"stale: code of seqapps.apps.{APP}.evaluate changed" in status


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((f"{APP}-train", "SET=train.epoch=3"), "did you mean 'train.epochs'?"),
        ((f"{APP}-train", "SET=train.epochs=0"), "train.epochs = 0"),
        (("predict", f"APP={APP}", "INPUT=missing.txt"), "missing.txt: no such file or folder"),
        (("predict", "APP=dnaa", "INPUT=x"), "no application 'dnaa'"),
        (("predict",), "predict needs APP= and INPUT="),
        (("promote",), "promote needs APP=: make promote APP="),
        (("promote", f"APP={APP}", "VERSION=one"), "VERSION=one is not a number"),
        (("promote", f"APP={APP}", "VERSION=99"), "has no version 99; VERSION= one of 1"),
        (("predict", f"APP={APP}"), "predict needs INPUT=: make predict"),
        (("sweep", f"APP={APP}", "KEY=train.epochs"), "sweep needs VALUES=: make sweep APP="),
        (("sweep", f"APP={APP}", "KEY=a.b", "VALUES=1", "SEED=1"), "did you mean 'SEEDS'?"),
        (("sweep", f"APP={APP}", "KEY=train.epoch", "VALUES=1"), "did you mean 'train.epochs'?"),
        (("tune", f"APP={APP}", "TRIALS=none"), "TRIALS=none: how many?"),
        (("compare", f"APP={APP}", "RUNS=none"), "no judged run is called 'none'"),
    ],
)
def test_a_mistake_is_one_sentence_and_no_traceback(made, words, expected):
    done = made.make(*words, check=False)
    assert done.returncode != 0
    assert expected in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_a_missing_python_is_said_with_the_way_out(repository, tmp_path):
    for name in ("Makefile", "requirements-cpu.lock"):
        (tmp_path / name).write_text((repository / name).read_text())
    (tmp_path / "pipelines/dna").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    for tool in ("bash", "make", "date", "sed", "expand"):
        found = subprocess.run(["which", tool], capture_output=True, text=True).stdout.strip()
        (tmp_path / "bin" / tool).symlink_to(found)
    done = subprocess.run(
        ["make", "status"],
        cwd=tmp_path,
        env={"PATH": str(tmp_path / "bin")},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "python3.11 is missing: install Python 3.11" in done.stderr


@pytest.fixture
def shown(repository, tmp_path):
    """Words that `make predict` passes on; the environment's Python is one that shows them."""
    shutil.copy(repository / "Makefile", tmp_path)
    (tmp_path / "requirements-cpu.lock").touch()
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    python.chmod(0o755)
    (tmp_path / ".venv/ready").touch()

    def words(*given):
        command = ["make", "-s", "predict", *given]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return words


@pytest.mark.parametrize(
    "value",
    [
        "tune (1).mid", "it's.mid", "a&b.mid", "C7(b9) F7", "| Dm7 G7 |", 'say "yes"; or', "`date`",
        "<in >out", "a$b", "$(date)", "${HOME} $(", "#1 a#", "back\\slash", "two\nlines", "*?~{}[]",
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["INPUT", "CHORDS"])
def test_words_reach_predict_as_they_were_given(shown, name, value):
    given = shown("APP=jazz", f"{name}={value}", "TEMPO=90")
    assert given == ["-m", "seqapps", "predict", "APP=jazz", f"{name}={value}", "TEMPO=90"]
