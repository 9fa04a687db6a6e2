import subprocess
import sys

import pytest

from seqapps import app as contract
from seqapps.app import ROOMS, UserError


def test_make_and_python_agree_on_the_applications(repository):
    folders = sorted(path.name for path in (repository / "pipelines").iterdir() if path.is_dir())
    assert folders == list(contract.names())


def test_a_wrong_name_is_answered_with_the_nearest_right_one():
    with pytest.raises(UserError, match="did you mean 'dna'"):
        contract.load("dan")
    assert contract.nearest("x", ["one", "two"]) == "known: one, two"
    assert contract.nearest("x", []) == "there is none yet"


def test_no_shared_module_names_an_application(repository):
    for path in (repository / "seqapps").glob("*.py"):
        for name in contract.names():
            assert f"seqapps.{name}" not in path.read_text(), path
            assert f'== "{name}"' not in path.read_text(), path


@pytest.mark.parametrize("name", contract.names())
def test_every_room_of_the_contract_is_furnished(name):
    app = contract.load(name)
    for member in ROOMS:
        assert callable(getattr(app, member)), member


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
