"""The style of all figures; functions return a Figure, only `save` writes a file."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

STYLE: Any = {
    "figure.dpi": 110,
    "font.size": 10,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#e6e6e6",
    "legend.frameon": False,
    "lines.linewidth": 1.6,
}
MODEL, BASELINE, REFERENCE = "#0b5fa5", "#c05a00", "#8a8a8a"
"""Colours of the model, its best baseline and reference lines; distinct to colour-blind readers."""


def figure(width: float = 6.4, height: float = 4.0) -> Figure:
    """An empty figure of `width` x `height` inches in the common style."""
    with mpl.rc_context(STYLE):
        return Figure(figsize=(width, height), layout="constrained")


def save(drawn: Figure, path: Path) -> None:
    """Writes a figure as PNG."""
    with mpl.rc_context(STYLE):
        drawn.savefig(path, dpi=STYLE["figure.dpi"], metadata={"Software": ""})


def learning_curves(history: dict[str, list[dict[str, float]]], *, title: str) -> Figure:
    """Train and validation values by epoch, one panel per metric, one line per fold.

    Args:
        history: fold -> rows of `history.csv`.
        title: the name of the model.
    """
    rows = next(iter(history.values()))
    names = [name for name in rows[0] if name != "epoch" and not name.startswith("val_")]
    with mpl.rc_context(STYLE):
        drawn = figure(5.0 * len(names), 3.6)
        panels = drawn.subplots(1, len(names), squeeze=False)[0]
        for panel, name in zip(panels, names, strict=True):
            _curve(panel, history, name)
        panels[0].legend()
        drawn.suptitle(f"{title}: learning curves")
    return drawn


def _curve(panel, history: dict[str, list[dict[str, float]]], name: str) -> None:
    for number, rows in enumerate(history.values()):
        epochs = [row["epoch"] for row in rows]
        for key, label, colour in (
            (name, "train", REFERENCE),
            (f"val_{name}", "validation", MODEL),
        ):
            if key in rows[0]:
                values = [row[key] for row in rows]
                marker = "." if len(epochs) < 30 else None
                text = label if number == 0 else None
                panel.plot(epochs, values, color=colour, label=text, marker=marker)
    panel.set_xlabel("epoch")
    panel.set_ylabel(name)
    panel.xaxis.get_major_locator().set_params(integer=True)
