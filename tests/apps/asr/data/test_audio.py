"""Sound files of every kind, and broken ones."""

import io
import os
import random
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from seqapps.apps.asr.data import audio
from tests.apps.asr.conftest import noisy, tone, write
from tests.mutations import TRIES

M4A = b"\0\0\0\x20ftypM4A \0\0\0\0M4A mp42isom\0\0\0\0" + b"\0" * 99
WEBM = b"\x1aE\xdf\xa3\x9fB\x86\x81\x01" + b"\0" * 99


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.wav", {"subtype": "PCM_16"}),
        ("b.wav", {"subtype": "PCM_U8"}),
        ("c.wav", {"subtype": "PCM_24"}),
        ("d.wav", {"subtype": "PCM_32"}),
        ("e.wav", {"subtype": "FLOAT"}),
        ("f.wav", {"subtype": "DOUBLE"}),
        ("g.wav", {"subtype": "ULAW"}),
        ("h.wav", {"subtype": "ALAW"}),
        ("i.wav", {"subtype": "MS_ADPCM"}),
        ("j.wav", {"subtype": "IMA_ADPCM"}),
        ("k.wav", {"subtype": "PCM_16", "format": "WAVEX"}),
        ("l.wav", {"subtype": "PCM_16", "format": "RF64"}),
        ("m.flac", {}),
        ("n.flac", {"subtype": "PCM_24"}),
        ("o.ogg", {}),
        ("p.opus", {"subtype": "OPUS", "format": "OGG"}),
        ("q.mp3", {}),
        ("r.aiff", {}),
        ("s.au", {}),
        ("t.caf", {}),
        ("u.raw", {"subtype": "PCM_16", "format": "WAV"}),
        ("v.txt", {"format": "FLAC"}),
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


def test_ogg_vorbis_is_read_as_soundfile_reads_it(tmp_path):
    path = write(tmp_path / "a.ogg", noisy(1.0, rate_hz=16000), 16000)
    wanted, _ = soundfile.read(path, dtype="float32")
    np.testing.assert_allclose(audio.read(path)[0], wanted, atol=1e-3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"RIFF", "broken"),
        (b"this is no sound file, only text " * 20, "broken"),
        (b"\0" * 500, "broken"),
        (b"OggS" + b"\0" * 24 + b"\x01vorbis" + b"\0" * 99, "broken"),
    ],
)
def test_a_broken_file_is_refused_with_a_reason(tmp_path, content, reason):
    path = tmp_path / "broken.wav"
    path.write_bytes(content)
    with pytest.raises(audio.Unreadable, match=reason):
        audio.read(path)


def test_what_cannot_be_opened_is_refused(tmp_path):
    with pytest.raises(audio.Unreadable, match="cannot be read .No such file"):
        audio.read(tmp_path / "none.wav")
    with pytest.raises(audio.Unreadable, match="cannot be read .Is a directory"):
        audio.read(tmp_path)


def test_a_header_whose_rates_contradict_each_other_is_refused(tmp_path):
    path = write(tmp_path / "wrong.wav", tone(0.2))
    content = bytearray(path.read_bytes())
    content[24:28] = struct.pack("<I", 44100)
    path.write_bytes(content)
    with pytest.raises(audio.Unreadable, match="contradict"):
        audio.read(path)


@pytest.mark.parametrize(
    ("rate_hz", "channels", "reason"), [(100, 1, "rate is not one"), (8000, 65, "64 channels")]
)
def test_a_header_that_is_not_one_of_speech_is_refused(tmp_path, rate_hz, channels, reason):
    path = write(tmp_path / "a.wav", np.ones((50, channels)), rate_hz)
    with pytest.raises(audio.Unreadable, match=reason):
        audio.read(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("suffix", [".wav", ".au", ".caf"])
def test_samples_that_are_no_numbers_are_refused(tmp_path, value, suffix):
    samples = noisy(1.5)
    samples[9000] = value
    path = write(tmp_path / f"a{suffix}", samples, subtype="FLOAT")
    with pytest.raises(audio.Unreadable, match="after 1 s are not all numbers"):
        list(audio.pieces(path, seconds=1.0))


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF, 0x7FFFFFFF])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_the_sound_of_a_recorder_that_was_ended_in_the_middle_is_read(tmp_path, length, subtype):
    path = write(tmp_path / "a.wav", noisy(0.5), subtype=subtype)
    wanted, content = audio.read(path)[0], bytearray(path.read_bytes())
    content[4:8] = struct.pack("<I", length)
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack("<I", length)
    path.write_bytes(content)
    np.testing.assert_array_equal(audio.read(path)[0], wanted)
    assert path.read_bytes() == content


def test_a_file_without_samples_gives_one_empty_piece(tmp_path):
    path = write(tmp_path / "a.wav", np.zeros(0))
    assert [(len(samples), rate_hz) for samples, rate_hz in audio.pieces(path)] == [(0, 8000)]


