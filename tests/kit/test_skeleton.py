import pytest

from seqapps.config import UserError
from seqapps.kit import skeleton


def test_a_name_that_is_taken_or_no_word_is_refused(repository):
    for name, reason in (("dna", "exists"), ("train", "no stage"), ("My App", "wanted a word")):
        with pytest.raises(UserError, match=reason):
            skeleton.write(name, repository)


def test_nothing_in_a_skeleton_points_back_to_its_template(repository, tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/toy").symlink_to(repository / "tests/toy")
    folders = skeleton.write("weather", tmp_path)
    assert [str(folder.relative_to(tmp_path)) for folder in folders] == [
        "seqapps/apps/weather", "pipelines/weather", "tests/apps/weather",
    ]  # fmt: skip
    for folder in folders:
        for path in folder.iterdir():
            assert "tests.toy" not in path.read_text(), path
    with pytest.raises(UserError, match="seqapps/apps/weather exists"):
        skeleton.write("weather", tmp_path)
