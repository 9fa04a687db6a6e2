"""WAV files and samples of any rate -> samples at the model's rate, in the graph.

Core TensorFlow ops only. 16-bit PCM is read; any other coding is refused by its name. Axis letters:
B batch, N samples.
"""

from typing import NamedTuple

import tensorflow as tf

from seqapps.apps.asr.nn import resampler
from seqapps.kit import rows

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 4000, 192_000
MOST_SECONDS = 600
"""Of all rows of a request, padded to the longest."""

PCM, EXTENSIBLE, PCM_BYTES = 1, 0xFFFE, 2
CODINGS = {
    1: "integer PCM",
    2: "Microsoft ADPCM",
    3: "floating point",
    6: "A-law",
    7: "mu-law",
    0x11: "IMA ADPCM",
    0x31: "GSM 6.10",
    0x55: "MP3",
}
"""Names of the numbers that begin a WAV file's format chunk."""

WANTED = "wanted a 16-bit PCM WAV file"
FIRST_CHUNK, CHUNK_HEADER, MOST_CHUNKS = 12, 8, 100
SUBFORMAT_AT, SPARE = 24, 64
"""Bytes from the format chunk to the coding of an extensible file; zeros behind the file that may
be read instead of what is cut off."""

HEADER_BYTES = 44
"""What comes before the samples in a file that `audio.wav` writes."""


class Header(NamedTuple):
    """The headers of WAV files, int64 (B,) each; places are 0 for a chunk that is not there.

    `format_at` and `start` are the places of the format chunk and of the sound, `size` the bytes of
    sound: all that follow where the header says 0 or more than that, as recorders leave it that
    were ended in the middle.
    """

    format_at: tf.Tensor
    coding: tf.Tensor
    channels: tf.Tensor
    rate_hz: tf.Tensor
    byte_rate: tf.Tensor
    frame_bytes: tf.Tensor
    bits: tf.Tensor
    start: tf.Tensor
    size: tf.Tensor


def decode(wavs: tf.Tensor, rate_hz: int) -> tuple[tf.Tensor, tf.Tensor]:
    """WAV bytes (B,) -> samples float32 (B, N) at `rate_hz`, zeros after the end, and counts (B,).

    16-bit PCM of 4 to 192 kHz; channels are averaged.

    Raises:
        InvalidArgumentError: a row is none; the message names the row and the coding.
    """
    head = header(wavs)
    good, reason = _judged(wavs, head)
    wavs, head = rows.require(good, reason, (wavs, head))
    frames = head.size // (PCM_BYTES * head.channels)
    wavs, head = _short_enough((wavs, head), frames=frames, rates=head.rate_hz)

    def one(row) -> tf.Tensor:
        wav, start, size, channels, rate = row
        whole = size // (PCM_BYTES * channels) * (PCM_BYTES * channels)
        sound = tf.io.decode_raw(tf.strings.substr(wav, start, whole), tf.int16)
        sound = tf.cast(tf.reshape(sound, [-1, tf.cast(channels, tf.int32)]), tf.float32)
        return resampler.resample(tf.reduce_mean(sound, axis=1) / 2.0**15, rate, wanted=rate_hz)

    return _each(one, (wavs, head.start, head.size, head.channels, head.rate_hz))


def cut(samples: tf.Tensor, counts: tf.Tensor, *, rates: tf.Tensor, rate_hz: int):
    """Samples float32 (B, N) of `counts` (B,) and `rates` Hz (B,), as `decode` returns them.

    Raises:
        InvalidArgumentError: a row has samples that are no numbers, a count beyond N or a rate that
            is not one of speech; the message names the row.
    """
    mask = tf.sequence_mask(counts, tf.shape(samples)[1])
    finite = tf.reduce_all(tf.math.is_finite(samples) | tf.logical_not(mask), axis=1)
    inside = (counts >= 0) & (counts <= tf.shape(samples)[1])
    reason = tf.where(
        finite,
        tf.where(inside, _rate_reason(rates), "count is not within the row's samples"),
        "the samples are not all numbers (NaN or infinite)",
    )
    good = finite & inside & _of_speech(rates)
    samples, counts, rates = rows.require(good, reason, (samples, counts, rates))
    samples, counts, rates = _short_enough((samples, counts, rates), frames=counts, rates=rates)

    def one(row) -> tf.Tensor:
        wave, count, rate = row
        return resampler.resample(wave[:count], rate, wanted=rate_hz)

    return _each(one, (samples, counts, rates))


