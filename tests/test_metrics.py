import numpy as np

from seqapps import metrics


def mean(truth, response):
    return float(np.mean(response["y"]))


def columns(values):
    return {"y": np.array(values, float)}


def test_the_interval_of_a_mean_is_near_its_normal_one():
    values = np.random.default_rng(3).normal(size=400)
    low, high = metrics.bootstrap(mean, columns(values), columns(values), samples=2000, seed=0)
    half = 1.96 * values.std() / 20
    np.testing.assert_allclose([low, high], [values.mean() - half, values.mean() + half], atol=0.01)


def test_drawing_groups_widens_the_interval_when_rows_in_a_group_agree():
    values = np.repeat([0.0, 1.0, 2.0, 3.0], 50)
    groups = np.repeat(["a", "b", "c", "d"], 50)
    rows = metrics.bootstrap(mean, columns(values), columns(values), samples=300, seed=0)
    blocks = metrics.bootstrap(
        mean, columns(values), columns(values), samples=300, seed=0, groups=groups
    )
    assert blocks[1] - blocks[0] > 3 * (rows[1] - rows[0])
