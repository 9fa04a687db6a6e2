"""The judge: who is ahead, and each fault that must be refused, planted."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from seqapps.app import Baseline, Evaluation
from seqapps.config import Evaluate
from seqapps.kit import metrics
from seqapps.pipeline import judge
from tests.toy import APP
from tests.toy import evaluate as rooms

ROWS = 200
RNG = np.random.default_rng(3)
TARGET = RNG.normal(size=ROWS)
GOOD = TARGET + 0.1 * RNG.normal(size=ROWS)
BAD = TARGET + 0.5 * RNG.normal(size=ROWS)


PARAMS = SimpleNamespace(evaluate=Evaluate(bootstrap_samples=100))
"""The one table that the judge reads."""


def evaluation(answers, *, groups=None, **more):
    """An evaluation of the toy: runs whose mean is `TARGET`, a group for each unless given."""
    truth = {
        "key": np.array([f"r{n}" for n in range(ROWS)], object),
        "group": np.arange(ROWS).astype(str) if groups is None else groups,
        "target": TARGET,
    }
    return Evaluation(
        params=PARAMS,
        raw=Path(),
        folds=("all",),
        assets=lambda fold: Path(),
        records=lambda split, fold: iter(()),
        truth=truth,
        response={"mean": answers},
        ask=lambda columns: {},
        call=lambda fold, endpoint, columns: {},
        history={},
        trained_rows=1000,
        **more,
    )


def judged(answers, baselines, **more):
    """The judge's report on answers beside baselines, name -> (answers, rows learnt from)."""
    rivals = {name: Baseline({"mean": mean}, seen) for name, (mean, seen) in baselines.items()}
    one = evaluation(answers, **more)
    one = replace(one, baselines={name: rival.answers for name, rival in rivals.items()})
    model = rooms.score(one.params, one.truth, one.response)
    return judge.judge(APP, one, model, baselines=rivals, controls=judge.controls(APP, one))


def test_ahead_level_and_behind_are_read_off_the_paired_interval():
    twin = GOOD + 1e-3 * np.random.default_rng(5).normal(size=ROWS)
    report = judged(GOOD, {"worse": (BAD, None), "twin": (twin, None)})
    verdicts = {name: one["verdict"] for name, one in report["differences"].items()}
    assert verdicts == {"worse": "ahead", "twin": "level", "shuffled_input": "ahead"}
    worse = report["differences"]["worse"]
    assert worse["value"] == pytest.approx(
        np.mean((GOOD - TARGET) ** 2) - np.mean((BAD - TARGET) ** 2), rel=1e-4
    )
    assert worse["interval95"][0] < worse["value"] < worse["interval95"][1] < 0
    assert report["beats_baselines"] is False
    (refusal,) = report["refusals"]
    assert refusal.startswith("the model is level with twin (")
    behind = judged(BAD, {"better": (GOOD, None)})["refusals"]
    assert behind[0].startswith("the model is behind better by 0.2")


def test_a_pair_is_told_apart_where_the_two_intervals_alone_overlap():
    # Rival and model share their large errors; the rival adds a small one to each.
    shared = TARGET + np.random.default_rng(7).normal(size=ROWS)
    rival = TARGET + 1.05 * (shared - TARGET)
    report = judged(shared, {"rival": (rival, None)})
    low, high = report["headline"]["interval95"]
    assert low < np.mean((rival - TARGET) ** 2) < high
    assert report["differences"]["rival"]["verdict"] == "ahead"


def test_a_starved_rival_is_refused():
    report = judged(GOOD, {"few": (BAD, 999), "all": (BAD, 1000), "rule": (BAD, None)})
    assert report["refusals"] == ["baseline few learnt from 999 rows where the model had 1,000"]


def test_a_leak_is_refused():
    (refusal,) = judged(GOOD, {"worse": (BAD, None)}, leaked=("r7", "r9"))["refusals"]
    assert refusal.startswith("2 test rows are train rows of the same fold as well, the first r7")


def test_a_shuffle_with_fixed_points_is_refused(monkeypatch):
    def shuffle(units, *, seed):
        del seed
        return np.concatenate([[0, 1, 2], np.roll(np.arange(3, len(units)), 1)])

    monkeypatch.setattr(metrics, "deranged", shuffle)
    (refusal,) = judged(GOOD, {"worse": (BAD, None)})["refusals"]
    assert refusal == "control shuffled_input gives 3 rows the model's own answer"


def test_a_control_that_does_not_fail_is_refused(monkeypatch):
    near = lambda e: {"harmless": {"mean": GOOD + 1e-4}}  # noqa: E731
    monkeypatch.setattr(rooms, "controls", near)
    report = judged(GOOD, {"worse": (BAD, None)})
    assert report["controls"]["harmless"]["fails_as_it_must"] is False
    (refusal,) = report["refusals"]
    assert refusal.startswith("control harmless does not fail: the model is level with harmless")


def test_a_model_without_a_fault_passes():
    assert judged(GOOD, {"worse": (BAD, 1000)})["refusals"] == []


def test_few_groups_get_students_interval():
    groups = np.repeat(np.arange(4), ROWS // 4).astype(str)
    report = judged(GOOD, {"worse": (BAD, None)}, groups=groups)
    method = {"unit": "group", "method": "t over 4 units", "compared_on": "mse"}
    assert report["interval"] == method


def test_differences_may_be_of_another_metric_than_the_headline(monkeypatch):
    def score(params, truth, response):
        mse = float(np.mean((truth["target"] - response["mean"]) ** 2))
        return {"mse": np.exp(mse), "log_mse": mse}

    monkeypatch.setattr(rooms, "score", score)
    monkeypatch.setattr("tests.pipeline.test_judge.APP", replace(APP, compared_on="log_mse"))
    report = judged(GOOD, {"worse": (BAD, None)})
    values = [report["model"]["log_mse"], report["baselines"]["worse"]["log_mse"]]
    assert report["differences"]["worse"]["value"] == pytest.approx(values[0] - values[1], rel=1e-4)
    low, high = report["headline"]["interval95"]
    assert low < report["headline"]["value"] == report["model"]["mse"] < high
