"""The pictures of evaluate: functions return a Figure and never save."""

import jiwer
import numpy as np
from matplotlib.figure import Figure

from seqapps import plots
from seqapps.asr import frontend

SHOWN_SPIKE = 0.3
GAP = "∅"


def spikes(
    log_mel: np.ndarray,
    log_probability: np.ndarray,
    *,
    step_seconds: float,
    words: list[tuple[str, float, float]],
    said: str,
) -> Figure:
    """Log-mel float32 (T, F) over CTC's probabilities (S, V), with the words that were read off.

    Args:
        log_mel: frames every 10 ms.
        log_probability: the blank last.
        step_seconds: of a step of the network.
        words: text, start and end in seconds.
        said: the reference.
    """
    drawn = plots.figure(9.0, 5.0)
    top, bottom = drawn.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    seconds = len(log_mel) * frontend.HOP_MS / 1000
    top.imshow(log_mel.T, origin="lower", aspect="auto", extent=(0, seconds, 0, log_mel.shape[1]))
    top.set_ylabel("mel band")
    top.grid(False)
    probability = np.exp(log_probability)
    time = (np.arange(len(probability)) + 0.5) * step_seconds
    bottom.plot(time, probability[:, -1], color=plots.REFERENCE, label="blank", linewidth=0.8)
    bottom.plot(time, probability[:, :-1].max(axis=1), color=plots.MODEL, label="best letter")
    for number, (word, start, end) in enumerate(words):
        bottom.hlines(-0.12, start, end, color=plots.BASELINE, linewidth=4)
        height = -0.3 if number % 2 else -0.55
        bottom.text((start + end) / 2, height, word, ha="center", fontsize=8)
    bottom.set_ylim(-0.7, 1.05)
    bottom.set_xlim(0, seconds)
    bottom.set_xlabel("seconds")
    bottom.set_yticks([0.0, 0.5, 1.0])
    bottom.set_ylabel("probability")
    bottom.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False)
    drawn.suptitle(f"said: {said}")
    return drawn


def attention(weights: np.ndarray, *, spelt: str, said: str, step_seconds: float) -> Figure:
    """Where the speller looked: a row for each letter of `spelt`, float32 (U, S), over time."""
    drawn = plots.figure(9.0, 0.14 * len(weights) + 1.6)
    axes = drawn.subplots()
    extent = (0, weights.shape[1] * step_seconds, len(weights) - 0.5, -0.5)
    axes.imshow(weights, aspect="auto", extent=extent, interpolation="nearest")
    axes.set_yticks(range(len(weights)), list(spelt.ljust(len(weights))), fontsize=7)
    axes.set_xlabel("seconds")
    axes.grid(False)
    drawn.suptitle(f"said: {said}")
    return drawn


def confusions(references: np.ndarray, heard: np.ndarray) -> Figure:
    """Which letter was heard for which: shares of each said letter, ∅ for none."""
    counts = pairs(references, heard)
    letters = sorted({sign for pair in counts for sign in pair} - {GAP}) + [GAP]
    table = np.zeros((len(letters), len(letters)))
    for (said, found), count in counts.items():
        table[letters.index(said), letters.index(found)] = count
    table /= np.maximum(table.sum(axis=1, keepdims=True), 1)
    drawn = plots.figure(7.0, 6.4)
    axis = drawn.subplots()
    image = axis.imshow(table, cmap="Blues", vmax=0.6)
    shown = ["␣" if letter == " " else letter for letter in letters]
    axis.set_xticks(range(len(letters)), shown)
    axis.set_yticks(range(len(letters)), shown)
    axis.grid(False)
    axis.set_xlabel("heard")
    axis.set_ylabel("said")
    drawn.colorbar(image, label="share of the said letter (row ∅: of what was added)")
    drawn.suptitle("Confusions of characters, test")
    return drawn


def bars(values: dict[str, tuple[float, int]], *, title: str) -> Figure:
    """A bar of WER per name, with how many clips it stands on."""
    drawn = plots.figure(6.4, 0.6 + 0.32 * len(values) + 0.8)
    axis = drawn.subplots()
    names = [f"{name} ({count})" for name, (_, count) in values.items()]
    axis.barh(names, [wer for wer, _ in values.values()], color=plots.MODEL)
    axis.invert_yaxis()
    axis.set_xlabel("WER")
    drawn.suptitle(title)
    return drawn


def pairs(references: np.ndarray, heard: np.ndarray) -> dict[tuple[str, str], int]:
    """How often a said character (∅: none) was heard as another (∅: not at all)."""
    found = jiwer.process_characters(references.tolist(), heard.tolist())
    counts: dict[tuple[str, str], int] = {}
    for said, text, chunks in zip(references, heard, found.alignments, strict=True):
        for chunk in chunks:
            one = said[chunk.ref_start_idx : chunk.ref_end_idx]
            other = text[chunk.hyp_start_idx : chunk.hyp_end_idx]
            size = max(len(one), len(other))
            for pair in zip(one or GAP * size, other or GAP * size, strict=True):
                counts[pair] = counts.get(pair, 0) + 1
    return counts
