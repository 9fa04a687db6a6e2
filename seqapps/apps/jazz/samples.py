"""Lines improvised over held-out charts, and their statistics beside real tunes and a walk.

Everything is judged per tune, so that intervals are over tunes.
"""

from typing import NamedTuple

import numpy as np

from seqapps.app import Columns, Evaluation
from seqapps.apps.jazz import baselines, preprocess, statistics
from seqapps.apps.jazz.frontend import LONGEST
from seqapps.apps.jazz.params import Evaluate, Params
from seqapps.apps.jazz.preprocess import REQUEST
from seqapps.apps.jazz.statistics import Played
from seqapps.apps.jazz.tunes import TICKS, beat_ticks
from seqapps.artifacts.columns import column
from seqapps.kit import metrics

KINDS = ("samples", "real", "walk")
MIDDLE = 40
"""Place of the walk's first note: about E5 in C."""


class Findings(NamedTuple):
    """Results of evaluate that figures and samples show.

    `lines`: kind -> the lines of each test tune; `shown`: per tune an answer of the endpoint, (L,)
    an entry; `metrics`: as `measured` returns them.
    """

    lines: dict[str, list[list[Played]]]
    shown: list[Columns]
    metrics: dict[str, float]


def measured(evaluation: Evaluation[Params]) -> tuple[dict[str, float], Findings]:
    """Statistics `<kind>.<name>.mean`, `.low95`, `.high95`, scalars over tunes; findings.

    `samples` and `walk` are over stretches of each test tune's chart, `real` is the tune itself.
    """
    params = evaluation.params.evaluate
    rng = np.random.default_rng(params.seed)
    each = -(-params.samples // len(evaluation.truth["key"]))
    lines: dict[str, list[list[Played]]] = {kind: [] for kind in KINDS}
    learnt: list[list[np.ndarray]] = []
    shown = []
    for row in range(len(evaluation.truth["key"])):
        fold = str(evaluation.truth["fold"][row])
        columns = {name: evaluation.truth[name][row] for name in REQUEST}
        known = [
            tune
            for split in ("train", "validation")
            for tune in baselines.learnt(evaluation, fold, split=split)
        ]
        learnt.append([preprocess.values(tune) for tune in known])
        starts = _starts(columns, each, beats=params.sample_beats)
        charts = [cut(columns, first, beats=params.sample_beats) for first in starts]
        answer = evaluation.call(fold, "serving_default", asked(charts, params))
        lines["samples"].append(
            [_played(chart, _line(answer, n)) for n, chart in enumerate(charts)]
        )
        shown.append({name: values[0] for name, values in answer.items()})
        lines["real"].append([_played(columns, preprocess.values(columns))])
        ticks = np.concatenate(learnt[-1]) % LONGEST + 1
        lines["walk"].append([_walked(chart, ticks, rng) for chart in charts])
    results: dict[str, float] = {}
    for kind, tunes in lines.items():
        rows = [_of_tune(tune, learnt[n], rng) for n, tune in enumerate(tunes)]
        columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        copied = columns.pop("longest_copied")
        columns |= _divergences(tunes, [tune[0] for tune in lines["real"]])
        results |= {
            f"{kind}.{name}": value
            for name, value in summary(evaluation, columns, evaluation.truth["group"]).items()
        }
        results[f"{kind}.longest_copied.most"] = float(copied.max())
    results["samples.lines.count"] = float(sum(map(len, lines["samples"])))
    return results, Findings(lines, shown, results)


def summary(
    evaluation: Evaluation[Params], columns: dict[str, np.ndarray], groups: np.ndarray
) -> dict[str, float]:
    """The mean over tunes of each column (N,), and its 95 % bootstrap interval over tunes."""
    params = evaluation.params.evaluate
    results = {}
    for name, values in columns.items():
        low, high = metrics.interval(
            lambda truth, _: float(np.nanmean(truth["value"])),
            truth={"value": values},
            response={},
            samples=params.bootstrap_samples,
            seed=params.seed,
            groups=groups,
        )
        mean = float(np.nanmean(values))
        results |= {f"{name}.mean": mean, f"{name}.low95": low, f"{name}.high95": high}
    return results


def cut(columns: Columns, first: int, *, beats: int) -> Columns:
    """A tune's chart (beats,) from a beat on, without its notes."""
    meter = tuple(int(n) for n in columns["meter"])
    before = first * beat_ticks(*meter) / TICKS
    chart = {name: columns[name][first : first + beats] for name in ("chords", "bass", "tonic")}
    return chart | {
        "meter": columns["meter"],
        "pickup": np.float32((columns["pickup"] - before) % (baselines.bar_ticks(columns) / TICKS)),
        "pitch": np.zeros(0, np.int64),
        "duration": np.zeros(0, np.float32),
    }


def asked(charts: list[Columns], table: Evaluate) -> Columns:
    """The request (N, ...) of `serving_default` for N charts, a seed each."""
    count = len(charts)
    lengths = [len(chart["bass"]) for chart in charts]
    columns = {name: column([chart[name] for chart in charts]) for name in REQUEST}
    return columns | {
        "beats": np.array(lengths, np.int64),
        "temperature": np.full(count, table.temperature, np.float32),
        "top_p": np.full(count, table.top_p, np.float32),
        "seed": table.seed + np.arange(count),
    }


def _starts(columns: Columns, count: int, *, beats: int) -> list[int]:
    """Beats at which `count` stretches of a chart begin, at bar lines where the chart allows."""
    meter = tuple(int(n) for n in columns["meter"])
    per_bar = max(baselines.bar_ticks(columns) // beat_ticks(*meter), 1)
    last = max(len(columns["bass"]) - beats, 0)
    return [int(start) // per_bar * per_bar for start in np.linspace(0, last, count)]


def _line(answer: Columns, row: int) -> np.ndarray:
    return np.stack([answer["pitch"][row], np.rint(answer["duration"][row] * TICKS)])


def _played(chart: Columns, line: np.ndarray) -> Played:
    """A line over a chart, in C: values (T,) or, as they sound, pitches and ticks (2, T)."""
    if line.ndim == 2:
        pitch, ticks = line.astype(np.int64)
        kept = ticks > 0
        played = {"pitch": pitch[kept], "duration": (ticks[kept] / TICKS).astype(np.float32)}
        line = preprocess.values(chart | played)
    meter = tuple(int(n) for n in chart["meter"])
    tonic = chart["tonic"]
    shift = np.where(tonic <= 6, -tonic, 12 - tonic)
    chords = np.stack([np.roll(c, s) for c, s in zip(chart["chords"], shift, strict=True)])
    pickup = int(np.rint(chart["pickup"] * TICKS))
    return Played(line, chords, beat_ticks(*meter), baselines.bar_ticks(chart), pickup)


def _walked(chart: Columns, ticks: np.ndarray, rng: np.random.Generator) -> Played:
    like = _played(chart, np.zeros(0, int))
    return like._replace(values=statistics.random_walk(like, ticks, MIDDLE, rng))


def _of_tune(
    lines: list[Played], learnt: list[np.ndarray], rng: np.random.Generator
) -> dict[str, float]:
    improvised = [
        statistics.of_line(line, rng)
        | {"longest_copied": float(statistics.longest_copied(line.values, learnt))}
        for line in lines
    ]
    means = {name: float(np.nanmean([row[name] for row in improvised])) for name in improvised[0]}
    return means | {"longest_copied": max(row["longest_copied"] for row in improvised)}


def _divergences(tunes: list[list[Played]], real: list[Played]) -> dict[str, np.ndarray]:
    """KL of each tune's lines from the other test tunes together (its own is not among them)."""
    by_metric: dict[str, list[float]] = {"pitch_class_kl": [], "duration_kl": []}
    counts = [statistics.histograms(tune) for tune in real]
    for number, lines in enumerate(tunes):
        histograms = [statistics.histograms(line) for line in lines]
        for name, values in by_metric.items():
            part = name.removesuffix("_kl")
            others = sum(c[part] for n, c in enumerate(counts) if n != number)
            of_tune = np.sum([c[part] for c in histograms], axis=0)
            values.append(statistics.divergence(of_tune, np.asarray(others)))
    return {name: np.array(values) for name, values in by_metric.items()}
