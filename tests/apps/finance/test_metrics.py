import numpy as np
import pytest

from seqapps.apps.finance import metrics

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)


def test_the_papers_scores_by_hand():
    actual, said = np.array([100.0, 200.0]), np.array([110.0, 190.0])
    assert metrics.mape(actual, said) == pytest.approx((0.1 + 0.05) / 2)
    assert metrics.theil_u(actual, said) == pytest.approx(
        10 / (np.sqrt(25_000) + np.sqrt((12_100 + 36_100) / 2))
    )
    assert metrics.correlation(actual, said) == pytest.approx(1)


def test_the_last_value_has_relative_mae_1():
    actual, last = np.array([2.0, 4.0]), np.array([1.0, 5.0])
    assert metrics.relative_mae(actual, last, last=last) == 1
    assert metrics.mase(actual, last, scale=np.array([2.0, 2.0])) == 0.5


def test_wilsons_interval_for_81_of_263():
    # Newcombe (1998), Statistics in Medicine 17:857-872, table I: 0.2553 to 0.3662.
    assert metrics.binomial(81, 263) == pytest.approx((0.3080, 0.2553, 0.3662), abs=5e-5)


def test_direction_leaves_out_days_that_did_not_move():
    hit = metrics.direction(np.array([0.1, -0.1, 0.0]), np.array([0.2, 0.2, 0.2]))
    assert hit.value == 0.5


def test_qlike_by_hand():
    assert metrics.qlike(np.array([2.0]), np.array([1.0]))[0] == pytest.approx(1 - np.log(2))
    assert metrics.qlike(np.array([3.0]), np.array([3.0]))[0] == 0


def test_pinball_by_hand():
    quantiles = np.array([[-2.0, -1.0, 0.0, 1.0, 2.0]])
    by_hand = (0.025 * 3 + 0.1 * 2 + 0.5 * 1 + 0 + 0.025 * 1) / 5
    assert metrics.pinball(np.array([1.0]), quantiles, levels=LEVELS) == pytest.approx(by_hand)


def test_crps_of_quantiles_comes_near_that_of_the_normal():
    z = np.random.default_rng(0).normal(size=200_000)
    quantiles = np.tile([-1.959964, -1.281552, 0, 1.281552, 1.959964], (len(z), 1))
    assert metrics.crps(z, quantiles, levels=LEVELS) == pytest.approx(1 / np.sqrt(np.pi), rel=0.12)


def test_coverage_counts_the_bounds_in():
    change = np.array([0.0, 1.0, 2.0])
    assert metrics.coverage(change, np.zeros(3), high=np.ones(3)) == pytest.approx(2 / 3)


def test_diebold_mariano_is_the_t_test_where_days_do_not_depend_on_each_other():
    rng = np.random.default_rng(5)
    gap = rng.normal(0.1, 1, 4000)
    statistic, p = metrics.diebold_mariano(gap, np.zeros(4000), days=np.arange(4000))
    assert statistic == pytest.approx(gap.mean() / gap.std() * np.sqrt(4000), rel=0.08)
    assert 0 < p < 1e-3


def test_diebold_mariano_counts_a_day_once_however_many_series_it_has():
    gap = np.random.default_rng(5).normal(0.1, 1, 500)
    once = metrics.diebold_mariano(gap, np.zeros(500), days=np.arange(500))
    twice = metrics.diebold_mariano(
        np.tile(gap, 2), np.zeros(1000), days=np.tile(np.arange(500), 2)
    )
    assert twice == pytest.approx(once)


def test_equal_losses_do_not_differ():
    assert metrics.diebold_mariano(np.ones(9), np.ones(9), days=np.arange(9)) == (0.0, 1.0)
