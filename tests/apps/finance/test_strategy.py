"""The paper's strategy, by hand."""

import numpy as np
import pytest

from seqapps.apps.finance import strategy


def test_long_and_short_pay_a_side_to_open_and_two_to_turn():
    change, said = np.array([0.02, -0.01, -0.03]), np.array([1.0, -1.0, -1.0])
    earned = strategy.long_short(change, said, cost_percent=1.0)
    assert earned.path == pytest.approx([0.01, 0.0, 0.03])
    assert earned.per_year == pytest.approx(0.01 * 252)


def test_the_largest_fall_is_from_the_highest_top():
    change = np.array([0.1, -0.3, 0.1, -0.05])
    assert strategy.long_short(change, np.ones(4), cost_percent=0).drawdown == pytest.approx(0.3)


def test_a_fall_from_the_start_counts():
    earned = strategy.long_short(np.array([-0.1, 0.2]), np.ones(2), cost_percent=0)
    assert earned.drawdown == pytest.approx(0.1)


def test_buy_and_hold_pays_once_at_either_end():
    assert strategy.buy_and_hold(np.zeros(5)).path[-1] == pytest.approx(-0.007)
