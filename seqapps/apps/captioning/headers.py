"""Headers of encoded images in the graph: refusals by name, the EXIF orientation.

Axis letters: B batch, S bytes, H rows of pixels, W columns, C channels.
"""

import tensorflow as tf

from seqapps.apps.captioning.images import GRAPH_PIXELS, HEAD

MAGIC = {"JPEG": b"\xff\xd8\xff", "PNG": b"\x89PNG\r\n\x1a\n", "GIF": b"GIF8", "BMP": b"BM"}
"""First bytes of the formats that TensorFlow decodes."""

OTHERS = {
    "WebP": (0, b"RIFF"),
    "TIFF": (0, b"II*\0"),
    "TIFF of big-endian numbers": (0, b"MM\0*"),
    "HEIC or AVIF": (4, b"ftyp"),
}
"""Offsets and bytes by which a refusal names other formats."""

ORIENTED = (
    (1, 0x12, 0, 3, 0, 0, 0, 1, 0, None),
    (0x12, 1, 3, 0, 1, 0, 0, 0, None, 0),
)
"""The entry of EXIF's tag 0x0112, one SHORT, big-endian and little-endian; None: its value."""

GIF_CONTROL, GIF_FRAME = (0x21, 0xF9, 4, None), (0x2C, 0, 0, 0, 0)
"""The beginnings of a GIF's graphic control extension, None: its flags, and of a whole frame."""


def refusals(images: tf.Tensor) -> tf.Tensor:
    """The reason to refuse each of the encoded images string (B,): string (B,), "" for none.

    Reasons: no bytes, another format than `MAGIC`, more pixels than `images.GRAPH_PIXELS`, and what
    TensorFlow would decode wrongly without an error: a GIF with a transparent colour or with a
    first frame smaller than itself, a BMP that is not of 24 bits, a grey PNG of less than 8 bits
    with a transparent shade.
    """
    return tf.map_fn(refusal, images, fn_output_signature=tf.TensorSpec([], tf.string))


def refusal(content: tf.Tensor) -> tf.Tensor:
    """The reason to refuse one encoded image, a string scalar; "" if there is none."""
    head = _bytes(content)
    reason = tf.constant("")
    kind_reasons = (
        ("GIF", _refused_gif(head)),
        ("BMP", _refused_bmp(head)),
        ("PNG", _refused_png(head)),
    )
    for name, kind_reason in kind_reasons:
        reason = tf.where(is_a(name, content), kind_reason, reason)
    limit = f"an image of more than {GRAPH_PIXELS:,} pixels; make it smaller"
    reason = tf.where(_pixels(content, head) > GRAPH_PIXELS, limit, reason)
    known = tf.reduce_any([is_a(name, content) for name in MAGIC])
    return tf.where(known, reason, _named(content))


def is_a(name: str, content: tf.Tensor) -> tf.Tensor:
    """True, a bool scalar, if an encoded image is of the format `name` of `MAGIC`."""
    return _begins(content, MAGIC[name], at=0)


def png_bit_depth(content: tf.Tensor) -> tf.Tensor:
    """The bits of a sample of a PNG, an int32 scalar."""
    return _number(_bytes(content), 24, size=1)


def orientation(content: tf.Tensor) -> tf.Tensor:
    """The EXIF orientation of a JPEG or PNG, an int32 scalar from 1 to 8; 1 where there is none.

    The entry is looked for in the first `images.HEAD` bytes; XMP is not read.
    """
    head = _bytes(content)
    values = [tf.gather(head, _positions(head, p) + p.index(None)) for p in ORIENTED]
    value = tf.concat([*values, [1]], axis=0)[0]
    carries = tf.logical_or(is_a("JPEG", content), is_a("PNG", content))
    return tf.where(carries & (value >= 1) & (value <= 8), value, 1)