def own_wavs(wavs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Samples float32 (B, N) of WAV files (B,) as `audio.wav` writes them, and counts int32 (B,).

    Their header has 44 bytes, so a whole batch is decoded at once; a row ends in zeros.
    """
    counts = (tf.strings.length(wavs) - HEADER_BYTES) // PCM_BYTES
    whole = HEADER_BYTES + PCM_BYTES * tf.reduce_max(counts)
    values = tf.io.decode_raw(wavs, tf.int16, fixed_length=whole)[:, HEADER_BYTES // PCM_BYTES :]
    return tf.cast(values, tf.float32) / 2.0**15, counts


def header(wavs: tf.Tensor) -> Header:
    """The `Header` (B,) of files (B,), read from their chunks; of no use where they are no WAV."""
    lengths = tf.strings.length(wavs)
    padded = tf.strings.join([wavs, tf.constant(b"\0" * SPARE)])

    def number(at: tf.Tensor, width: int) -> tf.Tensor:
        """The number (B,) of `width` bytes at `at` int32 (B,)."""
        piece = tf.strings.substr(padded, tf.minimum(at, lengths), tf.fill(tf.shape(at), width))
        digits = tf.cast(tf.io.decode_raw(piece, tf.uint8), tf.int64)
        return tf.reduce_sum(digits * tf.constant([256**n for n in range(width)], tf.int64), axis=1)

    def ahead(at, format_at, start):
        return tf.reduce_any((start == 0) & (at < lengths))

    def following(at, format_at, start):
        here = tf.minimum(at, lengths)
        name = tf.strings.substr(padded, here, tf.fill(tf.shape(here), 4))
        unread = (start == 0) & (at < lengths)
        format_at = tf.where(unread & (name == b"fmt "), at + CHUNK_HEADER, format_at)
        start = tf.where(unread & (name == b"data"), at + CHUNK_HEADER, start)
        size = number(at + 4, 4)
        after = tf.cast(at, tf.int64) + CHUNK_HEADER + size + tf.math.floormod(size, 2)
        after = tf.cast(tf.minimum(after, tf.cast(lengths, tf.int64)), tf.int32)
        return tf.where(unread, after, at), format_at, start

    nowhere = tf.zeros_like(lengths)
    _, format_at, start = tf.while_loop(
        ahead,
        following,
        (nowhere + FIRST_CHUNK, nowhere, nowhere),
        maximum_iterations=MOST_CHUNKS,
    )
    coding = number(format_at, 2)
    rest = tf.cast(tf.maximum(lengths - start, 0), tf.int64)
    size = number(tf.maximum(start - 4, 0), 4)
    return Header(
        format_at=tf.cast(format_at, tf.int64),
        coding=tf.where(coding == EXTENSIBLE, number(format_at + SUBFORMAT_AT, 2), coding),
        channels=number(format_at + 2, 2),
        rate_hz=number(format_at + 4, 4),
        byte_rate=number(format_at + 8, 4),
        frame_bytes=number(format_at + 12, 2),
        bits=number(format_at + 14, 2),
        start=tf.cast(tf.minimum(start, lengths), tf.int64),
        size=tf.where((size == 0) | (size > rest), rest, size),
    )


def _judged(wavs: tf.Tensor, head: Header) -> tuple[tf.Tensor, tf.Tensor]:
    """Bool (B,), true of 16-bit PCM, and the reason (B,) where it is false."""
    begin = tf.strings.join([wavs, tf.constant(b"\0" * SPARE)])
    riff = (tf.strings.substr(begin, 0, 4) == b"RIFF") & (tf.strings.substr(begin, 8, 4) == b"WAVE")
    whole = (head.format_at > 0) & (head.start > head.format_at)
    coded = (head.coding == PCM) & (head.bits == 8 * PCM_BYTES)
    agreeing = (head.channels > 0) & (head.frame_bytes == PCM_BYTES * head.channels)
    agreeing &= head.byte_rate == head.rate_hz * head.frame_bytes
    kind = tf.strings.join([_coding(head.coding), " of ", tf.strings.as_string(head.bits), " bits"])
    reason = _rate_reason(head.rate_hz)
    reason = tf.where(agreeing, reason, f"the WAV header contradicts itself; {WANTED}")
    other = tf.strings.join(["the WAV file holds ", kind, f"; {WANTED}"])
    reason = tf.where(coded, reason, other)
    reason = tf.where(whole, reason, f"the WAV file has no format or no data chunk; {WANTED}")
    reason = tf.where(riff, reason, f"this is no WAV file (RIFF, WAVE); {WANTED}")
    return riff & whole & coded & agreeing & _of_speech(head.rate_hz), reason


def _coding(numbers: tf.Tensor) -> tf.Tensor:
    names = tf.strings.join(["coding ", tf.strings.as_string(numbers)])
    for number, name in CODINGS.items():
        names = tf.where(numbers == number, name, names)
    return names


def _of_speech(rates: tf.Tensor) -> tf.Tensor:
    return (rates >= LOWEST_RATE_HZ) & (rates <= HIGHEST_RATE_HZ)


def _rate_reason(rates: tf.Tensor) -> tf.Tensor:
    wanted = f" Hz; wanted {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ}"
    return tf.strings.join(["the sample rate is ", tf.strings.as_string(rates), wanted])


def _short_enough(value: rows.Value, *, frames: tf.Tensor, rates: tf.Tensor) -> rows.Value:
    """`value`, once recordings of `frames` (B,) at `rates` (B,) are short enough together."""
    seconds = tf.math.ceil(tf.cast(frames, tf.float64) / tf.cast(rates, tf.float64))
    return rows.require_small(tf.cast(seconds, tf.int64), MOST_SECONDS, "seconds", value)


def _each(one, inputs) -> tuple[tf.Tensor, tf.Tensor]:
    spec = tf.RaggedTensorSpec([None], tf.float32, ragged_rank=0)
    ragged = tf.map_fn(one, inputs, fn_output_signature=spec)
    return ragged.to_tensor(), tf.cast(ragged.row_lengths(), tf.int32)
