"""A stage that is stopped anywhere ends, in the next call, as if it had never been.

`campaign` stops at every change; here it stops at some.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("stop.c")
pytestmark = pytest.mark.slow


@pytest.mark.skipif(sys.platform != "linux", reason="preloading is Linux' way")
@pytest.mark.parametrize("kind", ["kill", "ENOSPC", "EROFS"])
def test_stages_survive_any_stop(tmp_path, repository, kind):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    library = tmp_path / "stop.so"
    build = [compiler, "-O1", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"]
    subprocess.run(build, check=True)
    (tmp_path / "project/pipelines/toy").mkdir(parents=True)
    shutil.copy(repository / "tests/toy/smoke.toml", tmp_path / "project/pipelines/toy")
    words = [tmp_path / "project", "tests.toy", "--samples", "2", "--kinds", kind]
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.campaign", *words],
        cwd=repository,
        env=os.environ | {"LD_PRELOAD": str(library), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(f"| {kind} |") == 5
