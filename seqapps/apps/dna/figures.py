"""Figures of the evaluation: curves beside the baselines', calibration, logos.

Axis letters: N rows, L sequence in bp, P places of a motif. A panel's rows are
`{answer's name: (bound (N,), probability (N,))}`, the network first.
"""

from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from logomaker import Logo
from matplotlib.figure import Figure

from seqapps.apps.dna.motifs import Finding
from seqapps.kit import plots

RIVAL_COLOURS = ("#8a8a8a", "#c05a00", "#d9a400", "#3a8f5c", "#8f4fa8")
BASES = list("ACGT")
BASE_COLOURS = {"A": "#3a8f5c", "C": "#0b5fa5", "G": "#d9a400", "T": "#c0392b"}
AGAINST = {
    "shuffles": "sites against their own dinucleotide shuffles",
    "peaks": "sites against the sites of the other factors",
}
SHOWN_BP = 61
CALIBRATION_GROUPS, FEWEST_ROWS = 10, 10

Rows = list[dict[str, tuple[np.ndarray, np.ndarray]]]


def roc(names: list[str], rows: Rows, auroc: Callable[..., float], *, task: str) -> Figure:
    """ROC curves of the test split, a panel per factor, AUROC in the legend."""

    def draw(panel: Any, bound: np.ndarray, *, probability: np.ndarray, **style: Any) -> None:
        order = np.argsort(-probability, kind="stable")
        hits = bound[order]
        last = np.flatnonzero(np.diff(probability[order], append=np.inf))
        share = [np.cumsum(kind)[last] / max(kind.sum(), 1) for kind in (~hits, hits)]
        panel.plot(*(np.concatenate([[0], values]) for values in share), **style)

    drawn = _curves(names, rows, draw, auroc)
    for panel in drawn.axes:
        panel.plot([0, 1], [0, 1], color=plots.REFERENCE, linestyle=":", linewidth=1, zorder=0)
        panel.set_xlabel("false positive rate")
    drawn.axes[0].set_ylabel("true positive rate")
    drawn.suptitle(f"ROC, test split: {AGAINST[task]} (AUROC in the legend)")
    return drawn


def precision_recall(
    names: list[str],
    rows: Rows,
    points: Callable[..., tuple[np.ndarray, np.ndarray]],
    auprc: Callable[..., float],
    *,
    task: str,
) -> Figure:
    """Precision-recall curves of labels and probabilities (N,), a panel per factor, with AUPRC."""

    def draw(panel: Any, bound: np.ndarray, *, probability: np.ndarray, **style: Any) -> None:
        precision, recall = points(bound, probability)
        panel.plot(recall, precision, drawstyle="steps-pre", **style)

    drawn = _curves(names, rows, draw, auprc)
    for panel, answers in zip(drawn.axes, rows, strict=True):
        share = float(np.mean(answers["network"][0]))
        panel.axhline(share, color=plots.REFERENCE, linestyle=":", linewidth=1)
        panel.set_xlabel("recall")
        panel.set_ylim(0, 1.02)
    drawn.axes[0].set_ylabel("precision (dotted: share of sites)")
    drawn.suptitle(f"Precision and recall, test split: {AGAINST[task]} (AUPRC in the legend)")
    return drawn


def calibration(names: list[str], rows: Rows) -> Figure:
    """Share of sites against the network's probability, in ten groups of equal width.

    A group of fewer than ten test rows is left out.
    """
    edges = np.linspace(0, 1, CALIBRATION_GROUPS + 1)[1:-1]
    with mpl.rc_context(plots.STYLE):
        drawn = plots.figure(5.4, 4.8)
        panel = drawn.subplots()
        panel.plot([0, 1], [0, 1], color=plots.REFERENCE, linestyle=":", label="perfect")
        colours = [plots.MODEL, *RIVAL_COLOURS[1:]]
        for number, (name, answers) in enumerate(zip(names, rows, strict=True)):
            bound, probability = answers["network"]
            group = np.digitize(probability, edges)
            kept = [group == one for one in range(CALIBRATION_GROUPS)]
            kept = [members for members in kept if members.sum() >= FEWEST_ROWS]
            means = [
                [values[members].mean() for members in kept] for values in (probability, bound)
            ]
            colour = colours[number % len(colours)]
            panel.plot(*means, "o--", linewidth=0.7, markersize=6, color=colour, label=name)
        panel.set_xlabel("mean probability of the group")
        panel.set_ylabel("share of sites in the group")
        panel.legend()
        drawn.suptitle("Calibration, test split: sites and their own shuffles")
    return drawn


