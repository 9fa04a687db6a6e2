"""Sound files of every kind, and broken ones."""

import struct

import numpy as np
import pytest

from seqapps.apps.asr.data import audio
from tests.apps.asr.conftest import tone, write


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.wav", {"subtype": "PCM_16"}),
        ("b.wav", {"subtype": "PCM_U8"}),
        ("c.wav", {"subtype": "PCM_24"}),
        ("d.wav", {"subtype": "FLOAT"}),
        ("e.flac", {}),
        ("f.ogg", {}),
        ("g.mp3", {}),
    ],
)
def test_every_format_gives_the_same_mono_sound(tmp_path, name, options):
    left = tone(0.5, rate_hz=16000)
    path = write(tmp_path / name, np.stack([left, left / 2], axis=1), 16000, **options)
    samples, rate_hz = audio.read(path)
    assert rate_hz == 16000
    assert samples.dtype == np.float32
    middle = samples[2000:6000]
    assert abs(middle.max() - 0.225) < 0.02  # the mean of .3 and .15
    spectrum = np.abs(np.fft.rfft(middle))
    assert np.argmax(spectrum) == round(440 * 4000 / 16000)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"RIFF", "broken"),
        (b"this is no sound file, only text " * 20, "broken"),
    ],
)
def test_a_broken_file_is_refused_with_a_reason(tmp_path, content, reason):
    path = tmp_path / "broken.wav"
    path.write_bytes(content)
    with pytest.raises(audio.Unreadable, match=reason):
        audio.read(path)


def test_a_header_whose_rates_contradict_each_other_is_refused(tmp_path):
    path = write(tmp_path / "wrong.wav", tone(0.2))
    content = bytearray(path.read_bytes())
    content[24:28] = struct.pack("<I", 44100)
    path.write_bytes(content)
    with pytest.raises(audio.Unreadable, match="contradict"):
        audio.read(path)


def test_a_long_file_comes_in_pieces_that_leave_nothing_out(tmp_path):
    sound = tone(2.5, hz=100)
    path = write(tmp_path / "long.wav", sound)
    pieces = list(audio.pieces(path, seconds=1.0))
    assert [len(samples) for samples, _ in pieces] == [8000, 8000, 4000]
    whole = np.concatenate([samples for samples, _ in pieces])
    np.testing.assert_allclose(whole, audio.read(path)[0])


def test_a_wav_holds_the_samples_it_was_given_and_clips_the_rest():
    given = np.array([0.0, 0.5, -1.0, 1.5], np.float32)
    samples, rate_hz = audio.samples(audio.wav(given, 8000))
    assert rate_hz == 8000
    np.testing.assert_allclose(samples, [0, 0.5, -1, 1], atol=1e-4)
