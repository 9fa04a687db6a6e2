"""Sound files -> samples, and back: the only module that knows of outside formats.

A file's first bytes say how it is read, its name says nothing: Ogg Vorbis by tensorflow-io; MP4,
WebM and others that soundfile does not know by ffmpeg, where it is on PATH; all else by soundfile.
Used where data come in (ingest, preprocess, predict) and never inside the exported graph.

Samples are float32 (N,) in -1..1, mono: channels are averaged.
"""

import io
import logging
import shutil
import struct
import subprocess
import tempfile
import wave
from collections.abc import Generator, Iterator
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import soundfile
import tensorflow as tf

from seqapps.apps.asr.nn import resampler
from seqapps.apps.asr.nn.wav_reader import HIGHEST_RATE_HZ, LOWEST_RATE_HZ
from seqapps.config import UserError

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".opus", ".aiff", ".au", ".caf")
FFMPEG_SUFFIXES = (".m4a", ".mp4", ".webm", ".aac", ".amr", ".wma")
FFMPEG_KINDS = (
    (4, b"ftyp", "MP4 or M4A"),
    (0, b"\x1aE\xdf\xa3", "WebM or Matroska"),
    (0, b"\xff\xf1", "AAC"),
    (0, b"\xff\xf9", "AAC"),
    (0, b"#!AMR", "AMR"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "WMA"),
)
"""Place and bytes by which the formats are known that only ffmpeg reads, and their names."""

FFMPEG_SECONDS = 600
"""The time that ffmpeg may take for a file."""

PIECE_SECONDS = 60
MOST_CHANNELS = 64
BEGIN_BYTES = 64
VORBIS_AT, VORBIS = 28, b"\x01vorbis"
UNKNOWN_LENGTH = b"\xff\xff\xff\xff"
"""In a chunk's header of a WAV file: all bytes that follow."""


Blocks: TypeAlias = Generator[tuple[np.ndarray, int], None, None]
"""Blocks float32 (N, channels), and the rate in Hz."""


class Unreadable(UserError):
    """A file that holds no sound; the message is a reason that can be counted."""


def read(path: Path) -> tuple[np.ndarray, int]:
    """The samples float32 (N,) of a sound file, and its rate in Hz.

    Raises:
        Unreadable: the file is empty, broken, or of another kind, or its samples are no numbers.
    """
    parts = list(pieces(path))
    return np.concatenate([samples for samples, _ in parts]), parts[0][1]


def pieces(path: Path, seconds: float = PIECE_SECONDS) -> Iterator[tuple[np.ndarray, int]]:
    """Samples (N,) of a file in pieces of `seconds` (the last may be shorter), and the rate in Hz.

    Only one piece is decoded at a time; a file without samples gives one piece without samples.

    Raises:
        Unreadable: as `read`.
    """
    begin = _begin(path)
    if begin[:4] == b"OggS" and begin[VORBIS_AT:].startswith(VORBIS):
        blocks = _vorbis(path, seconds)
    else:
        blocks = _others(path, begin, seconds)
    with closing(blocks):
        for number, (block, rate_hz) in enumerate(blocks):
            with np.errstate(over="ignore", invalid="ignore"):
                samples = block.mean(axis=1, dtype=np.float32)
            if not np.isfinite(samples).all():
                raise Unreadable(
                    f"samples after {number * seconds:.0f} s are not all numbers (NaN or infinite)"
                )
            yield samples, rate_hz


def resample(samples: np.ndarray, rate_hz: int, *, wanted_hz: int) -> np.ndarray:
    """The samples float32 (N,) at another rate, ceil(N wanted_hz / rate_hz), as the graph's."""
    return _resampler()(samples, rate_hz, wanted_hz).numpy()


def wav(samples: np.ndarray, rate_hz: int) -> bytes:
    """Bytes of a mono 16-bit WAV file of samples float32 (N,).

    Samples that reach beyond -1..1 are made quieter, all alike; the model hears no difference.
    """
    peak = max(1.0, float(np.abs(samples).max(initial=0.0)))
    whole = np.clip(np.round(samples / peak * 2.0**15), -(2**15), 2**15 - 1).astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(whole.tobytes())
    return buffer.getvalue()


def samples(wav: bytes) -> tuple[np.ndarray, int]:
    """Samples float32 (N,) of a mono 16-bit WAV file as `wav` writes it, and its rate in Hz."""
    with wave.open(io.BytesIO(wav)) as file:
        frames = file.readframes(file.getnframes())
        return np.frombuffer(frames, "<i2").astype(np.float32) / 2.0**15, file.getframerate()


@cache
def _tfio() -> Any:
    # Imported late: it takes a second that no exported model and no test of the graph should pay.
    import tensorflow_io

    # Each graph with its decoder would say that it has a loop in it.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    return tensorflow_io


@cache
def _resampler() -> Any:
    return tf.function(
        lambda samples, rate, wanted: resampler.resample(samples, rate, wanted=wanted),
        input_signature=[
            tf.TensorSpec([None], tf.float32),
            tf.TensorSpec([], tf.int32),
            tf.TensorSpec([], tf.int32),
        ],
        autograph=False,
    )


