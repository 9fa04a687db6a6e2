"""Augmentation: random changes of a picture, and of its words with it.

Axis letters: B batch, H rows of pixels, W columns, T words, M colours that may change places.
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
    """Float32 (B, H, W, 3), each moved by up to `shift` of its size and zoomed by up to `zoom`.

    Never mirrored: left and right stay true. What comes into view at a border is the border's
    colour.
    """
    height, width = pixels.shape[1], pixels.shape[2]
    shape = tf.stack([4, tf.shape(pixels)[0]])
    draws = tf.random.stateless_uniform(shape, seed, -1.0, 1.0)
    across, down = 1.0 + zoom * draws[0], 1.0 + zoom * draws[1]
    left = width * ((1.0 - across) / 2 + shift * draws[2])  # pyright: ignore[reportOptionalOperand] the static size is known
    top = height * ((1.0 - down) / 2 + shift * draws[3])  # pyright: ignore[reportOptionalOperand] the static size is known
    none = tf.zeros_like(across)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels,
        transforms=tf.stack([across, none, left, none, down, top, none, none], axis=1),
        output_shape=[height, width],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )


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
        # Row: a colour of the palette. Column: the moved colour that it is a shade of.
        followed = [SHADES.get(name, name) for name in PALETTE]
        self.of = tf.constant([[float(f == name) for name in self.moved] for f in followed])

    def __call__(self, pixels: tf.Tensor, words: tf.Tensor, *, drawn: tf.Tensor, seed: tf.Tensor):
        """Pixels float32 (B, H, W, 3) and words int64 (B, T), changed where `drawn` (B,)."""
        keeps = tf.reduce_any(words[:, :, None] == self.fixed, axis=[1, 2])
        rows = tf.where(drawn & ~keeps)
        some = self._changed(tf.gather_nd(pixels, rows), tf.gather_nd(words, rows), seed)
        whole = zip((pixels, words), some, strict=True)
        return tuple(tf.tensor_scatter_nd_update(all_, rows, part) for all_, part in whole)

    def _changed(self, pixels, words, seed):
        count = tf.stack([tf.shape(words)[0], len(self.moved)])
        draws = tf.random.stateless_uniform(count, seed)
        order = tf.argsort(draws)  # (B, M)
        colours = tf.constant([PALETTE[name] for name in self.moved])
        change = tf.gather(colours, order) - colours
        shape = tf.shape(pixels)
        shares = tf.reshape(palette(pixels), [shape[0], -1, len(PALETTE)])
        change = tf.reshape(shares @ (self.of @ change), shape)
        named = words[:, :, None] == self.numbers  # (B, T, M)
        others = tf.gather(self.numbers, order)[:, None]
        renamed = tf.reduce_sum(tf.where(named, others, 0), axis=2)
        words = tf.where(tf.reduce_any(named, axis=2), renamed, words)
        return tf.clip_by_value(pixels + change, 0.0, 1.0), words
