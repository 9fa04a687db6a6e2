"""The command line: no TensorFlow before it is needed."""

import subprocess
import sys
from pathlib import Path

import pytest

from seqapps import __main__ as main
from seqapps.config import UserError


@pytest.mark.parametrize("words", [["--help"], ["status", "--profile", "smoke"]])
def test_help_and_status_do_not_import_tensorflow(words, repository):
    probe = (
        "import sys; from seqapps.__main__ import main\n"
        f"try: main({words!r})\n"
        "except SystemExit: pass\n"
        "assert 'tensorflow' not in sys.modules and 'mlflow' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", probe], cwd=repository, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("tune (1).mid", ["tune (1).mid"]),
        ("it's.mid", ["it's.mid"]),
        ("'tune (1).mid' b.wav", ["tune (1).mid", "b.wav"]),
        ("b.wav c.wav", ["b.wav", "c.wav"]),
        ("*.wav", ["b.wav", "c.wav"]),
        ("[x].wav", ["[x].wav"]),
        ("b.wav missing.wav", ["b.wav", "missing.wav"]),
        ("", []),
    ],
)
def test_input_is_one_path_or_several_or_a_pattern(tmp_path, monkeypatch, text, found):
    monkeypatch.chdir(tmp_path)
    for name in ("tune (1).mid", "it's.mid", "b.wav", "c.wav"):
        Path(name).touch()
    if text == "[x].wav":
        Path(text).touch()
    assert [str(path) for path in main._input(text)] == found


def test_a_path_that_is_not_there_is_shown_as_it_was_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"^INPUT=my tune's.mid: no such file or folder$"):
        main._input("my tune's.mid")
