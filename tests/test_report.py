import json

import pytest

from seqapps import report
from tests.toy import APP

METRICS = {
    "app": "toy",
    "profile": "smoke",
    "headline": {"metric": "mse", "direction": "min", "value": 0.25, "interval95": [0.2, 0.3]},
    "model": {"mse": 0.25, "mse.long": 0.5, "longest": 12.0},
    "baselines": {"constant": {"mse": 0.75}, "drift": {"mse": 0.5}},
    "controls": {"shuffled_input": {"mse": 1.0, "fails_as_it_must": True}},
    "beats_baselines": True,
    "counts": {"test_examples": 1234, "folds": 1},
}


def test_numbers_are_flat_and_named_as_mlflow_allows():
    values = {"a+b": {"skipped: x (y, z)": 3}, "text": "no", "ok": True, "nan": float("nan")}
    assert report.numbers(values) == {"a_b.skipped: x _y_ z_": 3.0, "ok": 1.0}


def test_scores_show_the_headline_metric_and_its_parts_for_all_rivals():
    lines = report.scores(METRICS).splitlines()
    assert lines[0] == "| | mse | mse.long |"
    assert lines[2] == "| **model** (mse 95 % 0.200..0.300) | 0.250 | 0.500 |"
    assert lines[3] == "| constant | 0.750 |  |"
    assert lines[-1] == "| control: shuffled_input | 1.000 |  |"


def test_the_card_is_the_readme_with_the_scores():
    card = report.card(APP, METRICS)
    assert card.startswith("# Mean of a run of numbers")
    assert "## Scores of this run (smoke)" in card


def test_the_table_goes_between_its_marks_and_can_be_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr(report.contract, "names", lambda: ("toy",))
    monkeypatch.setattr(report.contract, "load", lambda name: APP)
    folder = tmp_path / "data/toy/full/evaluate"
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps(METRICS))
    readme = tmp_path / "README.md"
    readme.write_text(f"# Top\n{report.BEGIN}\nold\n{report.END}\nbottom\n")
    table = report.write(tmp_path, "full")
    assert "**0.250** (0.200..0.300) | drift 0.500 | shuffled_input 1.000 | 1,234 |" in table
    once = readme.read_text()
    assert once == f"# Top\n{report.BEGIN}\n{table}\n{report.END}\nbottom\n"
    report.write(tmp_path, "full")
    assert readme.read_text() == once


def test_a_history_is_read_as_numbers(tmp_path):
    (tmp_path / "history.csv").write_text("epoch,loss\n1,0.5\n2,0.25\n")
    rows = report.history(tmp_path / "history.csv")
    assert rows == [{"epoch": 1.0, "loss": 0.5}, {"epoch": 2.0, "loss": 0.25}]
    assert rows[1]["loss"] == pytest.approx(0.25)
