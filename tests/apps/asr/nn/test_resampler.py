"""The resampler against theory and against scipy's."""

import numpy as np
import pytest
import scipy.signal
import tensorflow as tf

from seqapps.apps.asr.nn import resampler
from tests.apps.asr.conftest import noisy, tone


def resampled(samples, rate_hz, wanted_hz=8000):
    return resampler.resample(tf.constant(samples), tf.constant(rate_hz), wanted=wanted_hz).numpy()


@pytest.mark.parametrize("rate_hz", [11025, 16000, 44100, 4000, 22051])
def test_a_tone_keeps_its_pitch_and_level_at_another_rate(rate_hz):
    wanted = tone(0.5)
    result = resampled(tone(0.5, rate_hz=rate_hz), rate_hz)
    assert abs(len(result) - len(wanted)) <= 1
    middle = slice(200, 3800)
    np.testing.assert_allclose(result[middle], wanted[middle], atol=2e-3)


def test_what_the_lower_rate_cannot_hold_is_filtered_out():
    result = resampled(tone(0.5, hz=6000, rate_hz=16000), 16000)
    assert np.abs(result[200:3800]).max() < 0.003


@pytest.mark.parametrize(("rate_hz", "up", "down"), [(11025, 320, 441), (44100, 80, 441)])
def test_the_samples_are_scipys_of_a_like_filter(rate_hz, up, down):
    samples = scipy.signal.resample_poly(noisy(0.5, rate_hz=48000), rate_hz, 48000)
    ours, theirs = (
        resampled(samples.astype("f4"), rate_hz),
        scipy.signal.resample_poly(samples, up, down),
    )
    assert len(ours) == len(theirs)
    error = (ours - theirs)[200:-200]
    assert np.sqrt((error**2).mean()) < 0.1 * ours.std()


@pytest.mark.parametrize(("rate_hz", "wanted_hz"), [(44100, 11000), (192000, 8000), (4001, 48000)])
def test_every_sample_is_the_windowed_sum_it_is_defined_as(rate_hz, wanted_hz):
    samples = noisy(0.02, rate_hz=rate_hz)
    ratio = wanted_hz / rate_hz
    cutoff = min(ratio, 1.0)
    places = np.arange(int(np.ceil(len(samples) * ratio))) / ratio
    away = (np.arange(len(samples))[None] - places[:, None]) * cutoff
    window = np.where(abs(away) < 16, 0.5 + 0.5 * np.cos(np.pi * away / 16), 0)
    wanted = (cutoff * window * np.sinc(away)) @ samples
    np.testing.assert_allclose(resampled(samples, rate_hz, wanted_hz), wanted, atol=1e-5)


@pytest.mark.parametrize("count", [0, 1, 7])
def test_short_rows_have_their_share_of_samples(count):
    assert len(resampled(np.ones(count, np.float32), 16000)) == -(-count // 2)
