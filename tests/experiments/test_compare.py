"""Runs side by side out of MLflow; a sweep's runs in MLflow."""

import pytest

from seqapps.config import UserError
from seqapps.experiments import compare, mlflow_store
from seqapps.experiments.sweep_run import SweepRun
from tests.toy import APP

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]


def judged(store, name, mse, *, level="pipeline", **params):
    client, experiment = mlflow_store.client(store, APP)
    tags = {"seqapps.level": level, "seqapps.profile": "smoke"}
    tags["mlflow.source.git.commit"] = "0123456789abcdef"
    run_id = client.create_run(experiment, run_name=name, tags=tags).info.run_id
    values = {"mse": mse, "mse.low95": mse - 1, "mse.high95": mse + 1}
    for metric, value in (values | {"baselines.constant.mse": 9.0, "loss": 1.0}).items():
        client.log_metric(run_id, metric, value)
    for key, value in params.items():
        client.log_param(run_id, f"train.{key}", value)


def test_only_what_differs_is_shown_beside_the_headline_and_its_rivals(store):
    judged(store, "toy-smoke-1", 3.0, units=8, epochs=4)
    judged(store, "toy-smoke-2", 2.5, units=16, epochs=4)
    assert compare.table(APP, [], root=store).splitlines() == [
        "|  | toy-smoke-1 | toy-smoke-2 |",
        "|---|---|---|",
        "| **mse** | **3.000** | **2.500** |",
        "| 95 % | 2.000..4.000 | 1.500..3.500 |",
        "| baseline constant | 9.000 | 9.000 |",
        "| train.units | 8 | 16 |",
    ]


def test_without_names_the_last_pipelines_and_with_names_any_judged_run(store):
    for number in range(7):
        judged(store, f"toy-smoke-{number}", 3.0)
    judged(store, "smoke@train.units=4", 3.0, level="member")
    heads = compare.table(APP, [], root=store).splitlines()[0]
    assert heads == "|  | " + " | ".join(f"toy-smoke-{n}" for n in range(2, 7)) + " |"
    named = compare.table(APP, ["units=4", "smoke-0"], root=store).splitlines()[0]
    assert named == "|  | toy-smoke-0 | smoke@train.units=4 |"


def test_nothing_to_compare_and_unknown_names_are_said(store):
    with pytest.raises(UserError, match="nothing to compare 0 run with; make toy SET="):
        compare.table(APP, [], root=store)
    judged(store, "toy-smoke-1", 3.0)
    with pytest.raises(UserError, match="no judged run is called 'smoke-9'; did you mean"):
        compare.table(APP, ["toy-smoke-1", "toy-smoke-9"[4:]], root=store)


def family_of(store, digest="plan"):
    return SweepRun(
        APP,
        profile="smoke",
        name="sweep train.units smoke",
        digest=digest,
        params={"key": "train.units"},
        root=store,
    )


def child(family, digest, loss):
    family.child(
        "smoke@train.units=4",
        digest,
        params={"train.units": 4},
        metrics={"mse": 2.0, "mse.low95": 1.0, "mse.high95": 3.0},
        curves=[{"epoch": 1, "loss": 3.0}, {"epoch": 2, "loss": loss}],
        files=[],
    )


def test_a_member_is_compared_with_the_runs_of_its_profile(store):
    judged(store, "toy-smoke-1", 3.0)
    family = family_of(store)
    child(family, "first", 2.0)
    table = compare.table(APP, ["toy-smoke-1", "smoke@train.units=4"], profile="smoke", root=store)
    assert "smoke@train.units=4" in table.splitlines()[0]
