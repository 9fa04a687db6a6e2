"""Image files with Pillow: checks, copies that the graph decodes, near duplicates.

Axis letters: N images, H rows of pixels, W columns.
"""

import contextlib
import importlib
import io
import math
import re
import warnings
from collections.abc import Iterable, Iterator

import numpy as np
from PIL import Image, UnidentifiedImageError

THUMBNAIL = 8
BLOCK = 2048

MAX_PIXELS = 89_478_485
"""The pixels of the largest image that is read, as Pillow advises."""

GRAPH_PIXELS = 25_000_000
"""The pixels of the largest image that the graph decodes; it takes 35 bytes for each."""

HEAD = 65536
"""Bytes at the beginning of a file in which the graph looks for a header's entries."""

ORIENTATION, ORIENTATIONS = 0x0112, range(1, 9)
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes an image of an EXIF orientation upright."""

ORIENTED = (
    re.compile(rb"\x01\x12\x00\x03\x00\x00\x00\x01\x00(.)", re.DOTALL),
    re.compile(rb"\x12\x01\x03\x00\x01\x00\x00\x00(.)\x00", re.DOTALL),
)
"""EXIF's entry of the orientation as `headers.orientation` looks for it in `HEAD` bytes."""

RANGES = (1, 255, 65535)
"""Values of white: of a grey image of int32 or float32 values, the smallest that holds them all."""

HEIF = ((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"), "pillow-heif")
"""Brands of HEIC files, and the package that lets Pillow read them."""

Image.MAX_IMAGE_PIXELS = MAX_PIXELS
# What Pillow says of damaged metadata is of no use here; what is too large is refused.
warnings.filterwarnings("ignore", module="PIL")
warnings.simplefilter("error", Image.DecompressionBombWarning)


class Refused(Exception):
    """An image that cannot be used; the message is the reason that is counted."""


def register_heif() -> None:
    """Lets Pillow read HEIC where the package for it is installed."""
    with contextlib.suppress(ImportError):
        importlib.import_module("pillow_heif").register_heif_opener()


register_heif()


def decodable(content: bytes) -> bytes:
    """The bytes themselves if the graph decodes them as Pillow does, else the image as PNG.

    JPEG and PNG of up to `GRAPH_PIXELS` stay as they are, with their orientation. All others, of
    which the graph decodes none or not each kind, become upright PNG of 8 bits: the first frame or
    page, made smaller by a whole number where it is larger than that.

    Raises:
        Refused: empty, damaged, too large, or no image that Pillow reads.
    """
    with _opened(content) as image:
        share = math.sqrt(image.width * image.height / GRAPH_PIXELS)
        if share <= 1 and _is_plain(image, content):
            return content
        picture = _layer(image)
    if share > 1:
        picture = picture.reduce(math.ceil(share))
    if picture.getchannel("A").getextrema() == (255, 255):
        picture = picture.convert("RGB")
    out = io.BytesIO()
    picture.save(out, "PNG", compress_level=1)
    return out.getvalue()


def turned(content: bytes) -> bytes:
    """The image as PNG with its rows and columns swapped: what was on top is on the left.

    Raises:
        Refused: see `decodable`.
    """
    out = io.BytesIO()
    layer(content).transpose(Image.Transpose.TRANSPOSE).save(out, "PNG")
    return out.getvalue()


def thumbnail(content: bytes) -> np.ndarray:
    """The image over white, made tiny: float32 (8 * 8 * 3,) in [0, 1].

    Raises:
        Refused: see `decodable`.
    """
    small = over_white(content).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return np.asarray(small, np.float32).ravel() / 255


def swapped(thumbnails: np.ndarray) -> np.ndarray:
    """The thumbnails (N, 192) of the same pictures with rows and columns swapped."""
    squares = thumbnails.reshape(-1, THUMBNAIL, THUMBNAIL, 3)
    return squares.transpose(0, 2, 1, 3).reshape(thumbnails.shape)


def layer(content: bytes) -> Image.Image:
    """The first frame or page, upright, RGBA, of 8 bits.

    Raises:
        Refused: see `decodable`.
    """
    with _opened(content) as image:
        return _layer(image)


def over_white(content: bytes) -> Image.Image:
    """The first frame, upright, RGB, on a white ground.

    Raises:
        Refused: see `decodable`.
    """
    return _over_white(layer(content))


def shown(content: bytes) -> Image.Image:
    """The picture as the network sees it before it is resized: over white, no clear margin.

    Raises:
        Refused: see `decodable`.
    """
    picture = layer(content)
    visible = picture.getchannel("A").point(lambda alpha: 255 * (alpha > 127))  # pyright: ignore[reportOperatorIssue] Pillow calls it with ints
    return _over_white(picture).crop(visible.getbbox())


def of_8_bits(image: Image.Image) -> Image.Image:
    """A grey image of 8 bits for one of deeper samples; any other image as it is.

    Of 16 bits the upper 8 stay, so white is 65535, as in the PNG standard. White of int32 and
    float32 values is the smallest of `RANGES` that holds all of them; if none does, or one is
    negative, black is the smallest value and white the largest.

    Raises:
        Refused: a value is NaN or infinite.
    """
    if not image.mode.startswith(("I", "F")):
        return image
    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        grey = Image.fromarray((values >> 8).astype(np.uint8))
        alpha = np.where(values == image.info.get("transparency"), 0, 255).astype(np.uint8)
        return Image.merge("LA", (grey, Image.fromarray(alpha)))
    values = values.astype(np.float64)
    black, white = values.min(), values.max()
    if not np.isfinite([black, white]).all():
        raise Refused("image with values that are NaN or infinite")
    if black >= 0 and white <= RANGES[-1]:
        black, white = 0, next(top for top in RANGES if white <= top)
    scaled = (values - black) * (255 / max(white - black, np.finfo(np.float32).tiny))
    return Image.fromarray(np.rint(scaled).astype(np.uint8))


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
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Refused(f"image of more than {MAX_PIXELS:,} pixels") from None
    except UnidentifiedImageError:
        brands, package = HEIF
        if content[4:8] == b"ftyp" and content[8:12] in brands:
            raise Refused(f"HEIC image and no {package} (pip install {package})") from None
        raise Refused("no image that Pillow reads") from None
    except Exception:  # Pillow's readers raise errors of any kind on damaged files.
        raise Refused("damaged image") from None
    return image


def _is_plain(image: Image.Image, content: bytes) -> bool:
    """True if the graph decodes the bytes of an opened image to the same pixels as Pillow."""
    entries = [entry[1][0] for pattern in ORIENTED if (entry := pattern.search(content[:HEAD]))]
    in_graph = entries[0] if entries and entries[0] in ORIENTATIONS else 1
    if _orientation(image) != in_graph:
        return False
    if image.format in ("JPEG", "MPO"):
        return True
    clear_shade = image.mode in ("1", "L") and "transparency" in image.info
    return image.format == "PNG" and b"IEND" in content and not clear_shade


def _orientation(image: Image.Image) -> int:
    try:
        orientation = image.getexif().get(ORIENTATION, 1)
    except Exception:  # as of damaged files
        return 1
    return orientation if orientation in ORIENTATIONS else 1


def _layer(image: Image.Image) -> Image.Image:
    orientation = _orientation(image)
    picture = of_8_bits(image).convert("RGBA")
    return picture.transpose(TURNS[orientation]) if orientation in TURNS else picture


def _over_white(picture: Image.Image) -> Image.Image:
    ground = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(ground, picture).convert("RGB")
