"""Augmentation: colours with their names, no mirrors."""

import numpy as np
import pytest
import tensorflow as tf

from seqapps.apps.captioning import augment, encoders


def test_colours_change_places_and_their_names_with_them():
    vocabulary = ["<pad>", "bands", "of", "red", "white", "blue", "green"]
    recolouring = augment.Recolouring(vocabulary)
    names = list(encoders.PALETTE)
    said = ["bands", "of", "red", "white", "blue", "<pad>"]
    colours = [encoders.PALETTE[name] for name in said[2:5]]
    flag = tf.constant(np.repeat(colours, 16, axis=0)[:, None].repeat(9, 1), tf.float32)
    words = tf.constant([vocabulary.index(word) for word in said], tf.int64)
    heard = set()
    flags, captions = tf.stack([flag] * 13), tf.stack([words] * 13)
    drawn = tf.constant([True] * 12 + [False])
    changed = recolouring(flags, captions, drawn=drawn, seed=tf.constant([1, 2]))
    assert (changed[0][12] == flag).numpy().all() and (changed[1][12] == words).numpy().all()
    for pixels, renamed in zip(*(part[:12] for part in changed), strict=True):
        found = [vocabulary[number] for number in renamed.numpy()]
        assert [found[0], found[1], found[5]] == ["bands", "of", "<pad>"]
        middles = encoders.palette(pixels[None])[0, 8::16, 4].numpy().argmax(-1)
        assert [names[number] for number in middles] == found[2:5]
        heard.add(tuple(found[2:5]))
    assert len(heard) > 6
    assert {name for flag in heard for name in flag} == {"red", "white", "blue", "green"}


@pytest.mark.parametrize("word", ["gold", "uk"])
def test_a_caption_that_a_change_of_colours_would_make_untrue_keeps_its_colours(word):
    vocabulary = ["<pad>", "red", "white", "blue", "gold", "uk"]
    recolouring = augment.Recolouring(vocabulary)
    flag = tf.constant(np.tile([[[0.85, 0.1, 0.1]]], (4, 6, 1)), tf.float32)
    said = tf.constant([vocabulary.index("red"), vocabulary.index(word)], tf.int64)
    flags, captions = tf.stack([flag] * 8), tf.stack([said] * 8)
    pixels, renamed = recolouring(
        flags, captions, drawn=tf.fill([8], True), seed=tf.constant([1, 2])
    )
    assert (pixels == flags).numpy().all() and (renamed == captions).numpy().all()


def test_augmentation_never_mirrors_nor_recolours():
    ramp = tf.tile(tf.linspace(0.0, 1.0, 96)[None, :, None], [64, 1, 3])
    ramps = tf.stack([ramp] * 20)
    for moved in augment.augmented(ramps, tf.constant([1, 2]), shift=0.05, zoom=0.1).numpy():
        assert (np.diff(moved[:, :, 0], axis=1) >= -1e-6).all()  # still dark on the left
        assert set(np.unique(np.ptp(moved, axis=2))) == {0.0}  # still grey
        assert np.abs(moved[..., 0] - ramp.numpy()[..., 0]).max() < 0.12
