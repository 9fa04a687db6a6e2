"""The sheet of attention tiles."""

import numpy as np

from seqapps.apps.captioning import sheet
from tests.apps.captioning.conftest import speckled


def test_the_tile_is_bright_where_the_network_looked():
    picture = speckled(1).point(lambda value: value // 4)  # dark everywhere
    attention = np.zeros((4, 6), np.float32)
    attention[:, :3] = 1
    seen = np.asarray(sheet.looked(picture, attention), float).mean(axis=(0, 2))
    assert seen[:60].mean() < 60 and seen[-60:].mean() > 200