def test_a_long_file_comes_in_pieces_that_leave_nothing_out(tmp_path):
    sound = tone(2.5, hz=100)
    for name in ("long.wav", "long.ogg"):
        path = write(tmp_path / name, sound)
        pieces = list(audio.pieces(path, seconds=1.0))
        assert [len(samples) for samples, _ in pieces] == [8000, 8000, 4000]
        whole = np.concatenate([samples for samples, _ in pieces])
        np.testing.assert_allclose(whole, audio.read(path)[0])


@pytest.mark.parametrize(("content", "kind"), [(M4A, "MP4 or M4A"), (WEBM, "WebM or Matroska")])
def test_what_only_ffmpeg_reads_is_refused_by_name_without_it(tmp_path, monkeypatch, content, kind):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(audio.Unreadable, match=f"{kind} is read by ffmpeg, which is not installed"):
        audio.read(tmp_path / "a.wav")


def ffmpeg(folder, body, monkeypatch):
    """A program called ffmpeg in front of PATH, `body` being its Python code."""
    program = folder / "bin/ffmpeg"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nimport sys\n{body}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


def test_ffmpeg_converts_what_it_alone_reads_whatever_the_files_name(tmp_path, monkeypatch):
    wave64 = write(tmp_path / "made.w64", noisy(0.5, rate_hz=48000), 48000, format="W64")
    body = (
        "import pathlib, shutil\n"
        "source = sys.argv[sys.argv.index('-i') + 1]\n"
        "assert source.startswith('file:/') and pathlib.Path(source[5:]).exists(), source\n"
        f"shutil.copyfile({str(wave64)!r}, sys.argv[-1])"
    )
    ffmpeg(tmp_path, body, monkeypatch)
    path = tmp_path / "-i it's; a & b.m4a"
    path.write_bytes(M4A)
    samples, rate_hz = audio.read(path)
    assert (len(samples), rate_hz) == (24000, 48000)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("sys.exit(1)", "MP4 or M4A that ffmpeg finds no sound in"),
        ("pass", "MP4 or M4A that ffmpeg finds no sound in"),
        ("open(sys.argv[-1], 'w').write('no sound')", "broken"),
        ("import time; time.sleep(60)", "ffmpeg did not end within 0.5 s"),
    ],
)
def test_an_ffmpeg_that_fails_is_told(tmp_path, monkeypatch, body, reason):
    ffmpeg(tmp_path, body, monkeypatch)
    monkeypatch.setattr(audio, "FFMPEG_SECONDS", 0.5 if "sleep" in body else 60)
    (tmp_path / "a.m4a").write_bytes(M4A)
    with pytest.raises(audio.Unreadable, match=reason):
        audio.read(tmp_path / "a.m4a")


def test_a_wav_holds_the_samples_it_was_given():
    samples, rate_hz = audio.samples(audio.wav(np.array([0.0, 0.5, -1.0, 1.0], "f4"), 8000))
    assert rate_hz == 8000
    np.testing.assert_allclose(samples, [0, 0.5, -1, 1], atol=1e-4)


def test_samples_beyond_full_scale_are_made_quieter_all_alike():
    samples, _ = audio.samples(audio.wav(np.array([0.0, 0.5, -1.0, 2.0], "f4"), 8000))
    np.testing.assert_allclose(samples, [0, 0.25, -0.5, 1], atol=1e-4)


def mutated(source, seed):
    """A file with bytes changed, cut out, put in, or cut off."""
    rng, content = random.Random(seed), bytearray(source)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(min(len(content), rng.choice([64, 300, len(content)])) or 1)
        kind = rng.choice(("flip", "flip", "cut", "insert", "end"))
        if kind == "flip" and content:
            content[at % len(content)] = rng.randrange(256)
        elif kind == "cut":
            del content[at : at + rng.randrange(40)]
        elif kind == "insert":
            content[at:at] = rng.randbytes(rng.randrange(40))
        elif kind == "end":
            del content[rng.randrange(len(content) + 1) :]
    return bytes(content)


def encoded(options):
    buffer = io.BytesIO()
    soundfile.write(buffer, noisy(0.2), 8000, **options)
    return buffer.getvalue()


KINDS = {
    "wav": {"format": "WAV", "subtype": "PCM_16"},
    "float": {"format": "WAV", "subtype": "FLOAT"},
    "adpcm": {"format": "WAV", "subtype": "IMA_ADPCM"},
    "flac": {"format": "FLAC"},
    "ogg": {"format": "OGG"},
    "mp3": {"format": "MP3"},
    "aiff": {"format": "AIFF"},
    "caf": {"format": "CAF"},
}


def check(content, path: Path):
    """Reads a file of these bytes; True if it was answered, False if refused."""
    path.write_bytes(content)
    try:
        samples, rate_hz = audio.read(path)
    except audio.Unreadable:
        return False
    assert np.isfinite(samples).all() and samples.ndim == 1
    assert audio.LOWEST_RATE_HZ <= rate_hz <= audio.HIGHEST_RATE_HZ
    return True


@pytest.mark.parametrize("kind", KINDS)
def test_a_mutated_file_is_read_or_refused(tmp_path, kind):
    source = encoded(KINDS[kind])
    assert check(source, tmp_path / "a")
    for seed in range(TRIES):
        check(mutated(source, seed), tmp_path / "a")
