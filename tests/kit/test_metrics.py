import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from seqapps.kit import metrics


def mean(truth, response):
    return float(np.mean(response["y"]))


def columns(values):
    return {"y": np.array(values, float)}


def test_the_interval_of_a_mean_is_near_its_normal_one():
    values = np.random.default_rng(3).normal(size=400)
    low, high = metrics.interval(
        mean, truth=columns(values), response=columns(values), samples=2000, seed=0
    )
    half = 1.96 * values.std() / 20
    np.testing.assert_allclose([low, high], [values.mean() - half, values.mean() + half], atol=0.01)


def test_drawing_groups_widens_the_interval_when_rows_in_a_group_agree():
    values = np.repeat([0.0, 1.0, 2.0, 3.0], 50)
    groups = np.repeat(["a", "b", "c", "d"], 50)
    rows = metrics.interval(
        mean, truth=columns(values), response=columns(values), samples=300, seed=0
    )
    blocks = metrics.interval(
        mean, truth=columns(values), response=columns(values), samples=300, seed=0, groups=groups
    )
    assert blocks[1] - blocks[0] > 3 * (rows[1] - rows[0])


def test_auroc_is_the_share_of_pairs_in_the_right_order():
    assert metrics.auroc([1, 0, 1, 0], [0.9, 0.8, 0.4, 0.1]) == 0.75
    assert metrics.auroc([1, 0], [0.5, 0.5]) == 0.5
    assert np.isnan(metrics.auroc([1, 1], [0.5, 0.4]))


def test_auprc_weights_precision_by_the_recall_it_adds():
    assert metrics.auprc([1, 0, 1, 0], [0.9, 0.8, 0.4, 0.1]) == pytest.approx(0.5 + 0.5 * 2 / 3)
    assert metrics.auprc([1, 0, 0], [0.5, 0.5, 0.5]) == pytest.approx(1 / 3)
    assert np.isnan(metrics.auprc([0, 0], [0.5, 0.4]))


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=30))
def test_areas_are_those_of_scikit_learn(rows):
    bound, chance = np.array([b for b, _ in rows]), np.array([c / 5 for _, c in rows])
    if bound.all() or not bound.any():
        return
    assert metrics.auroc(bound, chance) == pytest.approx(roc_auc_score(bound, chance))
    assert metrics.auprc(bound, chance) == pytest.approx(average_precision_score(bound, chance))


def test_error_rates_count_the_edits_of_all_texts_together():
    rates = metrics.error_rates(["the cat sat", "go"], ["a cat", "go on"])
    assert rates == {
        "wer": 3 / 4, "substitutions": 1 / 4, "deletions": 1 / 4, "insertions": 1 / 4,
        "cer": pytest.approx((3 + 4 + 3) / (11 + 2)),
    }  # fmt: skip


def test_error_rates_of_texts_that_do_not_pair_are_refused():
    with pytest.raises(ValueError, match="1 reference and 2 hypothesis"):
        metrics.error_rates(["a"], ["a", "b"])


def test_parts_of_a_rate_are_undefined_without_a_reference():
    assert np.isnan(metrics.error_rates([""], ["a"])["insertions"])


def test_the_interval_of_a_mean_of_few_units_is_the_textbooks():
    values = np.array([2.0, 4.0, 4.0, 5.0, 7.0])
    (bounds,), method = metrics.intervals(
        lambda rows: np.array([values[rows].mean()]), np.arange(5), samples=20, seed=0
    )
    # Mean 4.4, standard deviation 1.8166, t of 4 degrees 2.7764: 4.4 +- 2.7764 * 1.8166 / 5 ** .5
    np.testing.assert_allclose(bounds, [2.1444, 6.6556], atol=1e-3)
    assert method == "t over 5 units"


def test_the_interval_of_few_units_holds_what_it_says():
    rng, hits = np.random.default_rng(0), 0
    for _ in range(400):
        values = rng.normal(size=8)
        (bounds,), _ = metrics.intervals(
            lambda rows, v=values: np.array([v[rows].mean()]), np.arange(8), samples=20, seed=0
        )
        hits += bounds[0] < 0 < bounds[1]
    assert 0.92 < hits / 400 < 0.98  # the percentile bootstrap's share is .89


def test_a_single_unit_is_taken_apart_into_its_rows():
    values = np.arange(30.0)
    bounds, method = metrics.intervals(
        lambda rows: np.array([values[rows].mean()]), np.zeros(30), samples=50, seed=0
    )
    assert method == "bootstrap over 30 units" and bounds[0, 0] < 14.5 < bounds[0, 1]


@pytest.mark.parametrize("sizes", [(1,) * 8, (3, 1, 1, 1), (2, 2), (5, 4, 3), (1, 1)])
def test_no_row_is_put_in_the_place_of_its_own_unit(sizes):
    units = np.repeat(np.arange(len(sizes)), sizes)
    for seed in range(50):
        order = metrics.deranged(units, seed=seed)
        assert sorted(order) == list(range(len(units)))
        assert not np.any(units[order] == units)


def test_a_unit_with_most_rows_still_leaves_no_row_where_it_was():
    units = np.array([0, 0, 0, 0, 0, 1, 2])
    for seed in range(50):
        assert not np.any(metrics.deranged(units, seed=seed) == np.arange(7))
