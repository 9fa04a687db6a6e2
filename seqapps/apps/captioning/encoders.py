"""Encoders in the graph: image bytes -> cells of a grid that the decoder attends to.

Axis letters: B batch, H rows of pixels, W columns, N cells of the grid, C channels.
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from seqapps.apps.captioning import fitted, headers, images
from seqapps.apps.captioning.params import Preprocess
from seqapps.config import UserError

PALETTE = {
    "white": (1.0, 1.0, 1.0),
    "grey": (0.6, 0.6, 0.6),
    "black": (0.05, 0.05, 0.05),
    "red": (0.85, 0.1, 0.1),
    "maroon": (0.5, 0.1, 0.2),
    "orange": (1.0, 0.55, 0.1),
    "yellow": (0.98, 0.85, 0.1),
    "green": (0.1, 0.6, 0.2),
    "dark green": (0.05, 0.35, 0.15),
    "dark blue": (0.05, 0.1, 0.45),
    "blue": (0.1, 0.25, 0.8),
    "light blue": (0.35, 0.7, 0.95),
}
"""Colours by name, sRGB: what a pixel is like, as a start that keeps red apart from orange."""

SHADES = {
    "maroon": "red",
    "dark green": "green",
    "dark blue": "blue",
    "light blue": "blue",
}
"""Colours of the palette that go where another one goes when colours change places."""

PALETTE_WIDTH = 0.15
"""Distance in sRGB at which a pixel still counts as like a colour."""

STRIDE = 8
COARSE = 2
PRETRAINED = "encoder.weights.h5"


def decode(content: tf.Tensor) -> tf.Tensor:
    """One image's bytes as float32 (H, W, 3) in [0, 1]: upright, over white, its clear margin cut.

    JPEG, PNG (grey, palette, alpha; of 16 bits the upper 8), BMP of 24 bits, the first frame of a
    GIF or of an animated PNG. An EXIF orientation is obeyed, see `headers.orientation`.
    """
    pixels = tf.cast(_upright(content), tf.float32) / 255.0
    channels = tf.shape(pixels)[-1]
    colours = tf.cond(
        channels < 3, lambda: tf.repeat(pixels[..., :1], 3, axis=-1), lambda: pixels[..., :3]
    )
    has_alpha = tf.equal(channels % 2, 0)  # pyright: ignore[reportOperatorIssue] stubs lack the operator
    alpha = tf.cond(has_alpha, lambda: pixels[..., -1:], lambda: tf.ones_like(pixels[..., :1]))
    return _trimmed(colours * alpha + 1.0 - alpha, alpha[..., 0] > 0.5)


def view(content: tf.Tensor, height: int, *, width: int) -> tf.Tensor:
    """One image's bytes as uint8 (H, W, 3), resized without regard to its proportions."""
    resized = tf.image.resize(decode(content), [height, width], antialias=True)
    return tf.cast(tf.round(tf.clip_by_value(resized, 0.0, 1.0) * 255.0), tf.uint8)


def cached(assets: Path, content: bytes) -> tuple[bytes, np.ndarray]:
    """The decoded image in a record: pixels uint8 (H, W, 3) as bytes, or cells (N, C).

    Made by the very functions that stand in the graph.

    Raises:
        images.Refused: the graph cannot decode it, as a PNG whose checksum is wrong.
    """
    known = fitted.facts(assets)
    pixels = _pixels(content, known["image_height"], width=known["image_width"])
    if known["encoder"] == "small":
        return pixels.tobytes(), np.zeros((0, 0), np.float32)
    return b"", _loaded(assets)(pixels[None]).numpy()[0]


def grid(known: dict[str, Any]) -> tuple[int, int]:
    """Rows and columns of the grid of cells."""
    if known["encoder"] == "small":
        return known["image_height"] // STRIDE, known["image_width"] // STRIDE
    return known["grid"][0], known["grid"][1]


