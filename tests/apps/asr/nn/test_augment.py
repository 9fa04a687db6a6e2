"""SpecAugment's masks."""

import numpy as np
import tensorflow as tf

from seqapps.apps.asr.nn import augment
from tests.apps.asr.conftest import parameters
from tests.apps.asr.test_model import TABLE


def test_masks_are_stripes_in_training_only():
    table = parameters(train={**TABLE, "time_masks": 1, "mel_masks": 0}).train
    layer, frames = augment.SpecAugment(table), tf.ones([4, 100, 8])
    counts = tf.constant([100] * 4)
    assert (layer(frames, counts) == frames).numpy().all()
    masked = layer(frames, counts, training=True).numpy()
    lost = (masked == 0).all(axis=2)
    assert (lost == (masked == 0).any(axis=2)).all()
    assert lost.any() and (lost.sum(axis=1) <= 20).all()
    for row in lost:
        assert np.abs(np.diff(row.astype(int))).sum() <= 2


def test_a_mask_of_mels_is_as_wide_as_its_parameter_allows():
    table = parameters(train={**TABLE, "time_masks": 0, "mel_masks": 1, "mel_mask_width": 3}).train
    layer, frames = augment.SpecAugment(table), tf.ones([64, 10, 8])
    masked = layer(frames, tf.constant([10] * 64), training=True).numpy()
    widths = (masked == 0).all(axis=1).sum(axis=1)
    assert set(widths) == {0, 1, 2, 3}
