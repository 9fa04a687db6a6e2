"""What several test files share: the toy application in a project folder of its own."""

import os
import shutil
import subprocess
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
if "PYTEST_XDIST_WORKER" in os.environ:  # each worker has a core of its own
    os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

from pathlib import Path

import pytest
from xdist.scheduler.loadscope import LoadScopeScheduling

from seqapps import apps

LOCKS = ("requirements-cpu.lock", "requirements-serve.lock")
TOY = Path(__file__).parent / "toy/smoke.toml"


USE_MADE = ("test_contract.py", "test_makefile.py", "test_server.py", "test_browser.py")
"""Files whose tests use `made`: one worker runs them all, so that it is made once."""


class Together(LoadScopeScheduling):
    """With several workers, the tests of a file share one, and so do the files of `USE_MADE`."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return "made" if path.endswith(USE_MADE) else path


def pytest_xdist_make_scheduler(config, log):
    """The scheduler of `pytest -n 2`."""
    return Together(config, log)


def pytest_make_parametrize_id(config, val, argname):
    """Bytes are named after their argument: compressed ones hold the time they were made at."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder of this checkout."""
    return Path(__file__).parents[1]


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """An empty project with a profile of the toy application; the tests stand in it."""
    folder = tmp_path / "pipelines/toy"
    folder.mkdir(parents=True)
    shutil.copy(TOY, folder)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def toy_process(repository):
    """Runs stages of the toy application in a process of their own; `kill` is a deadly call."""

    def run(project, *words, kill=None, **environment):
        own = environment | {"PYTHONPATH": str(repository), "MLFLOW_TRACKING_URI": "file:///-"}
        own |= {"TOY_KILL": kill} if kill else {}
        command = [sys.executable, "-m", "tests.toy", *words]
        return subprocess.run(
            command, cwd=project, env=os.environ | own, capture_output=True, text=True
        )

    return run


@pytest.fixture(scope="session")
def whole(tmp_path_factory, toy_process) -> Path:
    """A project in which all stages of the toy application ran; not to be changed."""
    project = tmp_path_factory.mktemp("whole")
    (project / "pipelines/toy").mkdir(parents=True)
    shutil.copy(TOY, project / "pipelines/toy")
    done = toy_process(project)
    assert done.returncode == 0, done.stderr
    return project


@pytest.fixture
def ran(whole, tmp_path, monkeypatch) -> Path:
    """A copy of `whole` to change; the test stands in it."""
    shutil.copytree(whole, tmp_path / "ran")
    monkeypatch.chdir(tmp_path / "ran")
    return tmp_path / "ran"


class Made:
    """A copy of this project in which `make all PROFILE=smoke` has run."""

    def __init__(self, path: Path):
        self.path = path

    def make(
        self, *words: str, profile: str | None = "smoke", check: bool = True
    ) -> subprocess.CompletedProcess:
        """One call of make: on the smoke profile, a variant of it, or no profile (None)."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MLFLOW"))}
        done = subprocess.run(
            ["make", *words, *([f"PROFILE={profile}"] if profile else [])],
            cwd=self.path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done


SKELETON = "laid_by_make_new"
"""The application that `make new` lays into the project of `made`."""


@pytest.fixture(scope="session")
def made(tmp_path_factory, repository) -> Made:
    """The project's own code and profiles in a new folder, all smoke pipelines run by Make.

    One more application is there, laid by `make new`. The environment and the cache of packages are
    this checkout's.
    """
    path = tmp_path_factory.mktemp("made") / "project"
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("seqapps", "pipelines", "tests/toy"):
        shutil.copytree(repository / name, path / name, ignore=ignored)
    for name in ("Makefile", "README.md", "pyproject.toml", *LOCKS):
        shutil.copy2(repository / name, path / name)
    (path / "data").mkdir()
    (repository / "data/cache").mkdir(parents=True, exist_ok=True)
    (path / "data/cache").symlink_to(repository / "data/cache")
    for name in (".venv", ".venv-serve"):
        (path / name).symlink_to(repository / name)
    made = Made(path)
    made.make("new", f"APP={SKELETON}", profile=None)
    apps.__path__.append(str(path / "seqapps/apps"))
    made.make("all")
    return made
