"""Generated flags in plain colours with the words they must get: a check, never trained on.

No network ever learns from them.
"""

import io
import re
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

WIDTH, HEIGHT = 240, 160
COLOURS = {
    "red": "#d21034",
    "white": "#ffffff",
    "blue": "#0039a6",
    "green": "#007a3d",
    "yellow": "#fcd116",
    "black": "#000000",
}
SAID_AS = {"golden": "yellow", "gold": "yellow"}
COLOUR_WORDS = {*COLOURS, *SAID_AS, "orange", "maroon", "purple", "brown", "grey", "gray"}
CHOICES = {
    "tricolour": (
        ("red", "white", "blue"),
        ("blue", "yellow", "green"),
        ("black", "red", "yellow"),
        ("green", "yellow", "blue"),
    ),
    "cross": (("blue", "white"), ("red", "white"), ("green", "yellow"), ("white", "red")),
    "star": (("green", "yellow"), ("red", "yellow"), ("blue", "white"), ("white", "red")),
}
"""Kind -> the colours of each drawn flag, in the order in which a description names them."""


class Flag(NamedTuple):
    """A drawn flag: PNG bytes, its kind and colours, and the part (H, W) each word is about."""

    image: bytes
    kind: str
    colours: tuple[str, ...]
    parts: dict[str, np.ndarray]


def flags() -> list[Flag]:
    """All drawn flags; the first of each kind is the one the card names."""
    return [flag(kind, colours) for kind, choices in CHOICES.items() for colours in choices]


def flag(kind: str, colours: tuple[str, ...]) -> Flag:
    """A flag of vertical bands, of a cross that reaches the edges, or of a star in the centre."""
    ground = Image.new("L", (WIDTH, HEIGHT), 0)
    pen = ImageDraw.Draw(ground)
    if kind == "tricolour":
        for number in (1, 2):
            pen.rectangle([number * WIDTH // 3, 0, WIDTH, HEIGHT], fill=number)
    elif kind == "cross":
        pen.rectangle([WIDTH * 5 // 16, 0, WIDTH * 7 // 16, HEIGHT], fill=1)
        pen.rectangle([0, HEIGHT * 13 // 32, WIDTH, HEIGHT * 19 // 32], fill=1)
    else:
        pen.polygon(_star(WIDTH / 2, HEIGHT / 2, radius=HEIGHT * 0.32), fill=1)
    region = np.asarray(ground)
    parts = {colour: region == number for number, colour in enumerate(colours)}
    if kind != "tricolour":
        parts[kind] = region == 1
    painted = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for colour in colours:
        painted[parts[colour]] = tuple(bytes.fromhex(COLOURS[colour][1:]))
    out = io.BytesIO()
    Image.fromarray(painted).save(out, "PNG")
    return Flag(out.getvalue(), kind, colours, parts)


def right(caption: str, kind: str, *, colours: tuple[str, ...]) -> bool:
    """True if a caption names the layout and exactly the colours, in order of first mention.

    >>> right("red with a white cross that extends to the edges", "cross", colours=("red", "white"))
    True
    """
    words = caption.split()
    named = [SAID_AS.get(word, word) for word in words if word in COLOUR_WORDS]
    layout = {
        "tricolour": r"\bvertical bands\b",
        "cross": r"\bcross\b",
        "star": r"\bstar\b",
    }[kind]
    clash = "horizontal" in words and kind == "tricolour"
    return tuple(dict.fromkeys(named)) == colours and bool(re.search(layout, caption)) and not clash


def focus(flag: Flag, words: list[str], maps: np.ndarray) -> list[tuple[float, float]]:
    """(attention on the part a word names, that part's share of the picture) for each such word.

    Args:
        flag: the drawn flag.
        words: of the caption, "" after the last.
        maps: float32 (L, H, W), attention at each word, summing to 1.
    """
    rows, columns = maps.shape[1:]
    shares = []
    for word, attention in zip(words, maps, strict=True):
        if word in flag.parts:
            part = Image.fromarray(flag.parts[word].astype(np.float32))
            share = np.asarray(part.resize((columns, rows), Image.Resampling.BOX))
            shares.append((float((attention * share).sum()), float(share.mean())))
    return shares


def _star(across: float, down: float, *, radius: float) -> list[tuple[float, float]]:
    angles = np.pi * (np.arange(10) / 5 - 0.5)
    reach = np.where(np.arange(10) % 2, radius * 0.382, radius)
    return [
        (across + r * np.cos(a), down + r * np.sin(a)) for r, a in zip(reach, angles, strict=True)
    ]
