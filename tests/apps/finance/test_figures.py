import pytest

from seqapps.apps.finance import figures, paper
from seqapps.kit import plots


@pytest.fixture
def findings(evaluation):
    leaking = figures.leak.shown("wlstm/full_leaky")
    networks = {"lstm": evaluation.response, leaking: evaluation.response}
    values = {"direction": 0.5, "low": 0.4, "high": 0.6, "return_per_year": 0.1}
    return figures.Findings(
        networks=networks,
        table=paper.table(paper.by_year(evaluation.truth, networks), {"lstm": 4.5}),
        leaks={"sp500": dict.fromkeys(figures.leak.MODES, values)},
    )


def words(figure):
    """All text on a figure, cells of tables too."""
    cells = [c for a in figure.axes for t in a.tables for c in t.get_celld().values()]
    texts = [*figure.findobj(figures.mpl.text.Text), *(cell.get_text() for cell in cells)]
    return " ".join(text.get_text() for text in texts)


def test_every_figure_is_drawn_and_names_the_leak_where_it_stands(evaluation, findings, tmp_path):
    drawn = dict(figures.all_of(evaluation, findings))
    assert list(drawn) == ["closes", "paper_table", "leak", "calibration", "earnings", "volatility"]
    for name, figure in drawn.items():
        plots.save(figure, tmp_path / f"{name}.png")
        assert name == "volatility" or "USES THE FUTURE" in words(figure), name


def test_the_table_holds_the_published_row_and_the_whole_years_of_ours(findings):
    table = findings.table
    assert table["published: wsaes_lstm"]["mape_y2"] == 0.014
    own = table["here: lstm"]
    assert [name for name in own if "y" in name] == ["mape_y1", "mape_y2"]
    assert own["return_percent"] == 4.5 and "mape" not in own  # four years are not there
    text = words(figures.paper_table(table))
    assert "published: wsaes_lstm" in text and f"{own['mape_y1']:.4g}" in text


def test_without_the_sp500_there_is_no_table_of_the_paper(evaluation, findings):
    drawn = dict(figures.all_of(evaluation, findings._replace(table={})))
    assert "paper_table" not in drawn and "closes" in drawn
