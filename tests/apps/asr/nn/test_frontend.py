"""The front end in the graph against librosa's values, and the resampler against theory."""

import numpy as np
import pytest
import tensorflow as tf

from seqapps.apps.asr.data import audio
from seqapps.apps.asr.nn import frontend
from tests.apps.asr.conftest import noisy, tone

LIBROSA = {(0, 5): 209.2074, (10, 8): 2.180985, (90, 33): 1.815874, (90, 35): 353.9479}
"""(frame, band) -> energy by librosa 0.11.0 of `chirp`: melspectrogram(sr=8000, n_fft=256,
hop_length=80, win_length=200, center=False, n_mels=40, fmin=60, htk=True, norm=None, power=2)."""

LIBROSA_BEGINS_AT = (256 - 200) // 2
"""librosa puts a window that is shorter than the FFT in its middle, TensorFlow at its beginning."""


def chirp():
    place = np.arange(8000) / 8000
    return (0.5 * np.sin(2 * np.pi * (200 + 1500 * place) * place)).astype(np.float32)


def test_log_mel_has_librosas_values():
    found = frontend.log_mel(chirp()[None, LIBROSA_BEGINS_AT:], 8000, n_mels=40).numpy()[0]
    for place, energy in LIBROSA.items():
        np.testing.assert_allclose(np.exp(found[place]), energy, rtol=1e-4)


@pytest.mark.parametrize(("samples", "frames"), [(0, 1), (199, 1), (200, 1), (280, 2), (8000, 98)])
def test_frames_are_counted_as_they_are_made(samples, frames):
    assert frontend.frame_counts(tf.constant([samples]), 8000).numpy() == [frames]
    assert frontend.log_mel(np.zeros((1, samples), np.float32), 8000, n_mels=8).shape[1] == frames


def test_bands_are_normalised_over_a_rows_own_frames():
    frames = np.random.default_rng(0).normal(3, 2, (2, 6, 4)).astype(np.float32)
    found = frontend.normalised(tf.constant(frames), tf.constant([6, 4])).numpy()
    alone = frontend.normalised(tf.constant(frames[1:, :4]), tf.constant([4])).numpy()
    np.testing.assert_allclose(found[1, :4], alone[0], rtol=1e-6)
    assert (found[1, 4:] == 0).all()
    np.testing.assert_allclose(found[0].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(found[0].std(axis=0), 1, rtol=1e-5)


@pytest.mark.parametrize("rate_hz", [11025, 16000, 44100, 4000])
def test_a_tone_keeps_its_pitch_and_level_at_another_rate(rate_hz):
    given, wanted = tone(0.5, rate_hz=rate_hz), tone(0.5, rate_hz=8000)
    found = frontend.resample(tf.constant(given), tf.constant(rate_hz), wanted=8000).numpy()
    assert abs(len(found) - len(wanted)) <= 1
    middle = slice(200, 3800)
    np.testing.assert_allclose(found[middle], wanted[middle], atol=2e-3)


def test_what_the_lower_rate_cannot_hold_is_filtered_out():
    given = tone(0.5, hz=6000, rate_hz=16000)
    found = frontend.resample(tf.constant(given), tf.constant(16000), wanted=8000).numpy()
    assert np.abs(found[200:3800]).max() < 0.003


@pytest.mark.parametrize("rate_hz", [11025, 44100, 4000])
def test_the_graphs_resampler_agrees_with_tensorflow_ios(rate_hz):
    given = audio.resample(noisy(0.5, rate_hz=48000), 48000, wanted_hz=rate_hz)
    ours = frontend.resample(tf.constant(given), tf.constant(rate_hz), wanted=8000).numpy()
    theirs = audio.resample(given, rate_hz, wanted_hz=8000)
    assert len(ours) == len(theirs)
    error = (ours - theirs)[200:-200]
    assert np.sqrt((error**2).mean()) < 0.1 * ours.std()


def test_files_of_different_rates_and_lengths_decode_to_one_batch():
    wavs = [audio.wav(tone(0.2), 8000), audio.wav(tone(0.1, rate_hz=16000), 16000)]
    samples, counts = frontend.decode(tf.constant(wavs), 8000)
    assert counts.numpy().tolist() == [1600, 800]
    assert samples.shape == (2, 1600)
    np.testing.assert_allclose(samples[0], tone(0.2), atol=1e-4)
    assert (samples.numpy()[1, 800:] == 0).all()


def test_samples_and_a_file_of_them_are_the_same():
    sound = noisy(0.3)
    padded = np.zeros((1, 4000), np.float32)
    padded[0, : len(sound)] = sound
    one = frontend.cut(
        tf.constant(padded), tf.constant([2400]), rates=tf.constant([8000]), rate_hz=8000
    )
    other = frontend.decode(tf.constant([audio.wav(sound, 8000)]), 8000)
    np.testing.assert_allclose(one[0], other[0], atol=1e-4)
    assert one[1].numpy() == other[1].numpy() == [2400]
