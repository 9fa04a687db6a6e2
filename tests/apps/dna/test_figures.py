"""Figures of dna: curves through known points, calibration, logos."""

import numpy as np
import pytest

from seqapps.apps.dna import figures
from seqapps.apps.dna.motifs import Finding, Match, Motif
from seqapps.kit import metrics

BOUND = np.array([True, True, False, False])
PROBABILITY = np.array([0.9, 0.4, 0.6, 0.1])
ROWS = [{"network": (BOUND, PROBABILITY), "gc": (BOUND, np.full(4, 0.5))}]


def test_the_roc_goes_through_its_points_and_names_its_area():
    [panel] = figures.roc(["ctcf"], ROWS, metrics.auroc, task="shuffles").axes
    x, y = panel.lines[0].get_data()
    assert list(zip(x, y, strict=True)) == [(0, 0), (0, 0.5), (0.5, 0.5), (0.5, 1), (1, 1)]
    assert [text.get_text() for text in panel.get_legend().texts] == ["network 0.750", "gc 0.500"]
    assert panel.get_title() == "ctcf, 2 sites"


def test_precision_and_recall_have_the_share_of_sites_beside_them():
    drawn = figures.precision_recall(
        ["ctcf"], ROWS, metrics.precision_recall, metrics.auprc, task="peaks"
    )
    [panel] = drawn.axes
    assert list(panel.lines[-1].get_ydata()) == [0.5, 0.5]
    assert panel.lines[0].get_xdata()[-1] == 1


def test_calibration_leaves_small_groups_out():
    rng = np.random.default_rng(0)
    probability = np.concatenate([rng.uniform(0.21, 0.29, 40), [0.95]])
    bound = np.arange(41) % 4 == 0
    [panel] = figures.calibration(["ctcf"], [{"network": (bound, probability)}]).axes
    x, y = panel.lines[1].get_data()
    assert len(x) == 1 and x[0] == pytest.approx(0.25, abs=0.02)
    assert y[0] == pytest.approx(0.25, abs=0.01)


def test_the_logo_has_the_site_the_motif_and_jaspars():
    rng = np.random.default_rng(0)
    frequencies = rng.dirichlet(np.ones(4), 8).T
    bases = np.eye(4, dtype=np.float32)[rng.integers(0, 4, 30)]
    effect = rng.normal(size=(30, 4)).astype(np.float32)
    match = Match("MA0139.1", "CTCF", "C2H2", q=1e-5, start=2, frequencies=frequencies)
    motif = Motif(frequencies, rng.normal(size=(8, 4)))
    site, recovered, known = figures.logo(Finding("ctcf", motif, match, 12, bases, effect)).axes
    assert "12 best-scored" in recovered.get_title()
    assert "MA0139.1 CTCF" in known.get_title() and "1e-05" in known.get_title()
    assert recovered.get_xlim() == known.get_xlim() == (-0.5, 9.5)
    assert site.patches
