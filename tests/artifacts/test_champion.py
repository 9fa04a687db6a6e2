"""The champion: when a version takes its place, and what people may do by hand."""

import json

import pytest

from seqapps.artifacts import champion, layout
from seqapps.config import UserError
from seqapps.serving import version_watcher
from tests.toy import APP


@pytest.fixture
def exported(tmp_path):
    """An export folder without versions."""
    return tmp_path / "export"


def add(exported, version, mse, *, baseline=1.0, rows="v", validation=True):
    """A version with scores (mse: lower is better), and the verdict of its challenge.

    The score on validation is `mse`; on test it is the baseline's side that is decided, at 0.9 of
    `mse`.
    """
    folder = exported / "model" / str(version)
    (folder / layout.EXTRA).mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"")
    scores = {
        "version": version,
        "profile": "smoke",
        "metric": "mse",
        "value": 0.9 * mse,
        "baselines": {"constant": baseline},
        "beats_baselines": 0.9 * mse < baseline,
        "refusals": [] if 0.9 * mse < baseline else ["the model is behind constant"],
    }
    if validation:
        scores["validation"] = {"metric": "mse", "value": mse, "digest": rows}
    (folder / layout.EXTRA / layout.VERSION).write_text(json.dumps(scores))
    return champion.challenge(APP, exported, version, previous=exported)


def answering(exported):
    return int(layout.answering(exported).name)


def test_without_a_champion_the_highest_version_answers(exported):
    assert add(exported, 1, 2.0) == (
        "there is no champion: version 1 (mse 1.8000) is refused: the model is behind constant"
    )
    add(exported, 10, 3.0)
    assert answering(exported) == 10 and not (exported / layout.CHAMPION).exists()


def test_the_first_that_the_judge_lets_pass_wins_and_then_the_better(exported):
    add(exported, 1, 2.0)
    assert "the first that the judge lets pass" in add(exported, 2, 0.5)
    assert "version 2 stays the champion: version 3 has mse on validation 0.6000" in add(
        exported, 3, 0.6
    )
    assert answering(exported) == 2
    verdict = add(exported, 4, 0.4)
    assert "version 4 is the champion in place of 2: mse on validation 0.4000 against" in verdict
    assert answering(exported) == 4


def test_a_version_as_good_as_the_champion_takes_its_place(exported):
    add(exported, 1, 0.5)
    add(exported, 2, 0.5)
    assert answering(exported) == 2


def test_numbers_from_other_validation_rows_or_below_the_baselines_win_nothing(exported):
    add(exported, 1, 0.5)
    verdict = add(exported, 2, 0.1, rows="others")
    assert "not judged on the same validation rows" in verdict
    assert "make promote APP=toy VERSION=2 PROFILE=smoke" in verdict
    assert "version 1 stays the champion" in add(exported, 3, 0.4, baseline=0.3)
    assert answering(exported) == 1


def test_a_version_that_was_exported_before_there_was_a_judge_can_be_promoted(exported):
    add(exported, 1, 0.5)
    path = exported / "model/1" / layout.EXTRA / layout.VERSION
    scores = json.loads(path.read_text())
    del scores["refusals"], scores["validation"]
    path.write_text(json.dumps(scores))
    add(exported, 2, 0.4)
    assert "version 1 is the champion in place of 2" in champion.promote(
        APP, exported, 1, force=False
    )


def test_a_score_that_is_not_known_wins_nothing_and_is_no_bar(exported):
    add(exported, 1, 0.5, validation=False)
    verdict = add(exported, 2, 0.6)
    assert verdict.endswith("in place of 1, of which no validation score is known")
    assert "version 3 has no validation score" in add(exported, 3, 0.1, validation=False)
    assert answering(exported) == 2


def test_promote_and_rollback_say_what_changed_and_what_was_better(exported):
    add(exported, 1, 0.5)
    add(exported, 2, 0.6)
    change = champion.promote(APP, exported, None, force=False)
    assert change == (
        "toy: version 2 is the champion in place of 1: mse on validation 0.6000 against 0.5000; "
        "on validation version 1 was better"
    )
    assert answering(exported) == 2
    assert "version 1 is the champion in place of 2" in champion.rollback(APP, exported)
    assert answering(exported) == 1


def test_rollback_goes_past_versions_whose_files_are_gone(exported):
    for version, mse in enumerate((0.5, 0.4, 0.3), start=1):
        add(exported, version, mse)
    (exported / "model/2/saved_model.pb").unlink()
    champion.rollback(APP, exported)
    assert answering(exported) == 1


def test_what_cannot_be_promoted_is_refused_with_a_way_out(exported):
    def refused(match, change, *words, **options):
        with pytest.raises(UserError, match=match):
            change(APP, exported, *words, **options)

    refused("nothing is exported", champion.promote, None, force=False)
    add(exported, 1, 2.0)
    refused("no champion yet; make promote", champion.rollback)
    refused("is refused: the model is behind constant.*FORCE=1", champion.promote, 1, force=False)
    refused("no version 7; VERSION= one of 1", champion.promote, 7, force=False)
    champion.promote(APP, exported, 1, force=True)
    refused("version 1 is the champion already", champion.promote, 1, force=False)
    refused("no earlier champion than version 1", champion.rollback)


def test_the_champion_and_the_one_before_it_are_kept(exported):
    for version, mse in enumerate((0.5, 0.4, 0.3, 0.9, 0.9), start=1):
        add(exported, version, mse)
    assert champion.kept(exported) == {2, 3}


def test_a_file_that_names_no_version_is_said_with_the_way_out(exported):
    add(exported, 1, 0.5)
    (exported / layout.CHAMPION).write_text("{}")
    with pytest.raises(ValueError, match="names no version; delete it, or promote one"):
        layout.answering(exported)


def test_the_server_follows_the_champion_and_keeps_it_while_the_folder_is_replaced(
    exported, monkeypatch
):
    monkeypatch.setattr(version_watcher, "SavedModel", lambda folder: Loaded(folder))
    add(exported, 1, 0.5)
    add(exported, 2, 0.6)
    versions = version_watcher.Versions("toy", exported)
    versions.refresh()
    assert versions.version(None).number == 1 and set(versions.loaded) == {1, 2}
    champion.promote(APP, exported, 2, force=False)
    assert versions.refresh() and versions.version(None).number == 2
    assert not versions.refresh()
    champion.rollback(APP, exported)
    (exported / layout.CHAMPION).rename(exported / "elsewhere")
    versions.refresh()
    assert versions.version(None).number == 2
    (exported / "elsewhere").rename(exported / layout.CHAMPION)
    versions.refresh()
    assert versions.version(None).number == 1


class Loaded:
    """A version that is loaded."""

    def __init__(self, folder):
        self.folder, self.number = folder, int(folder.name)

    def example(self):
        """None: the folder holds no example."""
        return None
