"""Figures of the jazz application; each says on which tunes it stands."""

from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from seqapps.app import Evaluation
from seqapps.apps.jazz import distance, statistics
from seqapps.apps.jazz.metrics import note_scores
from seqapps.apps.jazz.params import Params
from seqapps.apps.jazz.samples import KINDS, Findings
from seqapps.apps.jazz.tunes import TICKS
from seqapps.kit import gradients, plots

COLOURS = {"samples": plots.MODEL, "real": "black", "walk": plots.BASELINE}
NAMES = {"samples": "improvised", "real": "real tunes", "walk": "chord-tone walk"}
CLASSES = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
SHOWN_TICKS = (3, 4, 6, 8, 9, 12, 18, 24, 36, 48)


def all_of(evaluation: Evaluation[Params], findings: Findings) -> Iterator[tuple[str, Figure]]:
    """Each figure's name and the figure."""
    draw = {
        "perplexity": lambda: perplexity(evaluation),
        "histograms": lambda: histograms(findings.lines),
        "chord_tones": lambda: chord_tones(findings.metrics),
        "self_similarity": lambda: self_similarity(findings.lines, evaluation.truth["key"][0]),
    }
    epochs = evaluation.params.evaluate.gradient_epochs
    if epochs:
        draw["gradients"] = lambda: gradients.figure(
            distance.norms(evaluation, epochs),
            title=f"Trained alike, reading the test tune of fold {evaluation.folds[-1]}",
        )
    for name, function in draw.items():
        with mpl.rc_context(plots.STYLE):
            drawn = function()
        yield name, drawn


def perplexity(evaluation: Evaluation[Params]) -> Figure:
    """Perplexity of (pitch, duration): model and rivals over all test tunes, a dot for each."""
    truth = evaluation.truth
    answers = {"model": evaluation.response, **evaluation.baselines}
    rows = {
        name: [note_scores(truth, answer, row=row)["nll"] for row in range(len(truth["key"]))]
        for name, answer in answers.items()
    }
    order = sorted(rows, key=lambda name: float(np.concatenate(rows[name]).mean()), reverse=True)
    drawn = plots.figure(8.0, 0.6 + 0.42 * len(order))
    panel = drawn.subplots()
    for height, name in enumerate(order):
        whole = float(np.exp(np.concatenate(rows[name]).mean()))
        colour = plots.MODEL if name == "model" else plots.REFERENCE
        panel.barh(height, whole - 1, left=1, color=colour, height=0.6)
        dots = [float(np.exp(row.mean())) for row in rows[name]]
        panel.plot(dots, [height] * len(dots), ".", color="black", markersize=5)
        panel.text(whole * 1.05, height + 0.32, f"{whole:.1f}", va="bottom", ha="left", fontsize=8)
    panel.set_xscale("log")
    panel.set_yticks(range(len(order)), order)
    panel.set_xlabel("perplexity of (pitch, duration); dots are tunes; less is better")
    panel.set_title(f"{len(truth['key'])} held-out tunes")
    return drawn


def histograms(lines: dict[str, list[list[statistics.Played]]]) -> Figure:
    """Shares of pitch classes (in C) and of durations: improvised, real, walk."""
    counts = {
        kind: [statistics.histograms(line) for tune in lines[kind] for line in tune]
        for kind in KINDS
    }
    drawn = plots.figure(11.0, 3.8)
    left, right = drawn.subplots(1, 2)
    width = 0.8 / len(KINDS)
    for number, kind in enumerate(KINDS):
        style = {"color": COLOURS[kind], "label": NAMES[kind], "width": width}
        moved = (number - 1) * width
        classes = sum(count["pitch_class"] for count in counts[kind])
        left.bar(np.arange(12) + moved, classes / np.sum(classes), **style)
        ticks = sum(count["duration"] for count in counts[kind])
        shown = np.asarray(ticks)[np.array(SHOWN_TICKS) - 1]
        right.bar(np.arange(len(shown)) + moved, shown / np.sum(ticks), **style)
    left.set_xticks(range(12), CLASSES)
    left.set_xlabel("pitch class, in C")
    right.set_xticks(range(len(SHOWN_TICKS)), [f"{t / TICKS:.3g}" for t in SHOWN_TICKS])
    right.set_xlabel("duration in quarter notes")
    left.set_ylabel("share of notes")
    right.legend()
    drawn.suptitle("Improvised over held-out charts, beside the tunes themselves and a random walk")
    return drawn


def chord_tones(metrics: dict[str, float]) -> Figure:
    """Share of notes that are in the chord of their beat: the right chords, and permuted ones."""
    drawn = plots.figure(6.4, 3.8)
    panel = drawn.subplots()
    kinds = (("chord_tones", "right chords", "o"), ("chord_tones_permuted", "permuted", "x"))
    for number, (name, label, marker) in enumerate(kinds):
        values = np.array([metrics[f"{kind}.{name}.mean"] for kind in KINDS])
        bounds = [
            np.abs([metrics[f"{kind}.{name}{end}"] for kind in KINDS] - values)
            for end in (".low95", ".high95")
        ]
        colour = plots.REFERENCE if number else plots.MODEL
        height = np.arange(len(KINDS)) + 0.1 * (2 * number - 1)
        panel.errorbar(height, values, bounds, fmt=marker, capsize=4, label=label, color=colour)
    panel.set_xticks(range(len(KINDS)), [NAMES[kind] for kind in KINDS])
    panel.set_ylabel("share of chord tones")
    panel.legend()
    panel.set_title("Chord tones (95 % intervals over tunes)")
    return drawn


def self_similarity(lines: dict[str, list[list[statistics.Played]]], name: str) -> Figure:
    """Self-similarity of bars: an improvised line beside the same bars of the real tune."""
    sample, real = lines["samples"][0][0], lines["real"][0][0]
    inside = real.onset < len(sample.chords) * sample.beat
    real = real._replace(values=real.values[inside], chords=real.chords[: len(sample.chords)])
    drawn = plots.figure(8.6, 4.2)
    for panel, played, title in zip(
        drawn.subplots(1, 2), (sample, real), ("improvised", "real"), strict=True
    ):
        shown = panel.imshow(statistics.similarity(played), vmin=0, vmax=1, cmap="Blues")
        panel.set_title(f"{title}, over {name}")
        panel.set_xlabel("bar")
        panel.grid(False)
    drawn.colorbar(shown, ax=drawn.axes, label="share of sixteenths alike", shrink=0.8)
    return drawn
