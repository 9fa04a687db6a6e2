import pytest

from seqapps import app as contract
from seqapps import config
from seqapps.app import ROOMS
from seqapps.config import UserError


def test_make_and_python_agree_on_the_applications(repository):
    folders = sorted(path.name for path in (repository / "pipelines").iterdir() if path.is_dir())
    assert folders == list(contract.names())


def test_a_wrong_name_is_answered_with_the_nearest_right_one():
    with pytest.raises(UserError, match="did you mean 'dna'"):
        contract.load("dan")
    assert config.nearest("x", ["one", "two"]) == "known: one, two"
    assert config.nearest("x", []) == "there is none yet"


def test_no_shared_module_names_an_application(repository):
    shared = set((repository / "seqapps").rglob("*.py"))
    for path in shared - set((repository / "seqapps/apps").rglob("*.py")):
        for name in contract.names():
            assert f"apps.{name}" not in path.read_text(), path
            assert f'== "{name}"' not in path.read_text(), path


@pytest.mark.parametrize("name", contract.names())
def test_every_room_of_the_contract_is_furnished(name):
    app = contract.load(name)
    for member in ROOMS:
        assert callable(getattr(app, member)), member
