"""The table and figure of a sweep, by hand."""

import pytest

from seqapps.experiments import sweep_table
from tests.toy import APP


def member(value, seed, score, **more):
    return {
        "value": value,
        "seed": seed,
        "score": score,
        "interval95": [score - 1, score + 1],
        "monitor": ["val_loss", "min"],
        "validation": score / 2,
        "seconds": 10.0 * seed,
        "weights": 100,
        "rival": "constant",
        "rival_score": 9.0,
    } | more


def test_the_interval_over_seeds_is_students_and_over_one_seed_the_bootstraps():
    rows = sweep_table.rows([member("a", 1, 2.0), member("a", 2, 4.0), member("b", 1, 5.0)])
    # Two values: mean 3, standard error 1, and t(0.975, 1) = 12.7062.
    assert rows["a"]["low95"] == pytest.approx(3 - 12.7062, abs=1e-4)
    assert (rows["a"]["least"], rows["a"]["most"], rows["a"]["seconds"]) == (2.0, 4.0, 15.0)
    assert (rows["b"]["low95"], rows["b"]["high95"]) == (4.0, 6.0)


def test_the_table_marks_what_validation_would_choose_and_says_what_failed():
    failed = {"value": "c", "seed": 1, "variant": "smoke@train.units=c", "failed": "loss is nan"}
    found = [member("a", 1, 2.0, validation=3.0), member("b", 1, 5.0, validation=1.0), failed]
    lines = sweep_table.markdown(APP, "train.units", found).splitlines()
    assert lines[0].startswith("| train.units | mse (95 %) | least..most | seeds | val_loss |")
    assert lines[2].startswith("| a | 2.000 (1.000..3.000)") and "constant 9.000" in lines[2]
    assert lines[3].startswith("| **b** |")
    assert lines[4].startswith("| c | failed |") and lines[4].count("|") == lines[0].count("|")
    assert lines[-1] == "Failed: smoke@train.units=c: loss is nan"


def test_the_figure_has_a_point_per_seed_and_the_baseline():
    found = [member("a", 1, 2.0), member("a", 2, 4.0), member("b", 1, 5.0)]
    [panel] = sweep_table.draw(APP, found, profile="smoke", key="train.units").axes
    points = [len(c.get_offsets()) for c in panel.collections if hasattr(c, "get_sizes")]
    assert points[:2] and [n for n in points if n] == [2, 1]
    assert [text.get_text() for text in panel.get_xticklabels()] == ["a", "b"]
    [legend] = panel.figure.legends  # outside of the panel, where it hides no point
    assert "constant, the best baseline" in legend.get_texts()[0].get_text()
