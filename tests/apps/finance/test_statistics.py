"""Statistics that are fitted on the train block."""

import numpy as np
import pytest

from seqapps.apps.finance import statistics


def test_har_finds_the_coefficients_that_made_the_data():
    rng = np.random.default_rng(0)
    logs = rng.normal(-9, 1, (20_000, 3))
    noise = np.exp(rng.normal(0, 0.5, 20_000))
    variance = np.exp(-1 + logs @ [0.4, 0.3, 0.2]) * noise / noise.mean()
    har = statistics.har_fit(logs, variance)
    assert har == pytest.approx([-1, 0.4, 0.3, 0.2], abs=0.05)
    assert np.mean(variance / statistics.har_forecast(har, logs)) == pytest.approx(1)
