"""The command line: no TensorFlow before it is needed."""

import subprocess
import sys

import pytest


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
