"""Resampling in the graph, the only one there is: training, predict and endpoints share it.

Core TensorFlow ops only. Axis letters: N samples, Q rounds, W samples read, P phases of a block.
"""

import numpy as np
import tensorflow as tf

SINC_ZEROS = 16
"""Zero crossings of the filter on either side of its middle."""

FEWEST, MOST = 64, 512
"""New samples that one matrix makes of a stretch: with fewer, stretches would overlap much; with
more, odd rates would need a large matrix."""


def resample(samples: tf.Tensor, rate: tf.Tensor, *, wanted: tf.Tensor | int) -> tf.Tensor:
    """Samples float32 (N,) taken at `rate`, at `wanted` Hz: band-limited interpolation.

    Each new sample is a Hann-windowed sinc sum over its neighbours, cut off at the lower of the two
    rates' halves (J. O. Smith, Digital Audio Resampling, 2002). ceil(N wanted / rate) samples. With
    step / phases the rates' ratio, each round of `phases` new samples lies alike over `step` old
    ones, so that one matrix makes every round.
    """
    rate, wanted = tf.cast(rate, tf.int64), tf.cast(wanted, tf.int64)
    divisor = tf.experimental.numpy.gcd(rate, wanted)
    times = tf.maximum(FEWEST * divisor // wanted, 1)
    step, phases = times * rate // divisor, times * wanted // divisor
    cutoff = tf.minimum(phases / step, 1.0)
    reach = tf.cast(tf.math.ceil(SINC_ZEROS / cutoff), tf.int64)
    count = tf.shape(samples, tf.int64)[0]
    new_count = -(-count * phases // step)
    rounds, size = -(-new_count // phases), tf.minimum(phases, MOST)
    span = size * step // phases + 2 * reach + 2
    padded = tf.pad(samples, [[reach, rounds * step + span]])  # pyright: ignore[reportArgumentType] stubs take no tensor in a list

    def block(number: tf.Tensor) -> tf.Tensor:
        """New samples (Q, P) of the phases from `number * size` on."""
        begin = number * size
        base = begin * step // phases
        position = (begin + tf.range(size)) * step / phases - tf.cast(base, tf.float64)
        away = tf.cast(tf.range(span) - reach, tf.float64)[:, None] - position
        read = (tf.range(rounds) * step + base)[:, None] + tf.range(span)
        return tf.gather(padded, read) @ kernel(away, cutoff)

    def changed() -> tf.Tensor:
        blocks = tf.map_fn(block, tf.range(-(-phases // size)), fn_output_signature=tf.float32)
        joined = tf.reshape(tf.transpose(blocks, [1, 0, 2]), [rounds, -1])  # (Q, phases or more)
        return tf.reshape(joined[:, :phases], [-1])[:new_count]

    return tf.cond(tf.equal(rate, wanted), lambda: samples, changed)


def kernel(away: tf.Tensor, cutoff: tf.Tensor) -> tf.Tensor:
    """Weights float32 (...,) of samples that lie `away` (...,) from a new one, both float64.

    `cutoff` is a share of half the rate.
    """
    zeros = tf.cast(away * cutoff, tf.float32)
    window = 0.5 + 0.5 * tf.cos(np.pi * tf.clip_by_value(zeros / SINC_ZEROS, -1.0, 1.0))
    return tf.cast(cutoff, tf.float32) * window * sinc(zeros)


def sinc(x: tf.Tensor) -> tf.Tensor:
    """sin(pi x) / (pi x), 1 at 0, float32 of x's shape (...,)."""
    return tf.math.divide_no_nan(tf.sin(np.pi * x), np.pi * x) + tf.cast(x == 0.0, x.dtype)
