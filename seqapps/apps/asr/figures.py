"""The pictures of evaluate: functions return a Figure and never save."""

import jiwer
import numpy as np
from matplotlib.figure import Figure

from seqapps.apps.asr.nn import frontend
from seqapps.kit import plots

GAP = "∅"


def spikes(
    log_mel: np.ndarray,
    log_probability: np.ndarray,
    *,
    step_seconds: float,
    words: list[tuple[str, float, float]],
    reference: str,
) -> Figure:
    """Log-mel float32 (T, F) over CTC's probabilities (S, V), with the words that were read off.

    Args:
        log_mel: frames every 10 ms.
        log_probability: the blank last.
        step_seconds: of a step of the network.
        words: reference, start and end in seconds.
        reference: the transcript.
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
    drawn.suptitle(f"reference: {reference}")
    return drawn


def attention(weights: np.ndarray, *, text: str, reference: str, step_seconds: float) -> Figure:
    """Attention of the speller over time: a row for each letter of `text`, float32 (U, S)."""
    drawn = plots.figure(9.0, 0.14 * len(weights) + 1.6)
    axes = drawn.subplots()
    extent = (0, weights.shape[1] * step_seconds, len(weights) - 0.5, -0.5)
    axes.imshow(weights, aspect="auto", extent=extent, interpolation="nearest")
    axes.set_yticks(range(len(weights)), list(text.ljust(len(weights))), fontsize=7)
    axes.set_xlabel("seconds")
    axes.grid(False)
    drawn.suptitle(f"reference: {reference}")
    return drawn


def confusions(references: np.ndarray, hypotheses: np.ndarray) -> Figure:
    """Confusions of letters (N, texts each): shares of each reference letter, ∅ for none."""
    counts = pairs(references, hypotheses)
    letters = sorted({sign for pair in counts for sign in pair} - {GAP}) + [GAP]
    table = np.zeros((len(letters), len(letters)))
    for (expected, decoded), count in counts.items():
        table[letters.index(expected), letters.index(decoded)] = count
    table /= np.maximum(table.sum(axis=1, keepdims=True), 1)
    drawn = plots.figure(7.0, 6.4)
    axis = drawn.subplots()
    image = axis.imshow(table, cmap="Blues", vmax=0.6)
    shown = ["␣" if letter == " " else letter for letter in letters]
    axis.set_xticks(range(len(letters)), shown)
    axis.set_yticks(range(len(letters)), shown)
    axis.grid(False)
    axis.set_xlabel("recognised")
    axis.set_ylabel("reference")
    drawn.colorbar(image, label="share of the reference letter (row ∅: of insertions)")
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


def pairs(references: np.ndarray, hypotheses: np.ndarray) -> dict[tuple[str, str], int]:
    """Counts of (reference, decoded) characters over texts (N,), ∅ for none."""
    aligned = jiwer.process_characters(references.tolist(), hypotheses.tolist())
    counts: dict[tuple[str, str], int] = {}
    for reference, text, chunks in zip(references, hypotheses, aligned.alignments, strict=True):
        for chunk in chunks:
            one = reference[chunk.ref_start_idx : chunk.ref_end_idx]
            other = text[chunk.hyp_start_idx : chunk.hyp_end_idx]
            size = max(len(one), len(other))
            for pair in zip(one or GAP * size, other or GAP * size, strict=True):
                counts[pair] = counts.get(pair, 0) + 1
    return counts
