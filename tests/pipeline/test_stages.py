"""The run around the stages: killed anywhere, resumed, leaks refused."""

import json
import shutil

import h5py
import pytest

from seqapps.app import Item
from seqapps.artifacts import receipts
from seqapps.config import STAGES, UserError
from seqapps.pipeline import stages
from tests.toy import APP


def run(*stages_, overrides=(), force=False, root):
    for stage in stages_ or STAGES:
        stages.run(
            APP,
            stage,
            profile="smoke",
            tracker=stages.Quiet(),
            overrides=overrides,
            force=force,
            root=root,
        )


def outputs(project, stage):
    receipt = receipts.read(project / "data/toy/smoke" / stage)
    return {name: entry["sha256"] for name, entry in receipt["outputs"].items()}


def test_a_second_run_finds_everything_fresh(whole, monkeypatch, capsys):
    monkeypatch.chdir(whole)
    run(root=whole)
    assert capsys.readouterr().out.splitlines() == [f"toy {stage}: fresh" for stage in STAGES]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "kill"),
    [
        ("ingest", "seqapps.artifacts.fingerprints.digest:1"),
        ("preprocess", "seqapps.pipeline.records.serialize:20"),
        ("train", "seqapps.pipeline.training._checkpoint:3"),
        ("train", "seqapps.artifacts.histories.write:1"),
        ("train", "seqapps.artifacts.durable.write_json:1"),
        ("evaluate", "seqapps.kit.plots.save:1"),
        ("export", "seqapps.pipeline.export.check_core_ops:1"),
    ],
)
def test_a_killed_stage_is_not_taken_for_whole_and_ends_as_if_never_killed(
    stage, kill, whole, ran, toy_process
):
    remaining = STAGES[STAGES.index(stage) :]
    for later in remaining:
        shutil.rmtree(ran / "data/toy/smoke" / later)
    assert toy_process(ran, stage, kill=kill).returncode == -9
    assert receipts.read(ran / "data/toy/smoke" / stage) is None
    again = toy_process(ran, *remaining)
    assert again.returncode == 0, again.stderr
    if stage == "train":
        assert "resuming after epoch" in again.stdout
    for compared in ("ingest", "preprocess", "train"):
        assert outputs(ran, compared) == outputs(whole, compared)
    assert metrics(ran)["model"] == metrics(whole)["model"]


def weights(project):
    found = {}
    with h5py.File(project / "data/toy/smoke/train/a/model.weights.h5") as file:
        file.visititems(
            lambda name, entry: (
                found.update({name: entry[()]}) if isinstance(entry, h5py.Dataset) else None
            )
        )
    return found


@pytest.mark.slow
def test_a_training_begun_by_the_op_goes_on_with_keras_layers(whole, ran, toy_process):
    shutil.rmtree(ran / "data/toy/smoke/train")
    killed = toy_process(ran, "train", kill="seqapps.pipeline.training._checkpoint:3")
    assert "recurrent layers: one op for a sequence" in killed.stdout
    again = toy_process(ran, "train", SEQAPPS_NATIVE="0")
    assert "recurrent layers: Keras' (SEQAPPS_NATIVE=0)" in again.stdout
    assert "resuming after epoch 2" in again.stdout
    before, after = weights(whole), weights(ran)
    assert before.keys() == after.keys() and before
    for name, values in before.items():
        assert after[name] == pytest.approx(values, abs=1e-5), name


def metrics(project):
    return json.loads((project / "data/toy/smoke/evaluate/metrics.json").read_text())


def test_a_kill_between_two_renames_leaves_the_finished_work(project, toy_process):
    assert toy_process(project, "ingest").returncode == 0
    # Three files are renamed, then the old folder is moved away; the fifth puts the new one there.
    words = ("ingest", "--force")
    assert toy_process(project, *words, kill="seqapps.artifacts.durable.rename:5").returncode == -9
    assert not (project / "data/toy/smoke/ingest").exists()
    again = toy_process(project, "ingest")
    assert again.stdout.splitlines()[0] == "toy ingest: fresh"


def test_two_folds_are_trained_apart_and_pooled(project):
    run(overrides=['preprocess.folds=["a","b"]', "train.epochs=1"], root=project)
    assert outputs(project, "train").keys() >= {"a/model.weights.h5", "b/model.weights.h5"}
    lines = (project / "data/toy/smoke/evaluate/responses.jsonl").read_text().splitlines()
    assert {json.loads(line)["fold"] for line in lines} == {"a", "b"}
    assert metrics(project)["counts"]["folds"] == 2


def test_counts_and_skips_reach_the_receipt(project):
    run("ingest", "preprocess", root=project)
    receipt = receipts.read(project / "data/toy/smoke/preprocess")
    runs = json.loads((project / "data/toy/smoke/ingest/runs.json").read_text())
    kept = sum(n for name, n in receipt["counts"].items() if name.startswith("a."))
    short = sum(len(values) == 3 for values in runs)
    outliers = sum(len(values) > 3 and max(values) > 3 for values in runs)
    assert receipt["counts"]["skipped: too short"] == short > 0
    assert kept == len(runs) - short - outliers
    named = (project / "data/toy/smoke/preprocess/skipped.tsv").read_text().splitlines()
    assert len(named) == 1 + short + outliers


def test_a_group_in_two_splits_is_refused(project, monkeypatch):
    from tests.toy import preprocess

    def leaky(params, raw):
        yield Item("one", "train", "same", ([1.0] * 4,), "a")
        yield Item("two", "test", "same", ([1.0] * 4,), "a")

    run("ingest", root=project)
    monkeypatch.setattr(preprocess, "index", leaky)
    with pytest.raises(ValueError, match="group 'same' of fold 'a' lies in train and in test"):
        run("preprocess", root=project)


def test_a_stage_without_its_predecessor_says_what_to_run(project):
    with pytest.raises(UserError, match="toy train needs ingest: run make toy-train"):
        run("train", root=project)


def test_status_says_what_is_stale_and_why(ran):
    profile = ran / "pipelines/toy/smoke.toml"
    profile.write_text(profile.read_text().replace("units = 8", "units = 9"))
    lines = list(stages.status(APP, "smoke", root=ran))
    assert "preprocess  fresh" in lines[1]
    assert "train       stale: train.units 8 -> 9" in lines[2]
    assert "export      stale: train is stale" in lines[4]


def test_a_variant_shares_what_its_words_do_not_reach(whole):
    lines = list(stages.status(APP, "smoke@train.units=9", root=whole))
    assert "ingest      fresh" in lines[0] and "preprocess  fresh" in lines[1]
    assert all("stale: not made yet" in line for line in lines[2:3])
    assert list(stages.fresh(APP, "smoke@train.units=9", root=whole)) == ["ingest", "preprocess"]


def test_a_damaged_output_of_an_earlier_stage_is_named(ran):
    shard = next((ran / "data/toy/smoke/preprocess/a").glob("train-*.gz"))
    content = bytearray(shard.read_bytes())
    content[40] ^= 1
    shard.write_bytes(content)
    name = f"a/{shard.name} has changed since it was written"
    with pytest.raises(UserError, match=f"preprocess: {name}.*: run make toy-train"):
        run("train", force=True, root=ran)
    assert name in list(stages.status(APP, "smoke", root=ran))[1]
    run("preprocess", "train", root=ran)


def test_forced_work_is_done_again(project, capsys):
    run("ingest", root=project)
    run("ingest", force=True, root=project)
    assert "stale: FORCE=1" in capsys.readouterr().out