def _begin(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            begin = file.read(BEGIN_BYTES)
    except OSError as error:
        raise Unreadable(f"the file cannot be read ({error.strerror})") from None
    if not begin:
        raise Unreadable("the file is empty")
    return begin


def _vorbis(path: Path, seconds: float) -> Blocks:
    """`Blocks` (N, channels) by tensorflow-io."""
    try:
        sound = _tfio().audio.AudioIOTensor(str(path))
        rate_hz, (count, channels) = int(sound.rate.numpy()), map(int, sound.shape)
    except (tf.errors.OpError, ValueError):
        raise Unreadable("an Ogg Vorbis file that is broken") from None
    _check_header(rate_hz, channels)
    step = int(seconds * rate_hz)
    for start in range(0, max(count, 1), step):
        try:
            yield sound[start : min(start + step, count)].numpy(), rate_hz
        except tf.errors.OpError:
            raise Unreadable(f"the sound breaks off after {start / rate_hz:.0f} s") from None


def _others(path: Path, begin: bytes, seconds: float) -> Blocks:
    """`Blocks` (N, channels) by soundfile, of a copy where the file itself is not its to read."""
    with tempfile.TemporaryDirectory(prefix="seqapps-sound-") as scratch:
        copy = Path(scratch) / "sound"
        for at, magic, kind in FFMPEG_KINDS:
            if begin[at:].startswith(magic):
                _convert(path, kind, copy=copy)
                path = copy
        if begin[:4] == b"RIFF":
            _check_rates(begin)
            if at := _unknown_length_at(path):
                shutil.copyfile(path, copy)
                with copy.open("r+b") as file:
                    file.seek(at)
                    file.write(UNKNOWN_LENGTH)
                path = copy
        with path.open("rb") as file:
            yield from _soundfile(file, seconds)


def _soundfile(file: BinaryIO, seconds: float) -> Blocks:
    try:
        # By its number: a name that ends in .raw would be taken for sound without a header.
        sound = soundfile.SoundFile(file.fileno(), closefd=False)
    except (soundfile.SoundFileError, ValueError):
        raise Unreadable("not a sound file of a known kind, or a broken one") from None
    with sound:
        rate_hz, number = sound.samplerate, 0
        _check_header(rate_hz, sound.channels)
        while True:
            try:
                block = sound.read(int(seconds * rate_hz), dtype="float32", always_2d=True)
            except (soundfile.SoundFileError, ValueError, MemoryError):
                raise Unreadable(f"the sound breaks off after {number * seconds:.0f} s") from None
            if number and not len(block):
                return
            yield block, rate_hz
            number += 1


def _convert(path: Path, kind: str, *, copy: Path) -> None:
    """Writes the sound of an MP4 or the like, as 16-bit Wave64 at its own rate, to `copy`."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise Unreadable(
            f"{kind} is read by ffmpeg, which is not installed; install it, or convert the file "
            "to WAV"
        )
    command = [program, "-nostdin", "-v", "error", "-protocol_whitelist", "file"]
    command += ["-i", f"file:{path.resolve()}", "-vn", "-c:a", "pcm_s16le", "-f", "w64", str(copy)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=FFMPEG_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise Unreadable(f"ffmpeg did not end within {FFMPEG_SECONDS} s") from None
    except OSError as error:
        raise Unreadable(f"ffmpeg does not run ({error.strerror})") from None
    if done.returncode or not copy.exists():
        raise Unreadable(f"{kind} that ffmpeg finds no sound in, or a broken one")


def _check_header(rate_hz: int, channels: int) -> None:
    if rate_hz < LOWEST_RATE_HZ or rate_hz > HIGHEST_RATE_HZ:
        raise Unreadable("the header's sample rate is not one of speech")
    if channels > MOST_CHANNELS:
        raise Unreadable(f"the header has more than {MOST_CHANNELS} channels")


def _check_rates(begin: bytes) -> None:
    """Refuses a WAV whose header contradicts itself: byte rate = rate x bytes of a frame."""
    if len(begin) < 36 or begin[12:16] != b"fmt ":
        return
    rate, byte_rate, frame_bytes = struct.unpack("<IIH", begin[24:34])
    if begin[20:22] in (b"\x01\x00", b"\x03\x00") and byte_rate != rate * frame_bytes:
        raise Unreadable("the WAV header's rates contradict each other")


def _unknown_length_at(path: Path) -> int | None:
    """The place of a WAV's length of sound, if the length is 0 although bytes follow.

    A recorder that was ended in the middle leaves such a file.
    """
    with path.open("rb") as file:
        at, end = 12, file.seek(0, io.SEEK_END)
        while at + 8 < end:
            file.seek(at)
            name, size = struct.unpack("<4sI", file.read(8))
            if name == b"data":
                return at + 4 if not size else None
            at += 8 + size + size % 2
    return None