def logo(finding: Finding) -> Figure:
    """Logos: one site, the motif of many sites, and JASPAR's below it."""
    motif, match = finding.motif, finding.match
    with mpl.rc_context(plots.STYLE | {"axes.grid": False}):
        drawn = plots.figure(9.0, 6.2)
        site, recovered, known = drawn.subplots(3, 1)
        _site(site, finding)
        left = min(0, match.start)
        right = max(motif.frequencies.shape[1], match.start + match.frequencies.shape[1])
        _bits(recovered, motif.frequencies, 0, (left, right))
        recovered.set_title(f"motif of the {finding.sites} best-scored test sites")
        _bits(known, match.frequencies, match.start, (left, right))
        known.set_title(
            f"JASPAR {match.id} {match.name} ({match.family}), TOMTOM q = {match.q:.1g}"
        )
        drawn.suptitle(f"{finding.factor}: recovered motif")
    return drawn


def _curves(names: list[str], rows: Rows, draw: Any, area: Callable[..., float]) -> Figure:
    with mpl.rc_context(plots.STYLE):
        drawn = plots.figure(4.1 * len(names), 5.2)
        panels = drawn.subplots(1, len(names), sharey=True, squeeze=False)[0]
        for panel, name, answers in zip(panels, names, rows, strict=True):
            for number, (answer, (bound, probability)) in enumerate(answers.items()):
                style = (
                    {"color": RIVAL_COLOURS[(number - 1) % len(RIVAL_COLOURS)], "linewidth": 1.3}
                    if number
                    else {"color": plots.MODEL, "linewidth": 2.2, "zorder": 3}
                )
                draw(
                    panel,
                    bound,
                    probability=probability,
                    label=f"{answer} {area(bound, probability):.3f}",
                    **style,
                )
            panel.set_title(f"{name}, {int(next(iter(answers.values()))[0].sum())} sites")
            panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    return drawn


def _site(panel: Any, finding: Finding) -> None:
    bases, effect = finding.bases, finding.effect
    owed = bases * (-effect.sum(axis=1, keepdims=True) / 3)
    centre = int(np.convolve(owed.sum(axis=1), np.ones(15), "same").argmax())
    width = min(SHOWN_BP, len(bases))
    start = int(np.clip(centre - width // 2, 0, len(bases) - width))
    table = pd.DataFrame(owed[start : start + width], columns=BASES)  # pyright: ignore[reportArgumentType] stubs take no list
    table.index = range(start, start + width)
    Logo(table, ax=panel, color_scheme=BASE_COLOURS, flip_below=False)
    panel.axhline(0, color=plots.REFERENCE, linewidth=0.8)
    panel.set_xlabel(f"position in the window of {len(bases)} bp")
    panel.set_ylabel("logit lost if\nchanged (mean)")
    panel.set_title("best-scored test site, in-silico mutagenesis")


def _bits(panel: Any, frequencies: np.ndarray, start: int, limits: tuple[int, int]) -> None:
    bits = 2 + (frequencies * np.log2(frequencies)).sum(axis=0)
    table = pd.DataFrame((frequencies * bits).T, columns=BASES)  # pyright: ignore[reportArgumentType] stubs take no list
    table.index = range(start, start + len(table))
    Logo(table, ax=panel, color_scheme=BASE_COLOURS)
    panel.set_xlim(limits[0] - 0.5, limits[1] - 0.5)
    panel.set_xticks([])
    panel.set_ylim(0, 2)
    panel.set_ylabel("bits")
