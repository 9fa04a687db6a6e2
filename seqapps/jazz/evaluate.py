"""Evaluate: how likely the held-out tunes are, beside n-grams; what improvised lines are like.

Axis letters: T notes, P pitches, D durations, V values, K likeliest values shown.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from seqapps.app import Evaluation
from seqapps.jazz import performance, preprocess, rivals
from seqapps.jazz import samples as improvised
from seqapps.jazz.front import LONGEST, PITCHES, VALUES
from seqapps.jazz.performance import Performance
from seqapps.jazz.preprocess import REQUEST
from seqapps.jazz.tunes import TICKS

Columns = dict[str, Any]

REPEAT = 5
"""A note is new if the run of so many notes that it ends was not in the tune before."""


def score(params: Any, truth: Columns, response: Columns) -> dict[str, float]:
    """Scores over all notes of all tunes; perplexity is of (pitch, duration).

    An answer that is shorter than the tune says nothing about the notes left: each of the V values
    is as likely as the others there.
    """
    del params
    rows = [judged(truth, response, row) for row in range(len(truth["key"]))]
    whole = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    nll, new = whole["nll"], whole["new"]
    return {
        "perplexity": float(np.exp(nll.mean())),
        "nll_per_note": float(nll.mean()),
        "nll_per_quarter": float(nll.sum() / whole["quarters"].sum()),
        "top1": float(whole["top1"].mean()),
        "top5": float(whole["top5"].mean()),
        "pitch_perplexity": float(np.exp(whole["pitch_nll"].mean())),
        "pitch_top1": float(whole["pitch_top1"].mean()),
        "pitch_top5": float(whole["pitch_top5"].mean()),
        "new_perplexity": float(np.exp(nll[new].mean())),
        "repeated_perplexity": float(np.exp(nll[~new].mean())) if (~new).any() else float("nan"),
    }


def judged(truth: Columns, response: Columns, row: int) -> dict[str, np.ndarray]:
    """Per note (T,) of one tune: negative log-probabilities, hits, quarters, whether it is new."""
    value, new = _told(*(truth[name][row].tobytes() for name in REQUEST))
    said = min(len(value), len(response["log_probability"][row]))
    place, ticks = value[:said] // LONGEST, value[:said] % LONGEST
    at = np.arange(said)
    pitches = response["pitch_log_probability"][row][:said]
    pitch = np.full(len(value), -np.log(PITCHES))
    pitch[:said] = pitches[at, place]
    both = np.full(len(value), -np.log(VALUES))
    both[:said] = pitch[:said] + response["duration_log_probability"][row][:said][at, ticks]
    hits = np.zeros((len(value), response["top_pitch"][row].shape[-1]), bool)
    hits[:said] = (response["top_pitch"][row][:said] == truth["pitch"][row][:said, None]) & (
        np.rint(response["top_duration"][row][:said] * TICKS) == ticks[:, None] + 1
    )
    rank = np.full(len(value), PITCHES)
    rank[:said] = (pitches >= pitches[at, place][:, None]).sum(axis=1) - 1
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


def baselines(evaluation: Evaluation) -> dict[str, Columns]:
    """Uniform, n-grams, n-grams that go on counting, the last bar again, the lectures' network."""
    return rivals.responses(evaluation)


def controls(evaluation: Evaluation) -> dict[str, Columns]:
    """The network asked about each tune with its notes in another order: it must be worse."""
    mixed = _shuffled(evaluation, ("pitch", "duration"))
    return {"shuffled_notes": evaluation.ask(evaluation.truth | mixed)}


def measure(evaluation: Evaluation) -> tuple[dict[str, float], Columns]:
    """Lines improvised over the held-out charts, beside the real ones and a walk; the chords' part.

    `chords_permuted.nll_more.*` is what the network loses, in nats a note, when it is told the
    chords of other beats.
    """
    found, findings = improvised.measured(evaluation)
    found |= _without_chords(evaluation) | _by_tune(evaluation)
    _say(found)
    return found, findings


