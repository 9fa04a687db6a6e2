"""Generated pictures, for tests only."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from seqapps.apps.captioning import fitted
from seqapps.kit.text import SPECIAL

WORDS = ["red", "a", "white", "cross", "with"]


def encoded(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def speckled(seed: int, size: tuple[int, int] = (48, 32)) -> Image.Image:
    """A picture unlike that of any other seed: 4 x 6 blocks of random colours."""
    blocks = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), np.uint8)
    return Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST)


def grey_ramp(size: tuple[int, int] = (48, 32)) -> np.ndarray:
    """Grey values uint8 (H, W) from 30 to 220: neither black nor white is among them."""
    width, height = size
    return np.linspace(30, 220, width * height).reshape(height, width).astype(np.uint8)


def jpeg_turned(orientation: int, picture: Image.Image, **options) -> bytes:
    """A JPEG whose EXIF entry gives an orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(picture, "JPEG", exif=exif, quality=95, subsampling=0, **options)


@pytest.fixture
def assets(tmp_path):
    """A folder as `assets` leaves it: five words, pictures of 32 x 48 pixels, captions of five."""
    folder = tmp_path / "assets"
    folder.mkdir()
    fitted.write_json(folder / "vocabulary.json", [*SPECIAL, *WORDS])
    facts = {
        "encoder": "small",
        "image_height": 32,
        "image_width": 48,
        "max_words": 5,
        "train_pictures": 8,
    }
    (folder / "facts.json").write_text(json.dumps(facts))
    return folder


@pytest.fixture
def mine(tmp_path):
    """A folder with pictures a.png, b.png, c.png."""
    folder = tmp_path / "mine"
    (folder / "Images").mkdir(parents=True)
    for seed, name in enumerate("abc"):
        (folder / f"Images/{name}.png").write_bytes(encoded(speckled(seed)))
    return folder
