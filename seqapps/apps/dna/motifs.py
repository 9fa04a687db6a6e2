"""Motifs: scanned for in sequences, recovered from substitution effects, compared with JASPAR.

Axis letters: N sequences, W window in bp, P places of a motif, M matrices. Bases are one-hot
float32 (N, W, 4) in the order A, C, G, T, N all zeros; a matrix is (4, P).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from memelite import tomtom
from scipy.stats import false_discovery_control

PSEUDOCOUNT = 1.0
ROWS_AT_ONCE = 1000

MOTIF_BP = 25
"""Longest motif looked for: CTCF's core and both halves of p53's site fit."""

ROUNDS, STARTS = 10, 8
KEPT_SHARE = 0.2
"""A recovered motif is trimmed to where substitutions cost this share of the worst place's."""

MATCH_Q = 0.05
FAMILIES = {
    "oct4": {"POU domain factors", "SOX-related factors"},
    "mafk": {"Maf-related"},
    "ctcf": {"CTCF", "CTCFL"},
    "tap73": {"p53-related factors"},
}
"""JASPAR families or names that count as a factor's own. Oct4 binds together with Sox2; "More than
3 adjacent zinc fingers" is no family of one motif, so CTCF goes by name."""


@dataclass(frozen=True)
class Motif:
    """A motif: base frequencies (4, P), and the logit owed to each base (P, 4)."""

    frequencies: np.ndarray
    contribution: np.ndarray


@dataclass(frozen=True)
class Match:
    """A JASPAR matrix beside a motif: `start` is where its first place lies on the motif's."""

    id: str
    name: str
    family: str
    q: float
    start: int
    frequencies: np.ndarray


class Finding(NamedTuple):
    """A factor's motif, its match, and the effects on the best-scored test site.

    `sites` sites were mutated; `bases` one-hot float32 (W, 4) and `effect` float32 (W, 4) are those
    of the best.
    """

    factor: str
    motif: Motif
    match: Match
    sites: int
    bases: np.ndarray
    effect: np.ndarray


def jaspar(raw: Path) -> dict[str, dict[str, Any]]:
    """JASPAR's matrices by id: name, family ("::" joins a complex's) and counts (4, P)."""
    known = json.loads((raw / "jaspar.json").read_text())
    return {id: entry | {"matrix": np.array(entry["matrix"])} for id, entry in known.items()}


def frequencies(counts: np.ndarray) -> np.ndarray:
    """Base frequencies (4, P) of counts, a pseudocount spread over the four bases."""
    return (counts + PSEUDOCOUNT / 4) / (counts.sum(axis=0) + PSEUDOCOUNT)


def log_odds(counts: np.ndarray) -> np.ndarray:
    """Log-odds in bits, float32 (4, P), against bases that are equally likely."""
    return np.log2(frequencies(counts) / 0.25).astype(np.float32)


def best_hits(bases: np.ndarray, matrices: Sequence[np.ndarray]) -> np.ndarray:
    """Each matrix's highest sum over places and strands, float32 (N, M).

    Args:
        bases: one-hot (N, W, 4).
        matrices: log-odds (4, P), P at most W.
    """
    hits = np.empty((len(bases), len(matrices)), np.float32)
    lengths = np.array([matrix.shape[1] for matrix in matrices])
    for length in np.unique(lengths):
        same = np.flatnonzero(lengths == length)
        forward = np.stack([matrices[number] for number in same])
        both = np.concatenate([forward, forward[:, ::-1, ::-1]]).reshape(2 * len(same), -1).T
        for start in range(0, len(bases), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            places = np.lib.stride_tricks.sliding_window_view(bases[rows], length, axis=1)
            sums = places.reshape(*places.shape[:2], -1) @ both
            hits[rows, same] = sums.max(axis=1).reshape(-1, 2, len(same)).max(axis=1)
    return hits


def recover(bases: np.ndarray, effect: np.ndarray) -> Motif:
    """The motif that most sequences share where substitutions cost most.

    A base's contribution is minus the mean effect of its three substitutions. Windows of the
    contributions, one per sequence and on either strand, are aligned to their own mean, beginning
    with the richest window of each of a few sequences; the alignment that agrees best is kept.

    Args:
        bases: one-hot (N, W, 4).
        effect: change of logit by substitution (N, W, 4).
    """
    beside = ((0, 0), (MOTIF_BP, MOTIF_BP), (0, 0))  # a motif at an end can be aligned too
    bases, effect = np.pad(bases, beside), np.pad(effect, beside)
    owed = bases * (-effect.sum(axis=2, keepdims=True) / 3)
    both = np.stack([owed, owed[:, ::-1, ::-1]], axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(both, MOTIF_BP, axis=2).swapaxes(-1, -2)
    alignments = [_align(windows, number) for number in range(min(STARTS, len(bases)))]
    _, strand, offset = max(alignments, key=lambda one: one[0])
    stranded = np.stack([bases, bases[:, ::-1, ::-1]], axis=1)
    chosen = offset[:, None] + np.arange(MOTIF_BP)
    rows = np.arange(len(bases))
    counts = stranded[rows[:, None], strand[:, None], chosen].sum(axis=0).T
    mean = windows[rows, strand, offset].mean(axis=0)
    kept = _kept(mean)
    return Motif(frequencies(counts)[:, kept], mean[kept])


def nearest(motif: Motif, known: dict[str, dict[str, Any]]) -> Match:
    """The JASPAR matrix with the lowest TOMTOM p-value (Gupta et al., Genome Biol 8:R24, 2007).

    q is Benjamini and Hochberg's over all the matrices of `known`.
    """
    targets = [frequencies(entry["matrix"]) for entry in known.values()]
    p, _, offsets, _, strands = (
        np.asarray(column)[0] for column in tomtom([motif.frequencies], targets, n_jobs=1)
    )
    best = int(np.argmin(p))
    id, entry = list(known.items())[best]
    turned = targets[best][::-1, ::-1] if strands[best] else targets[best]
    q = float(false_discovery_control(np.clip(p, 0, 1))[best])
    return Match(id, entry["name"], entry["family"], q, -int(offsets[best]), turned)


def in_family(factor: str, match: Match) -> bool | None:
    """True if the match is significant and of the factor's family; None for other factors."""
    if factor not in FAMILIES:
        return None
    return match.q <= MATCH_Q and bool(FAMILIES[factor] & {match.name, *match.family.split("::")})


def _align(windows: np.ndarray, first: int) -> tuple[float, np.ndarray, np.ndarray]:
    """Agreement, strands (N,) and places (N,) of windows (N, 2, places, P, 4)."""
    richest = int(windows[first, 0].sum(axis=(1, 2)).argmax())
    mean = windows[first, 0, richest]
    count, _, places = windows.shape[:3]
    for _ in range(ROUNDS):
        unit = mean / max(float(np.linalg.norm(mean)), 1e-12)
        scores = np.tensordot(windows, unit, axes=2).reshape(count, -1)
        strand, offset = np.divmod(scores.argmax(axis=1), places)
        mean = windows[np.arange(count), strand, offset].mean(axis=0)
    return float(scores.max(axis=1).mean()), strand, offset


def _kept(contribution: np.ndarray) -> slice:
    by_place = contribution.sum(axis=1)
    strong = np.flatnonzero(by_place >= KEPT_SHARE * by_place.max())
    return slice(int(strong[0]), int(strong[-1]) + 1)
