"""Figures of jazz on made-up tunes."""

from types import SimpleNamespace

import numpy as np
import pytest

from seqapps.apps.jazz import figures, preprocess, samples
from seqapps.apps.jazz.statistics import Played
from seqapps.apps.jazz.tunes import TICKS
from tests.apps.jazz.test_evaluate import response, uniform


@pytest.fixture
def lines(truth):
    values = preprocess.values({name: truth[name][0] for name in preprocess.REQUEST})
    chords = np.asarray(truth["chords"][0])
    played = Played(values, chords, TICKS, 4 * TICKS, 0)
    return {kind: [[played]] for kind in samples.KINDS}


def test_perplexities_are_bars_with_a_dot_for_each_tune(truth):
    answer = response(truth, uniform)
    evaluation = SimpleNamespace(truth=truth, response=answer, baselines={"uniform": answer})
    [panel] = figures.perplexity(evaluation).axes
    widths = [bar.get_width() + 1 for bar in panel.patches]
    np.testing.assert_allclose(widths, 3168, rtol=1e-3)
    assert [len(line.get_xdata()) for line in panel.lines] == [2, 2]
    assert "2 held-out tunes" in panel.get_title()


def test_shares_of_a_histogram_add_up_to_one(lines):
    left, _ = figures.histograms(lines).axes
    heights = np.array([bar.get_height() for bar in left.patches]).reshape(3, 12)
    np.testing.assert_allclose(heights.sum(axis=1), 1)


def test_chord_tones_stand_beside_those_of_permuted_chords():
    metrics = {}
    for kind in samples.KINDS:
        for name, value in (("chord_tones", 0.6), ("chord_tones_permuted", 0.3)):
            bounds = {"mean": value, "low95": value - 0.1, "high95": value + 0.1}
            metrics |= {f"{kind}.{name}.{key}": number for key, number in bounds.items()}
    [panel] = figures.chord_tones(metrics).axes
    drawn = [line.get_ydata().tolist() for line in panel.lines if line.get_marker() in "ox"]
    assert drawn == [[0.6] * 3, [0.3] * 3]


def test_a_line_is_as_similar_to_itself_as_can_be(lines):
    drawn = figures.self_similarity(lines, "a tune")
    for panel in drawn.axes[:2]:
        np.testing.assert_allclose(np.diag(panel.images[0].get_array()), 1)
