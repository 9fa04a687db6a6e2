import pytest

from seqapps.config import UserError
from seqapps.kit import skeleton


@pytest.mark.parametrize(
    "name, reason",
    [
        ("dna", "exists"),
        ("My App", "wanted a word"),
        ("train", "'train' is a stage"),
        ("class", "'class' is a word of Python's"),
        ("idle", "'idle' is a command"),
        *((name, f"'{name}' is a target") for name in ("all", "test", "lint", "ui", "help")),
        *((name, f"'{name}' is a target") for name in ("predict", "status", "lock", "format")),
        ("venv", "'clean-venv' is a target"),
        ("cache", "'cache' is in use"),
    ],
)
def test_a_name_that_is_taken_or_no_word_is_refused(name, reason, repository):
    with pytest.raises(UserError, match=reason):
        skeleton.write(name, repository, commands=("idle",))


def test_nothing_in_a_skeleton_points_back_to_its_template(repository, tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/toy").symlink_to(repository / "tests/toy")
    (tmp_path / "Makefile").symlink_to(repository / "Makefile")
    folders = skeleton.write("weather", tmp_path)
    assert [str(folder.relative_to(tmp_path)) for folder in folders] == [
        "seqapps/apps/weather", "pipelines/weather", "tests/apps/weather",
    ]  # fmt: skip
    for folder in folders:
        for path in folder.iterdir():
            assert "tests.toy" not in path.read_text(), path
    with pytest.raises(UserError, match="seqapps/apps/weather exists"):
        skeleton.write("weather", tmp_path)
