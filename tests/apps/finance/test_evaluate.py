from types import SimpleNamespace

import numpy as np
import pytest

from seqapps.apps.finance import evaluate
from seqapps.apps.finance.params import Evaluate


def forecast(truth, middle=0.0):
    quantiles = middle + np.tile(np.array([-0.02, -0.01, 0.0, 0.01, 0.02]), (len(truth["key"]), 1))
    return {"log_return_quantiles": quantiles, "variance": evaluate.variances(truth)}


def test_the_last_value_has_relative_mae_1_and_a_perfect_variance_qlike_0(truth):
    params = SimpleNamespace(evaluate=Evaluate(cost_percent=0.01))
    found = evaluate.score(params, truth, forecast(truth))
    assert found["relative_mae"] == pytest.approx(1)
    assert found["qlike"] == pytest.approx(0, abs=1e-12)
    assert found["r2_log_variance"] == pytest.approx(1)
    assert 0 <= found["coverage80"] <= found["coverage95"] <= 1


def test_a_forecast_that_is_always_up_is_right_on_the_days_that_rose(truth):
    params = SimpleNamespace(evaluate=Evaluate(cost_percent=0.01))
    found = evaluate.score(params, truth, forecast(truth, middle=1e-4))
    assert found["direction"] == pytest.approx((evaluate.changes(truth) > 0).mean())
