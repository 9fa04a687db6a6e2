"""Image files with Pillow: checks, upright copies that TensorFlow decodes, near duplicates.

Axis letters: N images.
"""

import io
from collections.abc import Iterable, Iterator

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

THUMBNAIL = 8
BLOCK = 2048
ORIENTATION = 0x0112
DECODABLE = {"JPEG": ("L", "RGB"), "PNG": None, "GIF": None, "BMP": ("L", "RGB")}
"""Formats that TensorFlow decodes, and the modes it decodes them in (None: all)."""


class Refused(Exception):
    """An image that cannot be used; the message is the reason that is counted."""


def upright(content: bytes) -> bytes:
    """The bytes themselves if TensorFlow decodes them upright, else the image as PNG.

    WebP and the EXIF orientation of JPEG are unknown to TensorFlow's core operations, and so is
    CMYK: such images are decoded, turned and encoded anew here.

    Raises:
        Refused: empty, truncated, or no image.
    """
    with _opened(content) as image:
        turned = image.getexif().get(ORIENTATION, 1) not in (0, 1)
        known = image.format in DECODABLE and (
            DECODABLE[image.format] is None or image.mode in DECODABLE[image.format]
        )
        if known and not turned:
            return content
        mode = "RGBA" if image.has_transparency_data else "RGB"
        out = io.BytesIO()
        ImageOps.exif_transpose(image).convert(mode).save(out, "PNG")
        return out.getvalue()


def turned(content: bytes) -> bytes:
    """The image as PNG with its rows and columns swapped: what was on top is on the left.

    Raises:
        Refused: empty, truncated, or no image.
    """
    out = io.BytesIO()
    with _opened(content) as image:
        image.convert("RGBA").transpose(Image.Transpose.TRANSPOSE).save(out, "PNG")
    return out.getvalue()


def thumbnail(content: bytes) -> np.ndarray:
    """The image over white, made tiny: float32 (8 * 8 * 3,) in [0, 1].

    Raises:
        Refused: empty, truncated, or no image.
    """
    small = over_white(content).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return np.asarray(small, np.float32).ravel() / 255


def swapped(thumbnails: np.ndarray) -> np.ndarray:
    """The thumbnails (N, 192) of the same pictures with rows and columns swapped."""
    squares = thumbnails.reshape(-1, THUMBNAIL, THUMBNAIL, 3)
    return squares.transpose(0, 2, 1, 3).reshape(thumbnails.shape)


def over_white(content: bytes) -> Image.Image:
    """The first frame, upright, RGB, on a white ground."""
    with _opened(content) as image:
        layer = ImageOps.exif_transpose(image).convert("RGBA")
    ground = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(ground, layer).convert("RGB")


def shown(content: bytes) -> Image.Image:
    """The picture as the network sees it before it is resized: over white, no clear margin.

    Raises:
        Refused: empty, truncated, or no image.
    """
    with _opened(content) as image:
        clear = ImageOps.exif_transpose(image).convert("RGBA").getchannel("A")
    return over_white(content).crop(clear.point(lambda alpha: 255 * (alpha > 127)).getbbox())  # pyright: ignore[reportOperatorIssue] Pillow calls it with ints


def twins(thumbnails: np.ndarray, rms: float) -> Iterator[tuple[int, int]]:
    """Pairs (i, j), i < j, of rows of (N, 192) whose root mean square difference is below `rms`."""
    squares = np.einsum("nd,nd->n", thumbnails, thumbnails)
    limit = rms**2 * thumbnails.shape[1]
    for start in range(0, len(thumbnails), BLOCK):
        block = slice(start, start + BLOCK)
        products = thumbnails[block] @ thumbnails.T
        distances = squares[block, None] + squares[None] - 2 * products
        for row, column in np.argwhere(distances < limit):
            if start + row < column:
                yield int(start + row), int(column)


def components(count: int, pairs: Iterable[tuple[int, int]]) -> list[int]:
    """For each of `count` members the smallest one it hangs together with through `pairs`."""
    root = list(range(count))

    def find(member: int) -> int:
        while root[member] != member:
            root[member] = root[root[member]]
            member = root[member]
        return member

    for one, other in pairs:
        low, high = sorted((find(one), find(other)))
        root[high] = low
    return [find(member) for member in range(count)]


def _opened(content: bytes) -> Image.Image:
    if not content:
        raise Refused("empty image file")
    try:
        image = Image.open(io.BytesIO(content))
        image.load()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        kind = "not an image" if isinstance(error, UnidentifiedImageError) else "damaged image"
        raise Refused(kind) from None
    except Image.DecompressionBombError:
        raise Refused("image of more pixels than Pillow takes") from None
    return image
