"""Evaluate: likelihood of held-out tunes beside n-grams, and statistics of improvised lines.

Axis letters: N tunes, T notes, V values.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from seqapps.app import Baseline, Columns, Evaluation
from seqapps.apps.jazz import baselines as baseline_models
from seqapps.apps.jazz import figures as drawings
from seqapps.apps.jazz import performance
from seqapps.apps.jazz import samples as improvised
from seqapps.apps.jazz.metrics import note_scores
from seqapps.apps.jazz.params import Params
from seqapps.apps.jazz.performance import Performance
from seqapps.apps.jazz.preprocess import REQUEST
from seqapps.apps.jazz.samples import Findings


def score(params: Params, truth: Columns, response: Columns) -> dict[str, float]:
    """Scores of `log_probability` (T,) over all notes of all tunes, per (pitch, duration).

    An answer that is shorter than the tune says nothing about the notes left: each of the V values
    is as likely as the others there.
    """
    del params
    rows = [note_scores(truth, response, row=row) for row in range(len(truth["key"]))]
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


def baselines(evaluation: Evaluation[Params]) -> dict[str, Baseline]:
    """Answers (N, ...) of uniform, n-grams, adaptive ones, the last bar, viewpoints, deepjazz."""
    return {
        name: Baseline(answers, None if name == "uniform" else evaluation.trained_rows)
        for name, answers in baseline_models.responses(evaluation).items()
    }


def controls(evaluation: Evaluation[Params]) -> dict[str, Columns]:
    """Answers (N, ...) of the network to tunes with their notes in another order."""
    shuffled = _shuffled(evaluation, ("pitch", "duration"))
    return {"shuffled_notes": evaluation.ask(evaluation.truth | shuffled)}


def measure(evaluation: Evaluation[Params]) -> tuple[dict[str, float], Findings]:
    """Statistics (a scalar each) of improvised lines, real ones and a walk; the chords' part.

    `chords_permuted.nll_more.*` is the loss of the network, in nats a note, with the chords of
    other beats.
    """
    metrics, findings = improvised.measured(evaluation)
    metrics |= _without_chords(evaluation) | _by_tune(evaluation)
    _say(metrics)
    return metrics, findings


def figures(evaluation: Evaluation[Params], findings: Findings) -> Iterator[tuple[str, Figure]]:
    """Figures of the test tunes (T,) and of improvised lines, see `figures`."""
    return drawings.all_of(evaluation, findings)


def samples(evaluation: Evaluation[Params], findings: Findings, out: Path) -> None:
    """Writes a solo (T,) over each of the first test tunes, as `make predict` does."""
    truth = evaluation.truth
    for row in range(min(evaluation.params.evaluate.shown_pieces, len(truth["key"]))):
        line = findings.shown[row]
        columns = {name: truth[name][row] for name in REQUEST}
        chart = improvised.cut(columns, 0, beats=evaluation.params.evaluate.sample_beats)
        beats, unit = (int(n) for n in columns["meter"])
        meter = (beats, unit)
        played = Performance(
            title=f"Solo over {truth['title'][row]} (not in training)",
            solo=performance.solo_of(line),
            accompaniment=performance.comping(chart["chords"], chart["bass"], meter=meter),
            meter=meter,
            pickup=float(chart["pickup"]),
            tonic=int(chart["tonic"][0]),
        )
        performance.write(played, out, str(truth["key"][row]))


def _shuffled(evaluation: Evaluation[Params], names: tuple[str, ...]) -> Columns:
    """Columns whose entries are put in another order within each tune, the same for all names."""
    rng = np.random.default_rng(evaluation.params.evaluate.seed)
    truth = evaluation.truth
    shuffled = {name: np.empty(len(truth["key"]), object) for name in names}
    for row in range(len(truth["key"])):
        order = rng.permutation(len(truth[names[0]][row]))
        for name, values in shuffled.items():
            values[row] = truth[name][row][order]
    return shuffled


def _without_chords(evaluation: Evaluation[Params]) -> dict[str, float]:
    truth = evaluation.truth
    other = evaluation.ask(truth | _shuffled(evaluation, ("chords", "bass")))
    with_chords, without_chords = (
        np.array(
            [
                note_scores(truth, response, row=row)["nll"].mean()
                for row in range(len(truth["key"]))
            ]
        )
        for response in (evaluation.response, other)
    )
    return improvised.summary(
        evaluation, {"chords_permuted.nll_more": without_chords - with_chords}, truth["group"]
    )


def _by_tune(evaluation: Evaluation[Params]) -> dict[str, float]:
    answers = {"model": evaluation.response, **evaluation.baselines}
    return {
        f"perplexity_of.{str(key).replace('.', '_')}.{name}": float(
            np.exp(note_scores(evaluation.truth, answer, row=row)["nll"].mean())
        )
        for row, key in enumerate(evaluation.truth["key"])
        for name, answer in answers.items()
    }


def _say(metrics: dict[str, float]) -> None:
    for kind in improvised.KINDS:
        right, permuted = (
            [metrics[f"{kind}.{name}.{end}"] for end in ("mean", "low95", "high95")]
            for name in ("chord_tones", "chord_tones_permuted")
        )
        print(
            f"jazz evaluate: {kind}: chord tones {right[0]:.3f} ({right[1]:.3f}..{right[2]:.3f}), "
            f"permuted chords {permuted[0]:.3f} ({permuted[1]:.3f}..{permuted[2]:.3f}), longest "
            f"copied {metrics[f'{kind}.longest_copied.most']:.0f}"
        )
