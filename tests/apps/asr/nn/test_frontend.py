"""The front end in the graph against librosa's values, and what must change nothing."""

import numpy as np
import pytest
import tensorflow as tf

from seqapps.apps.asr.nn import frontend
from tests.apps.asr.conftest import noisy

LIBROSA = {(0, 5): 209.2074, (10, 8): 2.180985, (90, 33): 1.815874, (90, 35): 353.9479}
"""(frame, band) -> energy by librosa 0.11.0 of `chirp`: melspectrogram(sr=8000, n_fft=256,
hop_length=80, win_length=200, center=False, n_mels=40, fmin=60, htk=True, norm=None, power=2)."""

LIBROSA_BEGINS_AT = (256 - 200) // 2
"""librosa puts a window that is shorter than the FFT in its middle, TensorFlow at its beginning."""


def chirp():
    place = np.arange(8000) / 8000
    return (0.5 * np.sin(2 * np.pi * (200 + 1500 * place) * place)).astype(np.float32)


def features(*recordings, rate_hz=8000):
    """Frames of recordings in one batch, and their counts."""
    counts = [len(samples) for samples in recordings]
    batch = np.zeros((len(recordings), max(counts)), np.float32)
    for row, samples in zip(batch, recordings, strict=True):
        row[: len(samples)] = samples
    frames, counts = frontend.features(
        tf.constant(batch), counts=tf.constant(counts), rate_hz=rate_hz, n_mels=40
    )
    return frames.numpy(), counts.numpy()


def test_log_mel_has_librosas_values():
    frames = frontend.log_mel(chirp()[None, LIBROSA_BEGINS_AT:], 8000, n_mels=40).numpy()[0]
    for place, energy in LIBROSA.items():
        np.testing.assert_allclose(np.exp(frames[place]), energy, rtol=1e-4)


@pytest.mark.parametrize(("samples", "frames"), [(0, 1), (199, 1), (200, 1), (280, 2), (8000, 98)])
def test_frames_are_counted_as_they_are_made(samples, frames):
    sound = np.zeros((1, samples), np.float32)
    assert frontend.frame_counts(tf.constant([samples]), 8000).numpy() == [frames]
    assert frontend.log_mel(sound, 8000, n_mels=8).shape[1] == frames
    assert frontend.sounding(sound, 8000).shape[1] == frames


def test_bands_are_normalised_over_a_rows_sounding_frames():
    frames = np.random.default_rng(0).normal(3, 2, (2, 6, 4)).astype(np.float32)
    sounding = np.array([[True] * 6, [False, True, True, True, True, True]])
    result = frontend.normalised(
        tf.constant(frames), counts=tf.constant([6, 4]), sounding=sounding
    ).numpy()
    alone = frontend.normalised(
        tf.constant(frames[1:, :4]), counts=tf.constant([4]), sounding=sounding[1:, :4]
    ).numpy()
    np.testing.assert_allclose(result[1, :4], alone[0], rtol=1e-5, atol=1e-6)
    assert (result[1, 4:] == 0).all()
    for row, part in ((0, slice(0, 6)), (1, slice(1, 4))):
        np.testing.assert_allclose(result[row, part].mean(axis=0), 0, atol=1e-6)
        np.testing.assert_allclose(result[row, part].std(axis=0), 1, rtol=1e-5)


def test_a_row_without_a_sounding_frame_is_normalised_over_all_its_frames():
    frames = np.random.default_rng(0).normal(3, 2, (1, 6, 4)).astype(np.float32)
    result = frontend.normalised(
        tf.constant(frames), counts=tf.constant([6]), sounding=np.zeros((1, 6), bool)
    )
    np.testing.assert_allclose(result.numpy().std(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("rate_hz", [8000, 11000])
@pytest.mark.parametrize(("before", "after"), [(0, 0), (1, 0), (0, 1), (1, 3), (3, 1)])
def test_zeros_around_a_clip_change_none_of_its_frames(before, after, rate_hz):
    clip = noisy(1.237, rate_hz=rate_hz)
    clip[: rate_hz // 20] = 0  # silence of its own, at the edge and within
    clip[rate_hz // 2 : rate_hz // 2 + rate_hz // 9] = 0
    zeros = np.zeros(rate_hz, np.float32)
    frames, [alone] = features(clip, rate_hz=rate_hz)
    around, _ = features(
        np.concatenate([*[zeros] * before, clip, *[zeros] * after]), rate_hz=rate_hz
    )
    # One second is a hundred hops.
    same = around[0, 100 * before : 100 * before + alone]
    np.testing.assert_allclose(same, frames[0], atol=1e-4)


def test_silence_between_two_clips_changes_neither():
    one, other = noisy(1.0), noisy(1.0, seed=5)
    joined, _ = features(np.concatenate([one, other]))
    apart, _ = features(np.concatenate([one, np.zeros(20 * 8000, np.float32), other]))
    # The frames at the seam alone are others: two of two hundred.
    np.testing.assert_allclose(apart[0, :98], joined[0, :98], atol=0.1)
    np.testing.assert_allclose(apart[0, -98:], joined[0, -98:], atol=0.1)


def test_the_level_of_a_clip_and_the_batch_it_is_in_change_no_frame():
    clip = noisy(1.0)
    frames, [count] = features(clip)
    for gain in (0.01, 0.1, 3.0):
        np.testing.assert_allclose(features(gain * clip)[0], frames, atol=1e-3)
    batch, _ = features(clip, noisy(2.5, seed=3))
    np.testing.assert_allclose(batch[0, :count], frames[0], atol=1e-5)
    assert (batch[0, count:] == 0).all()


def test_zeros_and_noise_at_74_db_below_full_scale_are_silence():
    noise = np.random.default_rng(0).normal(0, 10 ** (-74 / 20), 40000).astype(np.float32)
    rows = np.stack([np.zeros(40000, np.float32), noise, 10 * noise])
    assert frontend.silent(tf.constant(rows)).numpy().tolist() == [True, True, False]
