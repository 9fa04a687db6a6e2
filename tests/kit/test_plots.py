from seqapps.kit import plots


def test_learning_curves_have_a_panel_per_metric_and_a_line_per_split():
    rows = [{"epoch": e, "loss": 1 / e, "val_loss": 2 / e, "auroc": 0.5} for e in (1.0, 2.0)]
    figure = plots.learning_curves({"all": rows}, title="Toy")
    assert [panel.get_ylabel() for panel in figure.axes] == ["loss", "auroc"]
    assert [len(panel.lines) for panel in figure.axes] == [2, 1]


def test_a_figure_is_saved_as_png(tmp_path):
    plots.save(plots.figure(), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