def upright(pixels: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Pixels (H, W, C) turned as an EXIF orientation from 1 to 8 says: (H, W, C) or (W, H, C)."""
    swaps = orientation >= 5
    pixels = tf.cond(swaps, lambda: tf.transpose(pixels, [1, 0, 2]), lambda: pixels)
    flips_rows = tf.reduce_any(orientation == tf.constant([3, 4, 7, 8]))
    flips_columns = tf.reduce_any(orientation == tf.constant([2, 3, 6, 7]))
    pixels = tf.cond(flips_rows, lambda: pixels[::-1], lambda: pixels)
    return tf.cond(flips_columns, lambda: pixels[:, ::-1], lambda: pixels)


def _refused_gif(head: tf.Tensor) -> tf.Tensor:
    size = [head[offset] for offset in (6, 7, 8, 9)]
    frames = _positions(head, (*GIF_FRAME, *size))
    controls = _positions(head, GIF_CONTROL)
    first = tf.concat([frames, [tf.size(head)]], axis=0)[0]
    flags = tf.gather(head, tf.boolean_mask(controls, controls < first) + GIF_CONTROL.index(None))
    is_clear = tf.reduce_any(tf.math.floormod(flags, 2) == 1)
    smaller = "a GIF whose first frame does not fill it; send it as PNG"
    reason = tf.where(is_clear, "a GIF with a transparent colour; send it as PNG", "")
    return tf.where(tf.size(frames) == 0, smaller, reason)


def _refused_bmp(head: tf.Tensor) -> tf.Tensor:
    plain = (_number(head, 28, size=2) == 24) & (_number(head, 30, size=4) == 0)
    windows = _number(head, 14, size=4) >= 40
    return tf.where(plain & windows, "", "a BMP that is not of 24 bits; send it as PNG")


def _refused_png(head: tf.Tensor) -> tf.Tensor:
    narrow = (_number(head, 24, size=1) < 8) & (_number(head, 25, size=1) == 0)
    clear = tf.size(_positions(head, tuple(b"tRNS"))) > 0
    reason = "a grey PNG of less than 8 bits with a transparent shade; send it with 8 bits"
    return tf.where(narrow & clear, reason, "")


def _pixels(content: tf.Tensor, head: tf.Tensor) -> tf.Tensor:
    """Rows times columns that a header states, an int64 scalar; 0: it is of no known format."""
    sizes = {
        "GIF": [_number(head, start, size=2) for start in (6, 8)],
        "BMP": [tf.abs(_number(head, start, size=4)) for start in (18, 22)],
        "PNG": [_number(head, start, size=4, big_endian=True) for start in (16, 20)],
    }
    rows_columns = tf.cond(
        is_a("JPEG", content),
        lambda: tf.io.extract_jpeg_shape(content)[:2],
        lambda: tf.zeros([2], tf.int32),
    )
    count = tf.reduce_prod(tf.cast(rows_columns, tf.int64))
    for name, size in sizes.items():
        of_kind = tf.reduce_prod(tf.cast(tf.stack(size), tf.int64))
        count = tf.where(is_a(name, content), of_kind, count)
    return count


def _named(content: tf.Tensor) -> tf.Tensor:
    """The reason to refuse an image of none of the formats of `MAGIC`, a string scalar."""
    wanted = f"wanted {', '.join(MAGIC)}"
    reason = tf.constant(f"no image; {wanted}")
    for name, (start, magic) in OTHERS.items():
        reason = tf.where(_begins(content, magic, at=start), f"{name}; {wanted}", reason)
    return tf.where(tf.strings.length(content) == 0, f"empty bytes; {wanted}", reason)


def _bytes(content: tf.Tensor) -> tf.Tensor:
    """The first `images.HEAD` bytes and 64 zeros, so that no field is missing: int32 (S,)."""
    head = tf.io.decode_raw(tf.strings.substr(content, 0, HEAD), tf.uint8)
    return tf.pad(tf.cast(head, tf.int32), [[0, 64]])


def _begins(content: tf.Tensor, magic: bytes, *, at: int) -> tf.Tensor:
    start = tf.strings.substr(content, 0, at + len(magic))
    padded = tf.strings.join([start, b" " * (at + len(magic))])
    return tf.strings.substr(padded, at, len(magic)) == magic


def _number(head: tf.Tensor, start: int, *, size: int, big_endian: bool = False) -> tf.Tensor:
    """The integer of `size` bytes from a byte of `head` (S,) on, an int32 scalar."""
    offsets = range(size) if big_endian else reversed(range(size))
    value = tf.constant(0)
    for offset in offsets:
        value = value * 256 + head[start + offset]
    return value


def _positions(head: tf.Tensor, pattern: tuple[int | tf.Tensor | None, ...]) -> tf.Tensor:
    """The positions of a pattern in the bytes (S,), of which None may be any: int32 (N,)."""
    count = tf.size(head) - len(pattern) + 1
    matches = tf.fill([count], True)
    for offset, byte in enumerate(pattern):
        if byte is not None:
            matches &= head[offset : offset + count] == byte
    return tf.cast(tf.where(matches)[:, 0], tf.int32)
