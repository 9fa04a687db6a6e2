"""Augmentation: random changes of a picture, and of its words with it.

Axis letters: H rows of pixels, W columns, T words.
"""

import tensorflow as tf

from seqapps.apps.captioning.encoders import PALETTE, SHADES, palette

UNMOVED = ("grey",)
FIXED = (
    "gold", "golden", "golden-yellow", "maroon", "saffron", "azure", "aquamarine", "copper", "gray",
    "white-edged", "black-edged", "yellow-edged", "uk",
)  # fmt: skip
"""Words that a change of colours would make untrue: a caption with one of them keeps its colours.

The flag of the UK within a flag has its own colours; the others name a colour that does not move.
"""


def augmented(pixels: tf.Tensor, seed: tf.Tensor, *, shift: float, zoom: float) -> tf.Tensor:
    """Float32 (H, W, 3), moved by up to `shift` of its size and zoomed by up to `zoom`.

    Never mirrored: left and right stay true. What comes into view at a border is the border's
    colour.
    """
    height, width = pixels.shape[0], pixels.shape[1]
    draws = tf.random.stateless_uniform([4], seed, -1.0, 1.0)
    across, down = 1.0 + zoom * draws[0], 1.0 + zoom * draws[1]
    left = width * ((1.0 - across) / 2 + shift * draws[2])  # pyright: ignore[reportOptionalOperand] the static size is known
    top = height * ((1.0 - down) / 2 + shift * draws[3])  # pyright: ignore[reportOptionalOperand] the static size is known
    move = tf.stack([across, 0.0, left, 0.0, down, top, 0.0, 0.0])
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels[None],
        transforms=move[None],
        output_shape=[height, width],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )[0]


class Recolouring:
    """Lets the colours of a picture change places, and their names in its caption with them.

    So the words stay true, and a network cannot know a flag by its colours alone.
    """

    def __init__(self, vocabulary: list[str]):
        names = [name for name in PALETTE if name not in (*SHADES, *UNMOVED)]
        self.moved = [name for name in names if name in vocabulary]
        self.numbers = tf.constant([vocabulary.index(name) for name in self.moved], tf.int64)
        self.fixed = tf.constant(
            [vocabulary.index(word) for word in FIXED if word in vocabulary], tf.int64
        )
        self.size = len(vocabulary)
        # Row: a colour of the palette. Column: the moved colour that it is a shade of.
        followed = [SHADES.get(name, name) for name in PALETTE]
        self.of = tf.constant([[float(f == name) for name in self.moved] for f in followed])

    def __call__(self, pixels: tf.Tensor, words: tf.Tensor, *, seed: tf.Tensor):
        """Pixels float32 (H, W, 3) and words int64 (T,), after one drawn change of places."""
        keeps = tf.reduce_any(words[:, None] == self.fixed)
        return tf.cond(keeps, lambda: (pixels, words), lambda: self._changed(pixels, words, seed))

    def _changed(self, pixels, words, seed):
        places = tf.argsort(tf.random.stateless_uniform([len(self.moved)], seed))
        colours = tf.constant([PALETTE[name] for name in self.moved])
        change = tf.gather(colours, places) - colours
        shares = tf.reshape(palette(pixels[None])[0], [-1, len(PALETTE)])
        change = tf.reshape(shares @ (self.of @ change), tf.shape(pixels))
        renamed = tf.tensor_scatter_nd_update(
            tf.range(self.size, dtype=tf.int64),
            self.numbers[:, None],
            tf.gather(self.numbers, places),
        )
        return tf.clip_by_value(pixels + change, 0.0, 1.0), tf.gather(renamed, words)
