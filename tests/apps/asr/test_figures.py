"""Figures are drawn; confusions are counted by hand."""

import numpy as np
from matplotlib.figure import Figure

from seqapps.apps.asr import figures
from tests.apps.asr.test_evaluate import column


def test_confusions_pair_what_was_said_with_what_was_heard():
    pairs = figures.pairs(column("cat", "a"), column("cut", ""))
    assert pairs == {("c", "c"): 1, ("a", "u"): 1, ("t", "t"): 1, ("a", figures.GAP): 1}


def test_figures_are_drawn():
    rng = np.random.default_rng(0)
    drawn = [
        figures.spikes(
            rng.normal(size=(100, 12)),
            np.log(rng.dirichlet(np.ones(5), 33)),
            step_seconds=0.03,
            words=[("hello", 0.1, 0.4), ("there", 0.5, 0.9)],
            reference="hello there",
        ),
        figures.confusions(column("hello there"), column("yellow tear")),
        figures.bars({"anna": (0.5, 3)}, title="WER"),
    ]
    assert all(isinstance(one, Figure) and one.axes for one in drawn)
