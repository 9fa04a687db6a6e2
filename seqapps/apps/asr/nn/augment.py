"""Augmentation: random changes of a recording in training.

The tape's speed, noise, and masked stripes of the spectrogram (SpecAugment, Park et al. 2019);
tensorflow-io's masks take one utterance at a time, so the batch's are made here.

Axis letters: B batch, N samples, T frames, F mels.
"""

import keras
import tensorflow as tf

from seqapps.apps.asr.nn import frontend
from seqapps.apps.asr.params import Train

LOUDEST_SNR_DB = 40.0


class SpecAugment(keras.layers.Layer):
    """Stripes of time and of mels set to zero, the mean, in training (Park et al. 2019)."""

    def __init__(self, table: Train, **kwargs):
        super().__init__(**kwargs)
        self.time_masks, self.mel_masks = table.time_masks, table.mel_masks
        self.longest = table.time_mask_ms // frontend.HOP_MS
        self.widest = table.mel_mask_width
        self.seeds = keras.random.SeedGenerator(table.seed)

    def build(self, shape):
        """Makes no weights for frames (B, T, F)."""
        self.built = True

    def call(self, frames, counts, training=False):
        """Frames (B, T, F), some stripes of which are 0 if `training`.

        A row loses at most a fifth of its frames to one mask.
        """
        if not training:
            return frames
        longest = tf.minimum(self.longest, counts // 5)
        for _ in range(self.time_masks):
            frames *= self._kept(tf.shape(frames)[1], counts, longest=longest)[:, :, None]
        bands = tf.fill(tf.shape(counts), frames.shape[-1])
        for _ in range(self.mel_masks):
            widest = tf.fill(tf.shape(counts), self.widest)
            frames *= self._kept(frames.shape[-1], bands, longest=widest)[:, None, :]
        return frames

    def _kept(self, size, ends: tf.Tensor, *, longest: tf.Tensor) -> tf.Tensor:
        """Float32 (B, size): 0 in one stripe of each row, 1 elsewhere."""
        draw = keras.random.uniform((tf.shape(ends)[0], 2), seed=self.seeds)
        width = draw[:, 0] * tf.cast(longest + 1, tf.float32)
        width = tf.cast(tf.math.floor(width), tf.int32)
        start = tf.cast(draw[:, 1] * tf.cast(tf.maximum(ends - width, 0) + 1, tf.float32), tf.int32)
        position = tf.range(size)[None, :]
        inside = (position >= start[:, None]) & (position < (start + width)[:, None])
        return tf.cast(~inside, tf.float32)


def changed(
    samples: tf.Tensor, counts: tf.Tensor, *, seed: tf.Tensor, table: Train
) -> tuple[tf.Tensor, tf.Tensor]:
    """Samples float32 (B, N) at other speeds, with noise mixed in, and their counts int32 (B,).

    All as `seed` int32 (2,) draws it, for each row; after its count a row is zero.
    """
    speed_seed, snr_seed, noise_seed = tf.unstack(tf.random.split(seed, 3))
    rows = tf.shape(counts)
    if table.speed_change:
        speeds = tf.random.stateless_uniform(
            rows, speed_seed, 1 - table.speed_change, 1 + table.speed_change
        )
        samples, counts = _played(samples, counts, speeds=speeds)
    snr_db = tf.random.stateless_uniform(rows, snr_seed, table.noise_snr_db, LOUDEST_SNR_DB)
    power = tf.reduce_sum(samples**2, axis=1) / tf.cast(tf.maximum(counts, 1), tf.float32)
    level = tf.sqrt(power) * 10 ** (-snr_db / 20)  # pyright: ignore[reportOperatorIssue] stubs lack the operator
    noise = tf.random.stateless_normal(tf.shape(samples), noise_seed)
    inside = tf.sequence_mask(counts, tf.shape(samples)[1], tf.float32)
    return samples + inside * level[:, None] * noise, counts


def _played(
    samples: tf.Tensor, counts: tf.Tensor, *, speeds: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Samples (B, N) at other speeds (B,), pitch included, by linear interpolation; counts (B,)."""
    steps = tf.cast(tf.maximum(counts - 1, 0), tf.float32) / speeds
    new_counts = tf.cast(tf.math.ceil(steps), tf.int32)
    position = tf.range(tf.cast(tf.reduce_max(new_counts), tf.float32))[None] * speeds[:, None]
    before = tf.minimum(tf.cast(position, tf.int32), counts[:, None] - 1)
    after = tf.minimum(before + 1, counts[:, None] - 1)
    rest = position - tf.cast(before, tf.float32)
    one, other = (tf.gather(samples, index, axis=1, batch_dims=1) for index in (before, after))
    inside = tf.sequence_mask(new_counts, tf.shape(position)[1], tf.float32)
    return inside * ((1 - rest) * one + rest * other), new_counts
