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


def changed(samples: tf.Tensor, seed: tf.Tensor, *, table: Train) -> tf.Tensor:
    """Samples float32 (N,) at another speed, with noise mixed in, as `seed` int32 (2,) draws it."""
    speed_seed, snr_seed, noise_seed = tf.unstack(tf.random.split(seed, 3))
    if table.speed_change:
        speed = tf.random.stateless_uniform(
            [], speed_seed, 1 - table.speed_change, 1 + table.speed_change
        )
        samples = _played(samples, speed)
    snr_db = tf.random.stateless_uniform([], snr_seed, table.noise_snr_db, LOUDEST_SNR_DB)
    noise = tf.random.stateless_normal(tf.shape(samples), noise_seed)
    level = tf.sqrt(tf.reduce_mean(samples**2)) * 10 ** (-snr_db / 20)  # pyright: ignore[reportOperatorIssue] stubs lack the operator
    return samples + level * noise


def _played(samples: tf.Tensor, speed: tf.Tensor) -> tf.Tensor:
    """Samples (N,) at another speed, pitch included, by linear interpolation."""
    count = tf.cast(tf.shape(samples)[0], tf.float32)
    position = tf.range(tf.maximum(count - 1, 0.0) / speed) * speed
    before = tf.cast(position, tf.int32)
    after = tf.minimum(before + 1, tf.shape(samples)[0] - 1)
    rest = position - tf.cast(before, tf.float32)
    return (1 - rest) * tf.gather(samples, before) + rest * tf.gather(samples, after)
