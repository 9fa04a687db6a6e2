"""From samples to log-mel frames, in the graph, with core TensorFlow ops only.

The level of a recording and the silence in it change nothing: energies have a floor below the
loudest one, and the bands' statistics are those of frames without silence.

Axis letters: B batch, N samples, T frames, F mels.
"""

import librosa
import tensorflow as tf

FRAME_MS, HOP_MS = 25, 10
LOWEST_HZ = 60.0
FLOOR, SMALLEST_POWER = 1e-6, 1e-20
"""The floor of an energy as a share of its row's largest (-60 dB), and that of a row of zeros."""

QUIET = 10 ** (-50 / 20)
"""Samples below this share of their row's largest (-50 dB), for a frame's length, are silence."""

SILENCE = 1e-3
"""A recording whose loudest sample is lower (-60 dB of full scale) holds silence."""

SMALLEST_DEVIATION = 1e-2


def features(
    samples: tf.Tensor, *, counts: tf.Tensor, rate_hz: int, n_mels: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Normalised log-mel frames float32 (B, T, F) of samples (B, N), and frame counts int32 (B,).

    Args:
        samples: float32, zero after a row's end.
        counts: samples of each row, int32 (B,).
        rate_hz: their rate.
        n_mels: F.
    """
    frame_count = frame_counts(counts, rate_hz)
    frames = log_mel(samples, rate_hz, n_mels=n_mels)
    return normalised(frames, counts=frame_count, sounding=sounding(samples, rate_hz)), frame_count


def frame_counts(sample_counts: tf.Tensor, rate_hz: int) -> tf.Tensor:
    """Frames int32 (B,) of sample counts (B,): one at least."""
    frame, hop = _sizes(rate_hz)
    return 1 + tf.maximum(tf.cast(sample_counts, tf.int32) - frame, 0) // hop


def log_mel(samples: tf.Tensor, rate_hz: int, *, n_mels: int) -> tf.Tensor:
    """Log energies of mel bands, float32 (B, T, F), of samples float32 (B, N).

    25 ms Hann frames every 10 ms, the first beginning with the first sample; HTK's mel scale from
    60 Hz to half the rate, triangles of height 1 (librosa.filters.mel).
    """
    frame, hop = _sizes(rate_hz)
    width = 1 << (frame - 1).bit_length()
    spectrum = tf.signal.stft(_one_frame_at_least(samples, frame), frame, hop, fft_length=width)
    power = tf.math.real(spectrum * tf.math.conj(spectrum))
    bands = librosa.filters.mel(
        sr=rate_hz, n_fft=width, n_mels=n_mels, fmin=LOWEST_HZ, htk=True, norm=None
    )
    energy = power @ tf.constant(bands.T)
    floor = FLOOR * tf.reduce_max(energy, axis=[1, 2], keepdims=True) + SMALLEST_POWER
    return tf.math.log(tf.maximum(energy, floor))


def sounding(samples: tf.Tensor, rate_hz: int) -> tf.Tensor:
    """Bool (B, T): frames of samples float32 (B, N) without a sample of silence.

    Silence is a stretch of 25 ms or more of quiet samples, and what lies outside of the row is
    quiet: zeros before, after and between make no frame sound, nor any frame silent.
    """
    frame, hop = _sizes(rate_hz)
    samples = _one_frame_at_least(samples, frame)
    size = tf.abs(samples)
    loud = size > QUIET * tf.reduce_max(size, axis=1, keepdims=True)
    loud_before = _sums(tf.pad(loud, [[0, 0], [frame, frame]]))
    silences_before = _sums(loud_before[:, frame:] == loud_before[:, :-frame])
    # Stretches that begin less than a frame before a frame or within it have a sample of it.
    silences = silences_before[:, 2 * frame : -1 : hop] - silences_before[:, 1 : -2 * frame : hop]
    return silences == 0


def normalised(frames: tf.Tensor, *, counts: tf.Tensor, sounding: tf.Tensor) -> tf.Tensor:
    """Each band of frames with mean 0 and deviation 1 over a row's frames that sound.

    Frames after the end are 0, so that a row is the same whatever it is batched with.

    Args:
        frames: float32 (B, T, F).
        counts: frames of each row, int32 (B,).
        sounding: bool (B, T); a row without any is normalised over all its frames.
    """
    inside = tf.sequence_mask(counts, tf.shape(frames)[1])
    sounding &= inside
    sounding = tf.where(tf.reduce_any(sounding, axis=1, keepdims=True), sounding, inside)
    share = tf.cast(sounding, frames.dtype)[:, :, None]
    share /= tf.reduce_sum(share, axis=1, keepdims=True)
    centred = frames - tf.reduce_sum(frames * share, axis=1, keepdims=True)
    deviation = tf.sqrt(tf.reduce_sum(centred**2 * share, axis=1, keepdims=True))
    mask = tf.cast(inside, frames.dtype)[:, :, None]
    return centred / tf.maximum(deviation, SMALLEST_DEVIATION) * mask


def silent(samples: tf.Tensor) -> tf.Tensor:
    """Bool (B,): rows of samples float32 (B, N) that hold nothing louder than `SILENCE`."""
    return tf.reduce_all(tf.abs(samples) < SILENCE, axis=1)


def _sizes(rate_hz: int) -> tuple[int, int]:
    return rate_hz * FRAME_MS // 1000, rate_hz * HOP_MS // 1000


def _one_frame_at_least(samples: tf.Tensor, frame: int) -> tf.Tensor:
    return tf.pad(samples, [[0, 0], [0, tf.maximum(frame - tf.shape(samples)[1], 0)]])  # pyright: ignore[reportArgumentType] stubs take no tensor in a list


def _sums(flags: tf.Tensor) -> tf.Tensor:
    """Int32 (B, N + 1): true flags (B, N) before each place, and before the end."""
    return tf.pad(tf.cumsum(tf.cast(flags, tf.int32), axis=1), [[0, 0], [1, 0]])
