"""Baselines answer through the same function as the model."""

import numpy as np

from seqapps.apps.jazz import baselines, preprocess, tunes
from seqapps.apps.jazz.frontend import VALUES
from tests.apps.jazz.conftest import made_up


def columns(meter=(4, 4)):
    return tunes.arrange(made_up(repeats=1, meter=meter)).columns()


def test_a_certain_and_right_table_has_log_probability_zero():
    tune = columns()
    values = preprocess.values(tune)
    table = np.full((len(values), VALUES), -50.0, np.float32)
    table[range(len(values)), values] = 0
    answer = baselines.answer(tune, table)
    np.testing.assert_allclose(answer["log_probability"], 0, atol=1e-6)


def test_a_uniform_table_gives_each_note_one_part_of_all():
    tune = columns()
    count = len(preprocess.values(tune))
    table = np.full((count, VALUES), -np.log(VALUES), np.float32)
    np.testing.assert_allclose(
        baselines.answer(tune, table)["log_probability"], -np.log(VALUES), rtol=1e-5
    )


def test_a_bar_has_the_ticks_of_its_meter():
    assert baselines.bar_ticks({"meter": np.array([4, 4])}) == 4 * tunes.TICKS
    assert baselines.bar_ticks({"meter": np.array([6, 8])}) == 3 * tunes.TICKS
