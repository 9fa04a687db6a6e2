"""Figures of captioning: a panel per word, a bar per network."""

import numpy as np

from seqapps.apps.captioning import figures
from tests.apps.captioning.conftest import encoded, speckled


def test_a_line_has_the_picture_and_a_panel_for_each_word():
    weights = np.full((3, 8, 12), 1 / 96)
    answer = {"caption": "a red cross", "words": ["a", "red", ""], "attention": weights}
    rows = [(encoded(speckled(seed)), name, "a cross") for seed, name in enumerate("xy")]
    drawn = figures.attention(rows, [answer, answer], title="two pictures")
    shown = [panel for panel in drawn.axes if panel.images]
    assert len(drawn.axes) == 2 * (figures.WORDS + 1)
    assert len(shown) == 2 * 3  # the picture and two words; the empty one is padding
    assert shown[0].get_title(loc="left") == "x\ncaption: a red cross\nreference: a cross"


def test_a_bar_is_as_high_as_its_networks_mean():
    scores = {"shipped": np.array([1.0, 3.0]), "nearest": np.array([0.0, 1.0])}
    [panel] = figures.networks(scores).axes
    heights = [bar.get_height() for bar in panel.patches]
    assert heights == [2.0, 0.5]
    assert "2 pictures" in panel.get_title()
