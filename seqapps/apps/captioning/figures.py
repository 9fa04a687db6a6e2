"""Figures: captions with their attention maps, and CIDEr-D by network and baseline."""

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from seqapps.apps.captioning import images, sheet
from seqapps.kit import plots

SHOWN, WORDS = 8, 16

Row = tuple[bytes, str, str]


def attention(rows: list[Row], answers: list[dict[str, Any]], *, title: str) -> Figure:
    """A line of panels per picture: itself, then the attention at each word, (M, 8, 12) per answer.

    Args:
        rows: image bytes, name, reference.
        answers: for each row the endpoint's answer.
        title: what the pictures are.
    """
    with mpl.rc_context(plots.STYLE | {"axes.grid": False}):
        # Laid out by hand: an engine would part the panels to make room for the wide titles.
        figure = Figure(figsize=(1.05 * (WORDS + 1), 1.4 * len(rows) + 0.4))
        lines = figure.subplots(len(rows), WORDS + 1, squeeze=False)
        for line, (image, name, reference), answer in zip(lines, rows, answers, strict=True):
            for panel in line:
                panel.axis("off")
            picture = images.shown(image)
            line[0].imshow(picture.resize((192, 128)))
            caption = sheet.text(answer["caption"])
            text = f"{name}\ncaption: {caption}\nreference: {reference}"[:320]
            line[0].set_title(text, loc="left", fontsize=7)
            for panel, word, weights in zip(
                line[1:], answer["words"], answer["attention"], strict=False
            ):
                if sheet.text(word):
                    panel.imshow(sheet.looked(picture, weights))
                    panel.text(
                        0.5, -0.08, sheet.text(word), transform=panel.transAxes,
                        ha="center", va="top", fontsize=7,
                    )  # fmt: skip
        figure.subplots_adjust(0.01, 0.04, 0.99, 1 - 1.2 / (1.4 * len(rows) + 0.4), 0.06, 1.1)
        figure.suptitle(f"Where the network looked at the first {WORDS} words: {title}", fontsize=9)
    return figure


def networks(cider_d: dict[str, np.ndarray]) -> Figure:
    """Mean of CIDEr-D (N,) over test pictures, with its 95 % interval, by network and baseline."""
    with mpl.rc_context(plots.STYLE):
        figure = plots.figure(7.4, 3.8)
        panel = figure.subplots()
        for index, (name, values) in enumerate(cider_d.items()):
            error = 1.96 * values.std() / np.sqrt(len(values))
            visible = name == "shipped" or name.endswith("alone") and not name.startswith("blind")
            colour = plots.MODEL if visible else plots.BASELINE
            panel.bar(index, values.mean(), yerr=error, color=colour, width=0.6, capsize=4)
        names = [name.replace(", ", "\n").replace("_", "\n") for name in cider_d]
        panel.set_xticks(range(len(names)), names, fontsize=8)
        panel.set_ylabel("CIDEr-D")
        count = len(next(iter(cider_d.values())))
        panel.set_title(f"Networks (alone: one network, greedy) and baselines, {count} pictures")
    return figure
