"""Haar denoising against PyWavelets."""

import numpy as np
import pytest
import pywt
import tensorflow as tf

from seqapps.apps.finance import wavelet


@pytest.mark.parametrize("limit", [0.0, 0.004, 1.0])
def test_causal_haar_is_pywavelets_on_the_four_days_that_end_with_each(limit):
    values = np.cumsum(np.random.default_rng(3).normal(size=40)) * 0.01
    once = [last_of(values[i - 3 : i + 1], limit) for i in range(3, 40)]
    twice = [last_of(once[i - 3 : i + 1], limit) for i in range(3, 37)]
    found = wavelet.causal(tf.constant(values[None, :, None]), limit).numpy()[0, 6:, 0]
    assert found == pytest.approx(twice, abs=1e-12)


@pytest.mark.parametrize("limit", [0.0, 0.004, 1.0])
def test_leaky_haar_is_pywavelets_on_the_whole_series(limit):
    values = np.cumsum(np.random.default_rng(3).normal(size=64)) * 0.01
    wanted = values
    for _ in range(2):
        wanted = clean(wanted, limit)
    assert wavelet.full_leaky(values[:, None], limit)[:, 0] == pytest.approx(wanted, abs=1e-12)


def test_the_universal_threshold_of_normal_noise_is_sigma_times_root_2_ln_n():
    noise = np.random.default_rng(0).normal(size=100_000)
    assert wavelet.threshold(noise) == pytest.approx(np.sqrt(2 * np.log(100_000)), rel=0.02)


def clean(values, limit):
    mean, *details = pywt.wavedec(values, "haar", level=2)
    # pywt's soft threshold divides by the size of a detail, so it warns where one is 0.
    kept = [np.sign(d) * np.maximum(np.abs(d) - limit, 0) for d in details]
    return pywt.waverec([mean, *kept], "haar")


def last_of(values, limit):
    return clean(values, limit)[-1]
