"""HTML sheet: pictures, their captions, and an attention map per word."""

import base64
import html
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from seqapps.apps.captioning import images

PICTURE, TILE = (240, 180), (96, 64)
DIMMED = 0.12
"""What is left of a picture's contrast where the network did not look."""

HEAD = """<!DOCTYPE html><html><head><meta charset="utf-8"><title>Captions</title><style>
body { font: 15px sans-serif; margin: 2em; max-width: 1100px } h2 { font-size: 1em; color: #555 }
article { border-top: 1px solid #ddd; padding: 1em 0; overflow: hidden }
article > img { float: left; margin: 0 1.5em 1em 0; max-width: 240px; border: 1px solid #eee }
figure { display: inline-block; margin: 2px; text-align: center } figcaption { font-size: 12px }
.reference { color: #777 }</style></head><body><h1>Captions</h1>
<p>Below each caption: the picture as bright as the network looked there when it said the word.</p>
"""


class Sheet:
    """A page that is written as the rows come; use it in a `with` statement."""

    def __init__(self, path: Path):
        self._file = path.open("w", encoding="utf-8", errors="backslashreplace")

    def __enter__(self) -> "Sheet":
        self._file.write(HEAD)
        return self

    def __exit__(self, *_: Any) -> None:
        self._file.write("</body></html>\n")
        self._file.close()

    def add(
        self, name: str, image: bytes, response: dict[str, Any], references: tuple[str, ...] = ()
    ) -> None:
        """One picture: `response` is a row of a captioning endpoint's answer."""
        picture = images.shown(image)
        words = [text(word) for word in response["words"]]
        tiles = "".join(
            f'<figure><img src="{_embedded(looked(picture, map_), TILE)}" width={TILE[0]}>'
            f"<figcaption>{html.escape(word)}</figcaption></figure>"
            for word, map_ in zip(words, response["attention"], strict=True)
            if word
        )
        truth = "".join(f"<p class=reference>{html.escape(line)}</p>" for line in references)
        self._file.write(
            f"<article><img src='{_embedded(picture, PICTURE)}'><h2>{html.escape(name)}</h2>"
            f"<p><b>{html.escape(text(response['caption']))}</b> "
            f"(log-probability {float(response['log_probability']):.2f})</p>{truth}{tiles}"
            "</article>\n"
        )


def looked(picture: Image.Image, attention: np.ndarray) -> Image.Image:
    """The picture, bright where `attention` (H, W) is high and almost white elsewhere."""
    small = picture.resize((2 * TILE[0], 2 * TILE[1]), Image.Resampling.BILINEAR)
    strength = np.asarray(attention, np.float32) / max(float(np.max(attention)), 1e-9)
    mask = Image.fromarray(strength).resize(small.size, Image.Resampling.BICUBIC)
    weight = DIMMED + (1 - DIMMED) * np.clip(np.asarray(mask), 0, 1)[..., None]
    mixed = np.asarray(small, np.float32) * weight + 255 * (1 - weight)
    return Image.fromarray(mixed.astype(np.uint8))


def text(value: Any) -> str:
    """A string of a response, which TensorFlow hands over as bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)


def _embedded(picture: Image.Image, size: tuple[int, int]) -> str:
    picture = picture.copy()
    picture.thumbnail(size)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"