def figures(evaluation: Evaluation, findings: Columns) -> Any:
    """See `figures`."""
    from seqapps.jazz import figures as drawn

    return drawn.all_of(evaluation, findings)


def samples(evaluation: Evaluation, findings: Columns, out: Path) -> None:
    """Writes a solo over each of the first test tunes, as `make predict` would, to hear and see."""
    truth = evaluation.truth
    for row in range(min(evaluation.params.evaluate.shown_pieces, len(truth["key"]))):
        line = findings["shown"][row]
        columns = {name: truth[name][row] for name in REQUEST}
        chart = improvised.cut(columns, 0, evaluation.params.evaluate.sample_beats)
        meter = tuple(int(n) for n in columns["meter"])
        played = Performance(
            title=f"Solo over {truth['title'][row]} (not in training)",
            solo=performance.solo_of(line),
            accompaniment=performance.comping(chart["chords"], chart["bass"], meter),
            meter=meter,
            pickup=float(chart["pickup"]),
            tonic=int(chart["tonic"][0]),
        )
        performance.write(played, out, str(truth["key"][row]))


def _shuffled(evaluation: Evaluation, names: tuple[str, ...]) -> Columns:
    """Columns whose entries are put in another order within each tune, the same for all names."""
    rng = np.random.default_rng(evaluation.params.evaluate.seed)
    truth = evaluation.truth
    mixed = {name: np.empty(len(truth["key"]), object) for name in names}
    for row in range(len(truth["key"])):
        order = rng.permutation(len(truth[names[0]][row]))
        for name, values in mixed.items():
            values[row] = truth[name][row][order]
    return mixed


def _without_chords(evaluation: Evaluation) -> dict[str, float]:
    truth = evaluation.truth
    other = evaluation.ask(truth | _shuffled(evaluation, ("chords", "bass")))
    told, not_told = (
        np.array([judged(truth, said, row)["nll"].mean() for row in range(len(truth["key"]))])
        for said in (evaluation.response, other)
    )
    return improvised.summary(
        evaluation, {"chords_permuted.nll_more": not_told - told}, truth["group"]
    )


def _by_tune(evaluation: Evaluation) -> dict[str, float]:
    answers = {"model": evaluation.response, **evaluation.baselines}
    return {
        f"perplexity_of.{str(key).replace('.', '_')}.{name}": float(
            np.exp(judged(evaluation.truth, answer, row)["nll"].mean())
        )
        for row, key in enumerate(evaluation.truth["key"])
        for name, answer in answers.items()
    }


@lru_cache(maxsize=256)
def _told(*columns: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Values (T,) of a tune given as bytes of its columns, and which of its notes are new."""
    kinds = dict(zip(REQUEST, columns, strict=True))
    dtypes = {"duration": np.float32, "chords": np.float32, "pickup": np.float32}
    read = {name: np.frombuffer(raw, dtypes.get(name, np.int64)) for name, raw in kinds.items()}
    read["chords"] = read["chords"].reshape(-1, 12)
    read["pickup"] = read["pickup"][0]
    value = preprocess.values(read)
    seen: set[tuple[int, ...]] = set()
    new = np.ones(len(value), bool)
    for place in range(REPEAT - 1, len(value)):
        run = tuple(value[place - REPEAT + 1 : place + 1].tolist())
        new[place] = run not in seen
        seen.add(run)
    return value, new


def _say(found: dict[str, float]) -> None:
    for kind in improvised.KINDS:
        right, permuted = (
            [found[f"{kind}.{name}.{end}"] for end in ("mean", "low95", "high95")]
            for name in ("chord_tones", "chord_tones_permuted")
        )
        print(
            f"jazz evaluate: {kind}: chord tones {right[0]:.3f} ({right[1]:.3f}..{right[2]:.3f}), "
            f"permuted chords {permuted[0]:.3f} ({permuted[1]:.3f}..{permuted[2]:.3f}), longest "
            f"copied {found[f'{kind}.longest_copied.most']:.0f}"
        )
