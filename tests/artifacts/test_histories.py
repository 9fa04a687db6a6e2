from seqapps.artifacts import histories

ROWS = [{"epoch": 1.0, "loss": 0.5}, {"epoch": 2.0, "loss": 0.25}]


def test_a_history_is_read_as_it_was_written(tmp_path):
    histories.write(ROWS, tmp_path / "history.csv")
    assert histories.read(tmp_path / "history.csv") == ROWS


def test_curves_of_several_folds_carry_the_folds_name(tmp_path):
    for fold in ("a", "b"):
        (tmp_path / fold).mkdir()
        histories.write(ROWS[:1], tmp_path / fold / "history.csv")
    assert histories.of_folds(tmp_path) == {"a": ROWS[:1], "b": ROWS[:1]}
    assert histories.curves(tmp_path) == [
        {"epoch": 1.0, "a.loss": 0.5},
        {"epoch": 1.0, "b.loss": 0.5},
    ]


def test_curves_of_one_fold_carry_none(tmp_path):
    (tmp_path / "all").mkdir()
    histories.write(ROWS, tmp_path / "all/history.csv")
    assert histories.curves(tmp_path) == ROWS
