import csv
import json

import numpy as np
import pytest

from seqapps.app import Baseline
from seqapps.config import STAGES, UserError
from seqapps.pipeline import evaluation, stages
from tests.toy import APP, preprocess
from tests.toy import evaluate as rooms


def upto(project, stage, *overrides):
    for name in STAGES[: STAGES.index(stage) + 1]:
        stages.run(
            APP,
            name,
            profile="smoke",
            tracker=stages.Quiet(),
            overrides=overrides,
            root=project,
        )
    return json.loads((project / "data/toy/smoke/evaluate/metrics.json").read_text())


def test_metrics_have_the_shape_others_rely_on(project, capsys):
    report = upto(project, "evaluate")
    assert list(report) == [
        "app", "profile", "headline", "interval", "model", "baselines", "controls", "differences",
        "beats_baselines", "refusals", "validation", "counts", "judged", "seconds",
    ]  # fmt: skip
    validation = report["validation"]
    assert (validation["metric"], validation["direction"]) == ("mse", "min")
    assert validation["value"] != report["model"]["mse"] and len(validation["digest"]) == 16
    assert (report["app"], report["profile"]) == ("toy", "smoke")
    headline = report["headline"]
    assert headline["value"] == report["model"]["mse"]
    low, high = headline["interval95"]
    assert low < headline["value"] < high
    assert report["controls"]["shuffled_input"]["fails_as_it_must"] is True
    with (project / "data/toy/smoke/evaluate/predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    errors = [(float(r["target"]) - float(r["serving_default.mean"])) ** 2 for r in rows]
    assert np.mean(errors) == pytest.approx(report["model"]["mse"], rel=1e-4)


def test_a_control_that_does_not_fail_is_said(project, monkeypatch, capsys):
    # A model that always answers the same cannot be hurt by shuffling its inputs.
    monkeypatch.setattr(rooms, "score", lambda p, t, r: {"mse": float(np.mean(t["target"] ** 2))})
    report = upto(project, "evaluate")
    assert report["controls"]["shuffled_input"]["fails_as_it_must"] is False
    assert "WARNING: control shuffled_input does not fail" in capsys.readouterr().out
    assert any("control shuffled_input does not fail" in one for one in report["refusals"])


def test_samples_an_application_writes_lie_beside_its_figures(project, monkeypatch):
    def samples(evaluation, findings, out):
        (out / "first.txt").write_text(f"{evaluation.response['mean'][0]:.4f}")

    monkeypatch.setattr(rooms, "samples", samples, raising=False)
    report = upto(project, "evaluate")
    written = project / "data/toy/smoke/evaluate/samples/first.txt"
    assert np.isfinite(float(written.read_text()))
    assert report["seconds"]["samples"] >= 0


def test_an_application_without_samples_has_no_such_folder(project):
    upto(project, "evaluate")
    assert not (project / "data/toy/smoke/evaluate/samples").exists()


def test_an_answer_may_hold_several_texts_per_row(tmp_path):
    words = np.array([[b"one", "zwölf".encode()], [b"two", b""]], object)
    truth = {name: np.array(["a", "b"], object) for name in ("key", "group", "fold")}
    evaluation.write_responses(tmp_path / "r.jsonl", truth, {"endpoint": {"words": words}})
    lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert [line["endpoint"]["words"] for line in lines] == [["one", "zwölf"], ["two", ""]]
    evaluation._write_predictions(tmp_path / "p.csv", truth, {"endpoint": {"words": words}})
    assert '["one", "zwölf"]' in (tmp_path / "p.csv").read_text().replace('""', '"')


def test_the_gate_holds_a_model_back_that_its_baseline_beats(project, monkeypatch):
    monkeypatch.setattr(
        rooms, "baselines", lambda e: {"oracle": Baseline({"mean": e.truth["target"].copy()}, None)}
    )
    with pytest.raises(UserError, match=r"not exported: the model is behind oracle by .*warn"):
        upto(project, "export", "export.gate=beat_baselines")
    assert not (project / "data/toy/smoke/export/done.json").exists()
    upto(project, "export", "export.gate=warn")
    assert (project / "data/toy/smoke/export/model/1/saved_model.pb").exists()


def test_rivals_answers_are_stored_like_the_models(project):
    report = upto(project, "evaluate")
    lines = (project / "data/toy/smoke/evaluate/rivals.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == report["counts"]["test_examples"]
    assert list(rows[0]) == ["key", "fold", "constant", "first", "shuffled_input"]
    with (project / "data/toy/smoke/evaluate/predictions.csv").open() as file:
        truth = {row["key"]: float(row["target"]) for row in csv.DictReader(file)}
    errors = [(truth[row["key"]] - row["first"]["mean"]) ** 2 for row in rows]
    assert np.mean(errors) == pytest.approx(report["baselines"]["first"]["mse"], rel=1e-4)


def test_how_many_trained_models_the_test_rows_have_judged_is_counted(project, capsys):
    assert len(upto(project, "evaluate")["judged"]["weights"]) == 1
    assert len(upto(project, "evaluate", "train.seed=2")["judged"]["weights"]) == 2
    assert "these test rows have judged 2 trained models" in capsys.readouterr().out
    # The first weights again are not a third model.
    assert len(upto(project, "evaluate")["judged"]["weights"]) == 2


def test_a_row_that_is_trained_and_tested_is_refused(project, monkeypatch):
    monkeypatch.setattr(preprocess, "example", leaking(preprocess.example))
    report = upto(project, "evaluate")
    (refusal,) = [one for one in report["refusals"] if "train rows of the same fold" in one]
    assert refusal.startswith(f"{report['counts']['test_examples']} test rows are train rows")


def leaking(example):
    """Each record is the same run of numbers, wherever it stands."""

    def one(params, assets, item):
        record = example(params, assets, item)
        steps = np.array([1.0, 2.0, 3.0], np.float32)
        return record | {"steps": steps, "length": np.int64(3), "target": np.float32(2)}

    return one


def test_a_failed_evaluation_leaves_the_old_one_as_it_was(ran, monkeypatch):
    before = (ran / "data/toy/smoke/evaluate/metrics.json").read_text()

    def broken(params, truth, response):
        raise RuntimeError("no")

    monkeypatch.setattr(rooms, "score", broken)
    with pytest.raises(RuntimeError):
        stages.run(APP, "evaluate", profile="smoke", tracker=stages.Quiet(), force=True, root=ran)
    assert (ran / "data/toy/smoke/evaluate/metrics.json").read_text() == before


def test_an_answer_of_several_texts_is_kept_as_texts(tmp_path):
    words = np.array([["one", ""], ["two", "three"]], object)
    words = np.vectorize(str.encode, otypes=[object])(words)
    truth = {"key": np.array(["a", "b"]), "fold": np.array(["all", "all"])}
    evaluation.write_responses(tmp_path / "r.jsonl", truth, {"d": {"words": words}})
    lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert [line["d"]["words"] for line in lines] == [["one", ""], ["two", "three"]]