class Pretrained(keras.layers.Layer):
    """A network of keras.applications without its head: uint8 (B, H, W, 3) -> cells (B, N, C).

    It is frozen: its cells are computed once, in preprocess, and again in the exported graph.
    """

    def __init__(self, name: str, height: int, *, width: int, weights: str | None):
        super().__init__()
        make = getattr(keras.applications, name)
        self.scale = name == "MobileNetV2"  # the others have their scaling as first layers
        self.network = make(include_top=False, weights=weights, input_shape=(height, width, 3))
        self.network.trainable = False
        self.grid = tuple(self.network.output_shape[1:3])

    def call(self, pixels):
        """The last feature map, float32 (B, N, C), its rows one after the other."""
        pixels = tf.cast(pixels, tf.float32)
        pixels = pixels / 127.5 - 1.0 if self.scale else pixels
        maps = self.network(pixels, training=False)
        return tf.reshape(maps, [tf.shape(maps)[0], -1, maps.shape[-1]])


def save_pretrained(table: Preprocess, out: Path) -> None:
    """Writes the weights of the encoder `[preprocess]` names, and its grid into `facts.json`.

    Raises:
        UserError: the weights cannot be downloaded or read.
    """
    weights = None if table.weights == "none" else table.weights
    if weights not in (None, "imagenet") and not Path(weights).is_file():
        raise UserError(f"preprocess.weights = '{weights}': no such file; imagenet, none or a path")
    keras.utils.set_random_seed(table.seed)
    try:
        layer = Pretrained(
            table.encoder, table.image_height, width=table.image_width, weights=weights
        )
    except Exception as error:
        reason = re.sub(r"\s+", " ", str(error))[:200]
        raise UserError(
            f"preprocess.weights = '{table.weights}' of {table.encoder} cannot be had: {reason}"
        ) from None
    layer.network.save_weights(out / PRETRAINED)
    channels = int(layer.network.output_shape[-1])
    shape = {"grid": list(layer.grid), "cells": [layer.grid[0] * layer.grid[1], channels]}
    known = fitted.facts(out) | shape
    fitted.write_json(out / "facts.json", known)


# A picture comes once per fold; decoding it is most of the work.
@lru_cache(maxsize=1024)
def _pixels(content: bytes, height: int, *, width: int) -> np.ndarray:
    try:
        return _view_of(height, width)(tf.constant(content)).numpy()
    except tf.errors.InvalidArgumentError:
        raise images.Refused("damaged image") from None


@lru_cache(maxsize=2)
def _view_of(height: int, width: int) -> Any:
    signature = [tf.TensorSpec([], tf.string)]
    return tf.function(
        lambda content: view(content, height, width=width), input_signature=signature
    )


@lru_cache(maxsize=2)
def _loaded(assets: Path) -> Pretrained:
    return pretrained(assets)


def pretrained(assets: Path) -> Pretrained:
    """The frozen encoder with the weights that preprocess used."""
    known = fitted.facts(assets)
    layer = Pretrained(
        known["encoder"], known["image_height"], width=known["image_width"], weights=None
    )
    layer.network.load_weights(assets / PRETRAINED)
    layer(tf.zeros([1, known["image_height"], known["image_width"], 3], tf.uint8))
    return layer


