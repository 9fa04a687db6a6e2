"""Sound files -> samples, and back: the only module that uses tensorflow-io and outside formats.

Used where data come in (ingest, preprocess, predict) and never inside the exported graph, which
has a resampler of its own (see `frontend`).

Samples are float32 (N,) in -1..1, mono: channels are averaged.
"""

import io
import logging
import math
import struct
import wave
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
FULL_SCALE = {np.dtype("uint8"): 128.0, np.dtype("int16"): 2.0**15, np.dtype("int32"): 2.0**31}
PIECE_SECONDS = 60
HALF_FILTER = 32
"""Samples of the lower rate by which tensorflow-io's resampler is late."""

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 4000, 192_000


class Unreadable(Exception):
    """A file that holds no sound; the message is a reason that can be counted."""


def read(path: Path) -> tuple[np.ndarray, int]:
    """The samples float32 (N,) of a WAV, FLAC, Ogg Vorbis or MP3 file, and its rate in Hz.

    Raises:
        Unreadable: the file is empty, broken, or of another kind.
    """
    sound, rate_hz = _opened(path)
    try:
        return _mono(sound.to_tensor().numpy()), rate_hz
    except tf.errors.OpError:
        raise Unreadable("the sound breaks off") from None


def pieces(path: Path, seconds: float = PIECE_SECONDS):
    """The samples of a file in pieces of `seconds` (the last may be shorter), with the rate in Hz.

    Only one piece is decoded at a time.

    Raises:
        Unreadable: as `read`.
    """
    sound, rate_hz = _opened(path)
    step, count = int(seconds * rate_hz), int(sound.shape[0])
    for start in range(0, count, step):
        try:
            piece = sound[start : min(start + step, count)].numpy()
        except tf.errors.OpError:
            raise Unreadable(f"broken after {start / rate_hz:.0f} s") from None
        yield _mono(piece), rate_hz


def resample(samples: np.ndarray, rate_hz: int, *, wanted_hz: int) -> np.ndarray:
    """The samples float32 (N,) at another rate: ceil(N wanted_hz / rate_hz), in place within one.

    tensorflow-io's filter answers late by half its length, and then leaves the end out: the sound
    is made longer, and the beginning of the answer dropped.
    """
    if rate_hz == wanted_hz or not len(samples):
        return samples
    late = math.ceil(HALF_FILTER * max(wanted_hz / rate_hz, 1.0))
    count = math.ceil(len(samples) * wanted_hz / rate_hz)
    spare = math.ceil((late + 2) * max(rate_hz / wanted_hz, 1.0))
    longer = np.pad(samples, (0, spare))[:, None]
    return _resampler(rate_hz, wanted_hz)(longer).numpy()[late : late + count, 0]


def wav(samples: np.ndarray, rate_hz: int) -> bytes:
    """Bytes of a mono 16-bit WAV file of samples float32 (N,), clipped to -1..1."""
    whole = np.clip(np.round(samples * 2.0**15), -(2**15), 2**15 - 1).astype("<i2")
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

    # Each graph with its resampler would say that it has a loop in it.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    return tensorflow_io


@cache
def _resampler(rate_hz: int, wanted_hz: int) -> Any:
    # Traced once for a pair of rates: the library's function is slow otherwise.
    return tf.function(
        lambda sound: _tfio().audio.resample(sound, rate_hz, wanted_hz),
        input_signature=[tf.TensorSpec([None, 1], tf.float32)],
        autograph=False,
    )


def _opened(path: Path) -> tuple[Any, int]:
    if not path.stat().st_size:
        raise Unreadable("the file is empty")
    _check_header(path)
    try:
        sound = _tfio().audio.AudioIOTensor(str(path))
        rate_hz = int(sound.rate.numpy())
    except (tf.errors.OpError, ValueError):
        raise Unreadable("not a WAV, FLAC, Ogg Vorbis or MP3 file, or a broken one") from None
    if rate_hz < LOWEST_RATE_HZ or rate_hz > HIGHEST_RATE_HZ:
        raise Unreadable("the header's sample rate is not one of speech")
    return sound, rate_hz


def _check_header(path: Path) -> None:
    """Refuses a WAV whose header contradicts itself: byte rate = rate x bytes of a frame."""
    with path.open("rb") as file:
        head = file.read(36)
    if len(head) < 36 or head[:4] != b"RIFF" or head[12:16] != b"fmt ":
        return
    rate, byte_rate, frame_bytes = struct.unpack("<IIH", head[24:34])
    if head[20:22] in (b"\x01\x00", b"\x03\x00") and byte_rate != rate * frame_bytes:
        raise Unreadable("the WAV header's rates contradict each other")


def _mono(sound: np.ndarray) -> np.ndarray:
    scale = FULL_SCALE.get(sound.dtype, 1.0)
    centre = 128.0 if sound.dtype == np.uint8 else 0.0
    return ((sound.astype(np.float32) - centre) / scale).mean(axis=-1).astype(np.float32)
