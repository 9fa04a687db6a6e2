"""A study: what it searches, what it stops, and how it goes on."""

import sqlite3
import threading
from contextlib import closing
from functools import partial
from types import SimpleNamespace

import pytest

from seqapps import app as contract
from seqapps.artifacts import durable
from seqapps.config import UserError
from seqapps.experiments import tune
from tests.toy import APP

SPACE = """
[tune]
units = [4, 8]
learning_rate = { low = 1e-3, high = 1e-2, log = true }
"""


@pytest.fixture(autouse=True)
def silent(monkeypatch):
    """Runs that log nowhere."""
    nowhere = SimpleNamespace(child=lambda *_, **__: None, close=lambda *_: None)
    monkeypatch.setattr(tune, "SweepRun", lambda *_, **__: nowhere)


def searched(root, space=SPACE, words=()):
    path = root / "pipelines/toy/smoke.toml"
    path.write_text(path.read_text().partition("\n[tune]")[0] + space)
    return tune.plan(APP, "smoke", words=list(words), root=root)


@pytest.fixture
def fake(project, monkeypatch):
    """A project whose training takes no time: `fake.curve(variant)` is its validation curve."""
    found = SimpleNamespace(root=project, trained=[], curve=lambda variant: [1.0])

    def run(app, stage, *, profile, tracker, root):
        if stage != "train":
            return
        found.trained.append(profile)
        folder = root / "data/toy" / profile / "train"
        folder.mkdir(parents=True, exist_ok=True)
        values = found.curve(profile)
        for epoch, value in enumerate(values, start=1):
            tracker.epoch("a", epoch, {"val_loss": value})
        counts = {"a": {"val_loss": min(values)}}
        durable.write_json(
            folder / "done.json",
            {
                "counts": counts,
                "seconds": 1.0,
                "key": profile,
                "made_from": {"params": {}},
                "outputs": {},
                "finished": "",
            },
        )

    (project / "data/toy").mkdir(parents=True)
    monkeypatch.setattr(tune.stages, "run", run)
    return found


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ("", r"smoke.toml has no table \[tune\]; write what to search"),
        ("\n[tune]\nunit = [4]", "did you mean 'train.units'"),
        ("\n[tune]\nunits = [4, 0]", "train.units = 0"),
        ("\n[tune]\ndropout = { low = 0.1 }", "tune.dropout = .* is neither a list"),
        ("\n[tune]\nlearning_rate = { low = 0.0, high = 1.0 }", "train.learning_rate = 0"),
    ],
)
def test_a_search_that_cannot_be_trained_is_refused_before_it_begins(project, space, expected):
    with pytest.raises(UserError, match=expected):
        searched(project, space)


@pytest.mark.parametrize("profile", ["full", "smoke"])
@pytest.mark.parametrize("name", contract.names())
def test_what_the_profiles_search_can_be_trained(repository, name, profile):
    assert tune.plan(contract.load(name), profile, words=[], root=repository).space


def test_a_study_counts_results_of_earlier_calls(fake):
    plan = searched(fake.root)
    tune.run(plan, trials=3, jobs=1)
    assert len(fake.trained) == 3
    tune.run(plan, trials=3, jobs=1)
    assert len(fake.trained) == 3
    text = tune.run(plan, trials=5, jobs=1)
    assert len(fake.trained) == 5
    assert "5 trials went to their end, 0 were pruned." in text
    assert 'SET="train.units=' in text
    assert (plan.folder / "figure.png").stat().st_size > 5000


def test_the_best_on_validation_comes_first(fake, monkeypatch):
    drawn = partial(tune.optuna.samplers.TPESampler, seed=1)  # both values are among the first
    monkeypatch.setattr(tune.optuna.samplers, "TPESampler", drawn)
    fake.curve = lambda variant: [1.0 if "units=8" in variant else 2.0]
    text = tune.run(searched(fake.root), trials=8, jobs=1)
    assert text.splitlines()[4].split(" | ")[1] == "8"
    assert 'SET="train.units=8 ' in text


def test_a_worse_trial_is_pruned_and_its_weights_are_not_kept(fake):
    plan = searched(fake.root)
    tune.run(plan, trials=5, jobs=1)  # the first five are never stopped
    fake.curve = lambda variant: [5.0, 5.0]
    text = tune.run(plan, trials=6, jobs=1)
    assert "5 trials went to their end, 1 were pruned." in text
    assert not (fake.root / "data/toy" / fake.trained[-1]).exists()


def test_a_stopped_trial_is_tried_again_first(fake):
    def killed(variant):
        raise KeyboardInterrupt

    plan = searched(fake.root)
    fake.curve, alive = killed, fake.curve
    with pytest.raises(KeyboardInterrupt):
        tune.run(plan, trials=2, jobs=1)
    fake.curve = alive
    tune.run(plan, trials=2, jobs=1)
    first, again, other = fake.trained
    assert first == again != other
    tune.run(plan, trials=3, jobs=1)
    assert len(fake.trained) == 4


def test_a_trial_that_diverges_does_not_end_the_study(fake):
    def diverging(variant):
        if len(fake.trained) == 1:
            raise UserError("epoch 1: val_loss is nan")
        return [1.0]

    fake.curve = diverging
    text = tune.run(searched(fake.root), trials=3, jobs=1)
    assert "2 trials went to their end, 1 were pruned" in text


def test_other_words_make_another_study(fake):
    plan = searched(fake.root)
    assert tune_names(plan) != tune_names(searched(fake.root, words=["train.epochs=9"]))
    assert tune_names(plan) == tune_names(searched(fake.root))


def test_a_study_waits_for_a_slow_disk(fake):
    plan = searched(fake.root)
    plan.folder.mkdir(parents=True)
    study = tune._study(plan)
    with closing(sqlite3.connect(plan.folder / "study.db", check_same_thread=False)) as other:
        other.execute("BEGIN EXCLUSIVE")
        over = threading.Timer(6, other.rollback)  # SQLite alone waits for five seconds
        over.start()
        study.ask()
        over.join()
    assert len(study.trials) == 1


def tune_names(plan):
    plan.folder.mkdir(parents=True, exist_ok=True)
    return tune._study(plan).study_name


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_study_trains_variants_and_leaves_the_profile_alone(ran, jobs):
    folder = ran / "data/toy/smoke"
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file()}
    plan = searched(ran, words=["train.epochs=1"])
    text = tune.run(plan, trials=2, jobs=jobs)
    assert "2 trials" in text or "3 trials" in text  # two processes may end at the same time
    assert {p: p.stat().st_mtime_ns for p in before} == before
    for trial in tune._study(plan).trials:
        assert (ran / "data/toy" / trial.user_attrs["variant"] / "train/done.json").exists()


@pytest.mark.slow
def test_records_that_were_damaged_are_made_anew_before_a_trial(ran):
    plan = searched(ran)
    [shard] = (ran / "data/toy/smoke/preprocess/a").glob("train*.tfrecord*")
    content = shard.read_bytes()
    shard.write_bytes(bytes(len(content)))
    assert tune.run(plan, trials=1, jobs=1)
    assert shard.read_bytes() == content