class Small(keras.layers.Layer):
    """Trained from scratch: float32 pixels (B, H, W, 3) in [0, 1] -> cells (B, N, C).

    Each cell holds what two convolutions made of its surroundings and, as they are, the shares
    of the palette's colours in it.
    """

    def __init__(self, channels: int):
        super().__init__()
        widths = (channels // 2, channels)
        self.convolutions = [
            keras.layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False)
            for width in widths
        ]
        self.norms = [keras.layers.LayerNormalization() for _ in widths]

    def call(self, pixels):
        """Cells (B, N, C), and the layout features of the whole picture (B, D).

        The whole: shares of colours on a coarser grid, and which of its cells, rows and columns
        look the same, whatever their colours.
        """
        colours = palette(pixels)
        # Pooled first: most of the work would lie in the first convolution.
        maps = tf.nn.avg_pool2d(tf.concat([pixels, colours], axis=-1), 2, 2, "VALID")
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            maps = tf.nn.relu(norm(convolution(maps)))
        shares = tf.nn.avg_pool2d(colours, STRIDE, STRIDE, "VALID")
        coarse = _flat(tf.nn.avg_pool2d(shares, COARSE, COARSE, "SAME"))
        rows, columns = tf.reduce_mean(shares, axis=2), tf.reduce_mean(shares, axis=1)
        same = [likeness(part) for part in (coarse, rows, columns)]
        flat = tf.reshape(coarse, [-1, coarse.shape[1] * coarse.shape[2]])  # pyright: ignore[reportOperatorIssue] the static size is known
        return _flat(tf.concat([maps, shares], axis=-1)), tf.concat([flat, *same], axis=-1)


def palette(pixels: tf.Tensor) -> tf.Tensor:
    """Likeness of each pixel to each colour of the palette: (B, H, W, 12), sums to 1."""
    colours = tf.constant(list(PALETTE.values()))
    # Without a fifth axis: |p - c|^2 up to |p|^2, which softmax does not see.
    near = 2.0 * tf.tensordot(pixels, colours, [[-1], [1]]) - tf.reduce_sum(colours**2, axis=-1)
    return tf.nn.softmax(near / (2 * PALETTE_WIDTH**2), axis=-1)


def likeness(shares: tf.Tensor) -> tf.Tensor:
    """Likeness in colour of each two of N cells: (B, N, 12) -> (B, N * (N - 1) / 2).

    The cosine of their shares of colours, shades of a colour taken together. It says where bands
    and crosses lie without saying of which colours, so that layouts carry over to colours that
    training did not show.
    """
    merged = tf.linalg.l2_normalize(tf.matmul(shares, _merged()[None]), axis=-1)
    pairs = tf.matmul(merged, merged, transpose_b=True)
    one, other = np.triu_indices(shares.shape[1], k=1)  # pyright: ignore[reportArgumentType] the static size is known
    size = shares.shape[1]
    flat = tf.reshape(pairs, [-1, size * size])  # pyright: ignore[reportOperatorIssue] the static size is known
    return tf.gather(flat, tf.constant(one * size + other), axis=1)  # pyright: ignore[reportOperatorIssue] the static size is known


def _merged() -> tf.Tensor:
    names = list(PALETTE)
    kept = [name for name in names if name not in SHADES]
    return tf.constant([[float(SHADES.get(name, name) == k) for k in kept] for name in names])


def _upright(content: tf.Tensor) -> Any:
    """One image's bytes as uint8 (H, W, C), C from 1 to 4."""
    # Asked for four channels, TensorFlow does not widen samples of less than 8 bits; asked for
    # none, it forgets the colour that a PNG without an alpha channel names as transparent.
    pixels = tf.cond(
        headers.is_a("PNG", content) & (headers.png_bit_depth(content) >= 8),
        lambda: tf.io.decode_png(content, channels=4),
        lambda: tf.io.decode_image(content, channels=0, expand_animations=False),
    )
    pixels.set_shape([None, None, None])
    return headers.upright(pixels, headers.orientation(content))


def _trimmed(pixels: tf.Tensor, visible: tf.Tensor) -> tf.Tensor:
    """The smallest rectangle that holds all pixels that are `seen`; all if none is."""
    visible = tf.logical_or(visible, tf.logical_not(tf.reduce_any(visible)))
    rows = tf.where(tf.reduce_any(visible, axis=1))[:, 0]
    columns = tf.where(tf.reduce_any(visible, axis=0))[:, 0]
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _flat(maps: tf.Tensor) -> tf.Tensor:
    return tf.reshape(maps, [-1, maps.shape[1] * maps.shape[2], maps.shape[3]])  # pyright: ignore[reportOperatorIssue] the static size is known
