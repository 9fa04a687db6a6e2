"""Improvised lines: charts, keys, intervals."""

from types import SimpleNamespace

import numpy as np
import pytest

from seqapps.apps.jazz import preprocess, samples, tunes
from tests.apps.jazz.conftest import made_up


def test_a_chart_is_cut_with_its_bar_lines():
    columns = tunes.arrange(made_up(meter=(3, 4))).columns() | {"pickup": np.float32(1)}
    cut = samples.cut(columns, 5, beats=6)
    assert len(cut["bass"]) == 6
    # Bar lines at 1, 4, 7, 10: two quarters after the cut.
    assert cut["pickup"] == 2
    assert samples.cut(columns, 4, beats=6)["pickup"] == 0


def test_a_line_as_it_sounds_is_played_in_c_over_its_chart_in_c():
    tune = tunes.arrange(made_up(up=5))
    columns = tune.columns()
    line = np.stack([columns["pitch"], np.rint(columns["duration"] * 12)])
    chart = samples.cut(columns, 0, beats=32)
    found = samples._played(chart, np.pad(line, [[0, 0], [0, 3]]))
    plain = tunes.arrange(made_up()).columns()
    np.testing.assert_array_equal(found.values, preprocess.values(plain))
    np.testing.assert_array_equal(found.chords, plain["chords"])


def test_the_mean_over_tunes_has_an_interval_about_it():
    params = SimpleNamespace(evaluate=SimpleNamespace(bootstrap_samples=200, seed=0))
    values = {"x": np.array([1.0, 2.0, 3.0, 4.0])}
    found = samples.summary(SimpleNamespace(params=params), values, np.array(list("abcd")))
    assert found["x.mean"] == 2.5
    # Deviation 1.291, t of 3 degrees 3.182: 2.5 +- 2.054.
    assert found["x.low95"] == pytest.approx(0.446, abs=1e-3)
    assert found["x.high95"] == pytest.approx(4.554, abs=1e-3)
