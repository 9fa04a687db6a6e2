import json
from dataclasses import replace

import pytest

from seqapps.experiments import report
from tests.toy import APP

METRICS = {
    "app": "toy",
    "profile": "smoke",
    "headline": {"metric": "mse", "direction": "min", "value": 0.25, "interval95": [0.2, 0.3]},
    "model": {"mse": 0.25, "mse.long": 0.5, "longest": 12.0},
    "baselines": {"constant": {"mse": 0.75}, "drift": {"mse": 0.5}},
    "controls": {"shuffled_input": {"mse": 1.0, "fails_as_it_must": True}},
    "differences": {
        "constant": {"value": -0.5, "interval95": [-0.6, -0.4], "verdict": "ahead"},
        "drift": {"value": -0.25, "interval95": [-0.6, 0.1], "verdict": "level"},
        "shuffled_input": {"value": -0.75, "interval95": [-0.8, -0.7], "verdict": "ahead"},
    },
    "beats_baselines": False,
    "interval": {"unit": "group", "method": "t over 8 units", "compared_on": "mse"},
    "refusals": ["the model is level with drift"],
    "judged": {"rows": "r", "weights": ["a", "b"]},
    "counts": {"test_examples": 1234, "folds": 1},
}


def test_scores_show_the_headline_metric_and_its_parts_for_all_rivals():
    lines = report.scores(APP, METRICS).splitlines()
    assert lines[0] == "| | mse | model - rival | mse.long |"
    assert lines[2] == "| **model** (mse 95 % 0.200..0.300) | 0.250 |  | 0.500 |"
    assert lines[3] == "| constant | 0.750 | -0.500 (-0.600..-0.400) ahead |  |"
    assert lines[4] == "| drift | 0.500 | -0.250 (-0.600..+0.100) level |  |"
    assert lines[5] == "| control: shuffled_input | 1.000 | -0.750 (-0.800..-0.700) ahead |  |"


def test_scores_say_how_the_judge_judged():
    assert report.scores(APP, METRICS).splitlines()[-1] == (
        "Intervals: t over 8 units. These test rows have judged 2 trained models. "
        "The judge refuses: the model is level with drift."
    )
    passed = METRICS | {"refusals": [], "judged": {"rows": "r", "weights": ["a"]}}
    assert report.scores(APP, passed).endswith("judged 1 trained model. The judge lets it pass.")
    passed["interval"] = passed["interval"] | {"compared_on": "nll"}
    assert "Intervals: t over 8 units; differences in nll. These" in report.scores(APP, passed)


def test_the_card_is_the_readme_with_the_scores():
    card = report.card(APP, METRICS)
    assert card.startswith("# Mean of a run of numbers")
    assert "## Scores of this run (smoke)" in card


def test_metrics_named_by_row_stand_beside_the_model_and_by_table_in_their_own():
    more = {"wide.mse": 0.3, "model.mse": 0.25, "wide.longest": 3.0, "years.ours.y1": 0.0125}
    text = report.scores(APP, METRICS | {"model": METRICS["model"] | more})
    assert "| wide | 0.300 |  |  |\n| constant |" in text
    assert "| model |" not in text  # the shipped network again
    assert text.endswith("`years`:\n\n| | y1 |\n|---|---|\n| ours | 0.0125 |")


def test_reported_metrics_become_columns():
    app = replace(APP, reported=("longest", "absent"))
    assert report.scores(app, METRICS).splitlines()[0] == (
        "| | mse | model - rival | mse.long | longest |"
    )


@pytest.fixture
def evaluated(tmp_path, monkeypatch):
    """A project in which the toy was evaluated under `full`, and its two pages."""
    monkeypatch.setattr(report.contract, "names", lambda: ("toy",))
    monkeypatch.setattr(report.contract, "load", lambda name: APP)
    monkeypatch.setattr(type(APP), "folder", tmp_path / "tests/toy")
    folders = [tmp_path / "data/toy/full/evaluate", tmp_path / "tests/toy"]
    for folder in folders:
        folder.mkdir(parents=True)
    (folders[0] / "metrics.json").write_text(json.dumps(METRICS))
    for page in (tmp_path, folders[1]):
        marks = report.BEGIN.format(profile="full")
        (page / "README.md").write_text(f"# Top\n{marks}\nold\n{report.END}\nbottom\n")
    return tmp_path


def test_tables_go_between_their_marks_and_can_be_made_again(evaluated):
    pages = report.write(evaluated, "full")
    assert pages == [evaluated / "README.md", evaluated / "tests/toy/README.md"]
    top, card = (page.read_text() for page in pages)
    assert (
        "**0.250** (0.200..0.300) | drift 0.500 | -0.250 (-0.600..+0.100) level | drift | "
        "shuffled_input 1.000 | 1,234 |"
    ) in top
    assert report.scores(APP, METRICS) in card
    for text in (top, card):
        assert text.startswith("# Top\n<!-- results of full") and text.endswith("-->\nbottom\n")
        assert "old" not in text
    report.write(evaluated, "full")
    assert [page.read_text() for page in pages] == [top, card]


@pytest.mark.parametrize("content", ['{"app": "toy", "headline": {}}', '{"app": "to'])
def test_metrics_without_a_judge_or_cut_short_are_in_no_table(evaluated, content):
    (evaluated / "data/toy/full/evaluate/metrics.json").write_text(content)
    assert report.left_out(evaluated, "full") == ["toy"]
    report.write(evaluated, "full")
    assert "toy" not in (evaluated / "README.md").read_text().split("-->")[1]


def test_a_page_without_marks_for_the_profile_stays_as_it_is(evaluated):
    before = (evaluated / "README.md").read_text()
    assert report.write(evaluated, "smoke") == []
    assert (evaluated / "README.md").read_text() == before


def test_a_sweep_over_all_applications_goes_between_marks_of_its_own(evaluated):
    folder = evaluated / "data/toy/full/sweep/train.cell"
    folder.mkdir(parents=True)
    gru = {"seeds": 3, "mean": 0.25, "low95": 0.2, "high95": 0.3, "rival": "drift"}
    table = {"rows": {"gru": gru | {"rival_score": 0.5}, "rnn": {"seeds": 0}}}
    (folder / "table.json").write_text(json.dumps(table))
    readme = evaluated / "README.md"
    begin = report.SWEEP_BEGIN.format(key="train.cell", profile="full")
    readme.write_text(f"{readme.read_text()}{begin}\n{report.END}\nafter\n")
    assert report.write(evaluated, "full")[0] == readme
    lines = readme.read_text().split(begin)[1].splitlines()
    assert lines[1] == "| | gru | rnn | best baseline |"
    cells = "0.250 (0.200..0.300) |  | drift 0.500 |"
    assert lines[3] == f"| toy: mse ↓, 3 seeds | {cells}"
    assert lines[-1] == "after"
    assert "old" not in readme.read_text()


def test_the_summary_is_a_line_with_the_best_baseline_first():
    assert report.summary(METRICS) == (
        "**mse 0.250** (95 % 0.200..0.300), 1,234 test rows. "
        "Baselines: drift 0.500 (level), constant 0.750. Controls: shuffled_input 1.000."
    )
