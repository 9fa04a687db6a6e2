"""WAV files in the graph: read as soundfile reads them, or refused by row and coding."""

import io
import random
import struct

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from seqapps.apps.asr.data import audio
from seqapps.apps.asr.nn import wav_reader
from tests.apps.asr.conftest import noisy, tone
from tests.mutations import TRIES


def wav(samples, rate_hz=8000, subtype="PCM_16", kind="WAV"):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate_hz, subtype=subtype, format=kind)
    return buffer.getvalue()


def with_lengths(content, riff, data):
    """A WAV file whose header gives other lengths."""
    at = content.index(b"data") + 4
    changed = content[:at] + struct.pack("<I", data) + content[at + 4 :]
    return changed[:4] + struct.pack("<I", riff) + changed[8:]


def decoded(content):
    samples, [count] = wav_reader.decode(tf.constant([content]), 8000)
    return samples.numpy()[0, :count]


def test_files_of_different_rates_and_lengths_decode_to_one_batch():
    wavs = [audio.wav(tone(0.2), 8000), audio.wav(tone(0.1, rate_hz=16000), 16000)]
    samples, counts = wav_reader.decode(tf.constant(wavs), 8000)
    assert counts.numpy().tolist() == [1600, 800]
    assert samples.shape == (2, 1600)
    np.testing.assert_allclose(samples[0], tone(0.2), atol=1e-4)
    assert (samples.numpy()[1, 800:] == 0).all()


@pytest.mark.parametrize("kind", ["WAV", "WAVEX"])
def test_channels_are_averaged_and_chunks_passed_over(kind):
    left = noisy(0.1)
    content = wav(np.stack([left, left / 2], axis=1), kind=kind)
    at = content.index(b"data")
    odd = content[:at] + b"LIST" + struct.pack("<I", 3) + b"abc\0" + content[at:]
    for one in (content, odd):
        np.testing.assert_allclose(decoded(one), 0.75 * left, atol=1e-4)


@pytest.mark.parametrize(("riff", "data"), [(0, 0), (0xFFFFFFFF, 0xFFFFFFFF), (36, 10**6)])
def test_the_sound_of_a_recorder_that_was_ended_in_the_middle_is_read(riff, data):
    samples = noisy(0.1)
    content = with_lengths(wav(samples), riff, data)
    np.testing.assert_allclose(decoded(content), samples, atol=1e-4)
    np.testing.assert_allclose(decoded(content[:-1]), samples[:-1], atol=1e-4)


def test_a_file_without_samples_has_none():
    assert len(decoded(wav(np.zeros(0)))) == 0


@pytest.mark.parametrize(
    ("subtype", "name"),
    [
        ("PCM_U8", "integer PCM of 8 bits"),
        ("PCM_24", "integer PCM of 24 bits"),
        ("PCM_32", "integer PCM of 32 bits"),
        ("FLOAT", "floating point of 32 bits"),
        ("DOUBLE", "floating point of 64 bits"),
        ("ULAW", "mu-law of 8 bits"),
        ("ALAW", "A-law of 8 bits"),
        ("MS_ADPCM", "Microsoft ADPCM of 4 bits"),
        ("IMA_ADPCM", "IMA ADPCM of 4 bits"),
    ],
)
def test_another_coding_is_refused_with_its_row_and_name(subtype, name):
    wavs = [wav(noisy(0.1)), wav(noisy(0.1), subtype=subtype)]
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        wav_reader.decode(tf.constant(wavs), 8000)
    assert f"row 1: the WAV file holds {name}; wanted a 16-bit PCM WAV file" in str(error.value)


def with_bytes(content, at, packed):
    return content[:at] + packed + content[at + len(packed) :]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no WAV file"),
        (b"not a wav file at all", "no WAV file"),
        (wav(noisy(0.1))[:30], "no format or no data chunk"),
        (wav(noisy(0.1))[:40].replace(b"data", b"date"), "no format or no data chunk"),
        (with_bytes(wav(noisy(0.1)), 24, struct.pack("<I", 44100)), "contradicts itself"),
        (with_bytes(wav(noisy(0.1)), 22, b"\0\0"), "contradicts itself"),
        (wav(noisy(0.1), rate_hz=1), "sample rate is 1 Hz; wanted 4000 to 192000"),
        (b"RIFF\0\0\0\0WAVE" + b"junk\0\0\0\0" * 10**4, "no format or no data chunk"),
    ],
)
def test_what_is_no_wav_file_of_speech_is_refused(content, reason):
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"row 0: .*{reason}"):
        decoded(content)


def test_a_mutated_file_is_read_or_refused():
    source = wav(noisy(0.05))
    wavs = []
    for seed in range(TRIES):
        rng, content = random.Random(seed), bytearray(source)
        for _ in range(rng.randint(1, 6)):
            content[rng.randrange(60)] = rng.randrange(256)
        wavs.append(bytes(content[: rng.choice([rng.randrange(60), len(content)])]))
    read = tf.function(lambda wavs: wav_reader.decode(wavs, 8000), autograph=False)
    for content in wavs:
        try:
            samples, _ = read(tf.constant([content]))
            assert np.isfinite(samples).all()
        except tf.errors.InvalidArgumentError as error:
            assert "row 0: " in str(error)


def cut(samples, count, rate_hz=8000):
    return wav_reader.cut(
        tf.constant(samples), tf.constant(count), rates=tf.constant([rate_hz]), rate_hz=8000
    )


def test_samples_and_a_file_of_them_are_the_same():
    sound = noisy(0.3)
    padded = np.zeros((1, 4000), np.float32)
    padded[0, : len(sound)] = sound
    one = cut(padded, [2400])
    other = wav_reader.decode(tf.constant([audio.wav(sound, 8000)]), 8000)
    np.testing.assert_allclose(one[0], other[0], atol=1e-4)
    assert one[1].numpy() == other[1].numpy() == [2400]


@pytest.mark.parametrize(
    ("value", "count", "rate_hz", "reason"),
    [
        (np.nan, 100, 8000, "not all numbers"),
        (np.inf, 100, 8000, "not all numbers"),
        (0.5, 101, 8000, "count is not within the row's samples"),
        (0.5, -1, 8000, "count is not within the row's samples"),
        (0.5, 100, 1, "sample rate is 1 Hz"),
        (0.5, 100, -8000, "sample rate is -8000 Hz"),
    ],
)
def test_samples_that_are_no_sound_are_refused(value, count, rate_hz, reason):
    samples = np.full((1, 100), 0.1, np.float32)
    samples[0, 50] = value
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"row 0: .*{reason}"):
        cut(samples, [count], rate_hz)


def test_what_is_no_number_after_a_rows_end_is_not_read():
    samples = np.full((1, 100), 0.1, np.float32)
    samples[0, 50:] = np.nan
    assert np.isfinite(cut(samples, [50])[0]).all()


def test_own_files_are_read_a_batch_at_a_time():
    sounds = [noisy(0.2), noisy(0.1, seed=1)]
    samples, counts = wav_reader.own_wavs(tf.constant([audio.wav(s, 8000) for s in sounds]))
    assert counts.numpy().tolist() == [1600, 800]
    np.testing.assert_allclose(samples[1, :800], sounds[1], atol=1e-4)
