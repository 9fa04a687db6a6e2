from pathlib import Path
from typing import Literal

import pytest

from seqapps import config
from seqapps.config import UserError
from tests.toy import APP


def load(project, *overrides):
    return config.load(APP, "smoke", list(overrides), root=project)


def test_set_wins_over_the_profile(project):
    assert load(project).train.units == 8
    assert load(project, "train.units=9").train.units == 9


def test_set_takes_lists_and_bare_words(project):
    params = load(project, 'preprocess.folds=["x","y"]', "train.monitor=val_auroc")
    assert params.preprocess.folds == ("x", "y")
    assert params.train.monitor == "val_auroc"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("train.unit=9", "unknown key 'train.unit'; did you mean 'train.units'"),
        ("trian.units=9", "unknown key 'trian'; did you mean 'train'"),
        ("train.units=0", "train.units = 0"),
        ("train.learning_rate=-1", "greater than 0"),
        ("units", "not of the form table.key=value"),
    ],
)
def test_a_mistake_is_named_with_the_way_out(project, override, said):
    with pytest.raises(UserError, match=said.replace(".", r"\.")):
        load(project, override)


def test_an_unknown_profile_names_the_nearest(project):
    with pytest.raises(UserError, match="did you mean 'smoke'"):
        config.load(APP, "smok", root=project)


def test_broken_toml_names_file_and_line(project):
    (project / "pipelines/toy/smoke.toml").write_text("[ingest\n")
    with pytest.raises(UserError, match=r"pipelines/toy/smoke.toml is not valid TOML.*line 1"):
        load(project)


def test_a_stage_cannot_read_a_later_table(project):
    view = config.upto(load(project), "preprocess")
    assert view.preprocess.folds == ("a",)
    with pytest.raises(AttributeError):
        _ = view.train


def test_a_variants_name_holds_its_words_and_loads_as_the_profile_with_them(project):
    name = config.variant("smoke", ['preprocess.folds=["x/y"]', "train.seed=1", "train.seed=2"])
    assert "/" not in name and " " not in name and name.endswith("@train.seed=2")
    params = config.load(APP, name, root=project)
    assert (params.preprocess.folds, params.train.seed, params.train.units) == (("x/y",), 2, 8)


def test_a_stage_is_at_home_where_the_words_that_reach_it_are_all_there_are():
    name = config.variant("smoke", ["train.units=4", "preprocess.scale=2.0"])
    homes = [config.home(name, stage) for stage in ("ingest", "preprocess", "train", "export")]
    assert homes == ["smoke", "smoke@preprocess.scale=2.0", name, name]


def test_the_keys_that_hold_text_are_told_from_those_that_hold_numbers():
    class Predict(config.Predict):
        chords: str = ""
        genome: Path | None = None
        subtitles: Literal["srt", "none"] = "srt"
        seed: int | None = None
        swing: bool = False

    assert config.texts(Predict) == {"chords", "genome", "subtitles"}
