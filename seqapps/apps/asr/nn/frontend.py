"""From what a client sends to log-mel frames, in the graph, with core TensorFlow ops only.

Axis letters: B batch, N samples, T frames, F mels.
"""

import librosa
import numpy as np
import tensorflow as tf

FRAME_MS, HOP_MS = 25, 10
LOWEST_HZ = 60.0
FLOOR = 1e-6
"""Added to the energy in a mel band, so that digital silence has a logarithm."""

SINC_ZEROS = 16
"""Zero crossings of the resampler's filter on either side of its middle."""

SMALLEST_DEVIATION = 1e-2
HEADER_BYTES = 44


def decode(wavs: tf.Tensor, rate_hz: int) -> tuple[tf.Tensor, tf.Tensor]:
    """WAV bytes (B,) -> samples float32 (B, N) at `rate_hz`, zeros after the end, and counts (B,).

    16-bit PCM of any rate; channels are averaged.

    Raises:
        InvalidArgumentError: not a 16-bit PCM WAV file.
    """

    def one(wav: tf.Tensor) -> tf.Tensor:
        sound, rate = tf.audio.decode_wav(wav)
        return resample(tf.reduce_mean(sound, axis=1), rate, wanted=rate_hz)

    ragged = tf.map_fn(
        one,
        wavs,
        fn_output_signature=tf.RaggedTensorSpec([None], tf.float32, ragged_rank=0),
    )
    return ragged.to_tensor(), tf.cast(ragged.row_lengths(), tf.int32)


def own_wavs(wavs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Samples float32 (B, N) of WAV files (B,) as `audio.wav` writes them, and counts int32 (B,).

    Their header has 44 bytes, so a whole batch is decoded at once; a row ends in zeros.
    """
    counts = (tf.strings.length(wavs) - HEADER_BYTES) // 2
    whole = HEADER_BYTES + 2 * tf.reduce_max(counts)
    values = tf.io.decode_raw(wavs, tf.int16, fixed_length=whole)[:, HEADER_BYTES // 2 :]
    return tf.cast(values, tf.float32) / 2.0**15, counts


def cut(samples: tf.Tensor, counts: tf.Tensor, *, rates: tf.Tensor, rate_hz: int):
    """Samples float32 (B, N) of `counts` (B,) and `rates` Hz (B,), as `decode` returns them."""

    def one(row):
        wave, count, rate = row
        return resample(wave[:count], rate, wanted=rate_hz)

    ragged = tf.map_fn(
        one,
        (samples, counts, rates),
        fn_output_signature=tf.RaggedTensorSpec([None], tf.float32, ragged_rank=0),
    )
    return ragged.to_tensor(), tf.cast(ragged.row_lengths(), tf.int32)


def resample(samples: tf.Tensor, rate: tf.Tensor, *, wanted: tf.Tensor | int) -> tf.Tensor:
    """Samples float32 (N,) taken at `rate`, at `wanted` Hz: band-limited interpolation.

    Each new sample is a Hann-windowed sinc sum over its neighbours, cut off at the lower of the two
    rates' halves (J. O. Smith, Digital Audio Resampling, 2002). ceil(N wanted / rate) samples.
    """
    ratio = tf.cast(wanted, tf.float64) / tf.cast(rate, tf.float64)
    count = tf.shape(samples)[0]
    new_count = tf.cast(tf.math.ceil(tf.cast(count, tf.float64) * ratio), tf.int32)
    cutoff = tf.cast(tf.minimum(ratio, 1.0), tf.float32)
    reach = tf.cast(tf.math.ceil(SINC_ZEROS / cutoff), tf.int32)
    position = tf.cast(tf.range(new_count), tf.float64) / ratio
    whole = tf.math.floor(position)
    rest = tf.cast(position - whole, tf.float32)
    padded = tf.pad(samples, [[reach, reach + 1]])  # pyright: ignore[reportArgumentType] stubs take no tensor in a list
    first = tf.cast(whole, tf.int32)

    def add(tap: tf.Tensor, total: tf.Tensor):
        away = (tf.cast(tap - reach, tf.float32) - rest) * cutoff
        window = 0.5 + 0.5 * tf.cos(np.pi * tf.clip_by_value(away / SINC_ZEROS, -1.0, 1.0))
        weight = cutoff * window * sinc(away)
        return tap + 1, total + weight * tf.gather(
            padded, tf.minimum(first + tap, count + 2 * reach)
        )

    def changed() -> tf.Tensor:
        taps = 2 * reach + 2
        start = (tf.constant(0), tf.zeros([new_count]))
        shapes = (tf.TensorShape([]), tf.TensorShape([None]))
        return tf.while_loop(lambda tap, _: tap < taps, add, start, shapes)[1]

    return tf.cond(tf.equal(ratio, 1.0), lambda: samples, changed)


def sinc(x: tf.Tensor) -> tf.Tensor:
    """sin(pi x) / (pi x), 1 at 0, float32 of x's shape (...,)."""
    return tf.math.divide_no_nan(tf.sin(np.pi * x), np.pi * x) + tf.cast(x == 0.0, x.dtype)


def frame_counts(sample_counts: tf.Tensor, rate_hz: int) -> tf.Tensor:
    """Frames int32 (B,) of sample counts (B,): one at least."""
    frame, hop = rate_hz * FRAME_MS // 1000, rate_hz * HOP_MS // 1000
    return 1 + tf.maximum(tf.cast(sample_counts, tf.int32) - frame, 0) // hop


def log_mel(samples: tf.Tensor, rate_hz: int, *, n_mels: int) -> tf.Tensor:
    """Log energies of mel bands, float32 (B, T, F), of samples float32 (B, N).

    25 ms Hann frames every 10 ms, the first beginning with the first sample; HTK's mel scale from
    60 Hz to half the rate, triangles of height 1 (librosa.filters.mel).
    """
    frame, hop = rate_hz * FRAME_MS // 1000, rate_hz * HOP_MS // 1000
    width = 1 << (frame - 1).bit_length()
    samples = tf.pad(samples, [[0, 0], [0, tf.maximum(frame - tf.shape(samples)[1], 0)]])  # pyright: ignore[reportArgumentType] stubs take no tensor in a list
    spectrum = tf.signal.stft(samples, frame, hop, fft_length=width)
    power = tf.math.real(spectrum * tf.math.conj(spectrum))
    bands = librosa.filters.mel(
        sr=rate_hz, n_fft=width, n_mels=n_mels, fmin=LOWEST_HZ, htk=True, norm=None
    )
    return tf.math.log(power @ tf.constant(bands.T) + FLOOR)


def normalised(frames: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
    """Each band of float32 (B, T, F) with mean 0 and deviation 1 over a row's own `counts` frames.

    Frames after the end are 0, so that a row is the same whatever it is batched with.
    """
    mask = tf.sequence_mask(counts, tf.shape(frames)[1], frames.dtype)[:, :, None]
    total = tf.cast(counts, frames.dtype)[:, None, None]
    mean = tf.reduce_sum(frames * mask, axis=1, keepdims=True) / total
    centred = (frames - mean) * mask
    deviation = tf.sqrt(tf.reduce_sum(centred**2, axis=1, keepdims=True) / total)
    return centred / tf.maximum(deviation, SMALLEST_DEVIATION)
