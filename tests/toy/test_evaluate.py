import numpy as np

from tests.toy.evaluate import score


def test_the_score_is_the_mean_squared_error():
    truth, response = {"target": np.array([1.0, 2.0])}, {"mean": np.array([1.0, 4.0])}
    assert score(None, truth, response) == {"mse": 2.0}
