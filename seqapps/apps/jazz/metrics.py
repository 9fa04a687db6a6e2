"""Scores of each note of a tune under a network's or an n-gram's answer.

Axis letters: T notes, P pitches, D durations, V values, K likeliest values shown.
"""

from functools import lru_cache

import numpy as np

from seqapps.app import Columns
from seqapps.apps.jazz import preprocess
from seqapps.apps.jazz.frontend import LONGEST, PITCHES, VALUES
from seqapps.apps.jazz.preprocess import REQUEST
from seqapps.apps.jazz.tunes import TICKS

REPEAT = 5
"""A note is new if the run of so many notes that it ends was not in the tune before."""


def note_scores(truth: Columns, response: Columns, *, row: int) -> dict[str, np.ndarray]:
    """Per note (T,) of one tune: negative log-probabilities, hits, quarters, whether it is new."""
    value, new = _values(*(truth[name][row].tobytes() for name in REQUEST))
    length = min(len(value), len(response["log_probability"][row]))
    index, ticks = value[:length] // LONGEST, value[:length] % LONGEST
    at = np.arange(length)
    pitches = response["pitch_log_probability"][row][:length]
    pitch = np.full(len(value), -np.log(PITCHES))
    pitch[:length] = pitches[at, index]
    both = np.full(len(value), -np.log(VALUES))
    both[:length] = pitch[:length] + response["duration_log_probability"][row][:length][at, ticks]
    hits = np.zeros((len(value), response["top_pitch"][row].shape[-1]), bool)
    hits[:length] = (response["top_pitch"][row][:length] == truth["pitch"][row][:length, None]) & (
        np.rint(response["top_duration"][row][:length] * TICKS) == ticks[:, None] + 1
    )
    rank = np.full(len(value), PITCHES)
    rank[:length] = (pitches >= pitches[at, index][:, None]).sum(axis=1) - 1
    return {
        "nll": -both,
        "pitch_nll": -pitch,
        "top1": hits[:, 0],
        "top5": hits.any(axis=1),
        "pitch_top1": rank < 1,
        "pitch_top5": rank < 5,
        "quarters": truth["duration"][row],
        "new": new,
    }


@lru_cache(maxsize=256)
def _values(*columns: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Values (T,) of a tune given as bytes of its columns, and which of its notes are new."""
    kinds = dict(zip(REQUEST, columns, strict=True))
    dtypes = {"duration": np.float32, "chords": np.float32, "pickup": np.float32}
    read = {name: np.frombuffer(raw, dtypes.get(name, np.int64)) for name, raw in kinds.items()}
    read["chords"] = read["chords"].reshape(-1, 12)
    read["pickup"] = read["pickup"][0]
    value = preprocess.values(read)
    known: set[tuple[int, ...]] = set()
    new = np.ones(len(value), bool)
    for index in range(REPEAT - 1, len(value)):
        run = tuple(value[index - REPEAT + 1 : index + 1].tolist())
        new[index] = run not in known
        known.add(run)
    return value, new
