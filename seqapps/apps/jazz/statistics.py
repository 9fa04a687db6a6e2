"""Statistics of a line over a chart, to compare samples, real tunes and a walk.

All are of one line; see `of_line`. Axis letters: T notes, N beats.
"""

from typing import NamedTuple

import numpy as np

from seqapps.apps.jazz.frontend import LONGEST
from seqapps.apps.jazz.tunes import LOWEST, TICKS

SIXTEENTH = TICKS // 4
MAJOR = (0, 2, 4, 5, 7, 9, 11)


class Played(NamedTuple):
    """A line and its chart, both in C: values int (T,), chords 0/1 (N, 12), ticks."""

    values: np.ndarray
    chords: np.ndarray
    beat: int
    bar: int
    pickup: int

    @property
    def pitch_index(self) -> np.ndarray:
        """Places of the pitches int (T,), 0 = rest."""
        return self.values // LONGEST

    @property
    def ticks(self) -> np.ndarray:
        """Durations in ticks, int (T,)."""
        return self.values % LONGEST + 1

    @property
    def onset(self) -> np.ndarray:
        """Ticks since the line began, int (T,)."""
        return np.cumsum(self.ticks) - self.ticks

    @property
    def classes(self) -> np.ndarray:
        """Pitch classes int (T,) of the notes that sound."""
        return (self.pitch_index[self.pitch_index > 0] + LOWEST - 1) % 12


def of_line(played: Played, rng: np.random.Generator) -> dict[str, float]:
    """Chord-tone shares, groove similarity, scale consistency, empty bars."""
    chords = played.chords
    return {
        "chord_tones": chord_tones(played, chords),
        "chord_tones_permuted": chord_tones(played, rng.permutation(chords)),
        "groove_similarity": groove_similarity(played),
        "scale_consistency": scale_consistency(played),
        "empty_bars": empty_bars(played),
    }


def chord_tones(played: Played, chords: np.ndarray) -> float:
    """Share of sounding notes (T,) whose pitch class is in the chord of their beat.

    Beats without a chord do not count.
    """
    sounds = played.pitch_index > 0
    beat = np.minimum(played.onset[sounds] // played.beat, len(chords) - 1)
    has_chord = chords[beat].any(axis=1)
    right = chords[beat, played.classes] > 0
    return float(right[has_chord].mean()) if has_chord.any() else float("nan")


def groove_similarity(played: Played) -> float:
    """One less the mean share of sixteenths in which two bars' onsets differ, over all pairs.

    Wu & Yang, ISMIR 2020, "groove pattern similarity".
    """
    patterns = _bars(played)
    count = len(patterns)
    if count < 2:
        return float("nan")
    on = patterns.astype(float)
    differ = on @ (1 - on).T + (1 - on) @ on.T
    return float(1 - differ.sum() / (count * (count - 1)) / patterns.shape[1])


def scale_consistency(played: Played) -> float:
    """Largest share of sounding notes in any one major scale (Mogren 2016)."""
    count = np.bincount(played.classes, minlength=12)
    scales = [sum(count[(tonic + step) % 12] for step in MAJOR) for tonic in range(12)]
    return float(max(scales) / max(count.sum(), 1))


def empty_bars(played: Played) -> float:
    """Share of bars in which no note begins."""
    return float((~_bars(played).any(axis=1)).mean())


def longest_copied(line: np.ndarray, others: list[np.ndarray]) -> int:
    """Length of the longest run of a line (T,) that lies, pitch and duration, in another."""
    longest = 0
    for other in others:
        run = np.zeros(len(other) + 1, int)
        for value in line:
            run[1:] = np.where(other == value, run[:-1] + 1, 0)
            longest = max(longest, int(run.max()))
    return longest


def divergence(counts: np.ndarray, reference: np.ndarray) -> float:
    """Kullback-Leibler divergence in nats of two histograms, one added to each count.

    >>> float(round(divergence(np.array([2, 0]), np.array([0, 2])), 3))
    0.549
    """
    p, q = (np.asarray(c, float) + 1 for c in (counts, reference))
    p, q = p / p.sum(), q / q.sum()
    return float((p * np.log(p / q)).sum())


def histograms(played: Played) -> dict[str, np.ndarray]:
    """Counts of pitch classes (12,) and of durations (48,) of the notes that sound."""
    ticks = played.ticks[played.pitch_index > 0]
    return {
        "pitch_class": np.bincount(played.classes, minlength=12),
        "duration": np.bincount(ticks - 1, minlength=LONGEST),
    }


def similarity(played: Played) -> np.ndarray:
    """Self-similarity (B, B) of the B bars: share of sixteenths on which both sound alike.

    Alike is the same pitch, or both silent; a beat counts if either sounds.
    """
    bars = _pitches(played)
    same = bars[:, None] == bars[None]
    either = (bars[:, None] > 0) | (bars[None] > 0)
    return (same & either).sum(-1) / np.maximum(either.sum(-1), 1)


def random_walk(
    like: Played, durations: np.ndarray, start: int, rng: np.random.Generator
) -> np.ndarray:
    """Values (T,) of a walk over a chart: the nearest chord tones, real durations.

    Each note is one of the four chord tones nearest to the last one, each as likely as the others;
    its length is drawn from `durations`. `start` is the first place.
    """
    total, onset, pitch_index, notes = len(like.chords) * like.beat, 0, start, []
    while onset < total:
        ticks = min(int(rng.choice(durations)), total - onset)
        chord = like.chords[onset // like.beat]
        tones = [p for p in range(1, 66) if chord[(p + LOWEST - 1) % 12]]
        near = sorted(tones, key=lambda p: abs(p - pitch_index))[:4]
        pitch_index = int(rng.choice(near)) if near else pitch_index
        notes.append(pitch_index * LONGEST + ticks - 1)
        onset += ticks
    return np.array(notes)


def _bars(played: Played) -> np.ndarray:
    """Onsets bool (bars, sixteenths): a note begins in the sixteenth."""
    return _grid(played, played.onset[played.pitch_index > 0], 1) > 0


def _pitches(played: Played) -> np.ndarray:
    sounds = played.pitch_index > 0
    return _grid(played, played.onset[sounds], played.pitch_index[sounds])


def _grid(played: Played, onset: np.ndarray, put: np.ndarray | int) -> np.ndarray:
    total = len(played.chords) * played.beat
    first = (played.bar - played.pickup) % played.bar
    bars = -(-(total + first) // played.bar)
    grid = np.zeros(bars * (played.bar // SIXTEENTH), int)
    at = (onset + first) // SIXTEENTH
    inside = at < len(grid)
    grid[at[inside]] = put if np.isscalar(put) else np.asarray(put)[inside]
    return grid.reshape(bars, -1)
