"""Lines improvised over held-out charts, and what they are like beside real tunes and a walk.

Everything is judged per tune, so that intervals are over tunes.
"""

from typing import Any

import numpy as np

from seqapps import metrics, records
from seqapps.app import Evaluation
from seqapps.jazz import preprocess, rivals, statistics
from seqapps.jazz.front import LONGEST
from seqapps.jazz.preprocess import REQUEST
from seqapps.jazz.statistics import Played
from seqapps.jazz.tunes import TICKS, beat_ticks

KINDS = ("samples", "real", "walk")
MIDDLE = 40
"""Place of the walk's first note: about E5 in C."""

Columns = dict[str, Any]


def measured(evaluation: Evaluation) -> tuple[dict[str, float], Columns]:
    """Statistics `<kind>.<name>.mean`, `.low95`, `.high95` over tunes, and what figures need.

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
            for tune in rivals.learnt(evaluation, fold, split)
        ]
        learnt.append([preprocess.values(tune) for tune in known])
        starts = _starts(columns, each, params.sample_beats)
        charts = [cut(columns, first, params.sample_beats) for first in starts]
        answer = evaluation.call(fold, "serving_default", asked(charts, params))
        lines["samples"].append(
            [_played(chart, _line(answer, n)) for n, chart in enumerate(charts)]
        )
        shown.append({name: values[0] for name, values in answer.items()})
        lines["real"].append([_played(columns, preprocess.values(columns))])
        ticks = np.concatenate(learnt[-1]) % LONGEST + 1
        lines["walk"].append([_walked(chart, ticks, rng) for chart in charts])
    found = {}
    for kind, tunes in lines.items():
        rows = [_of_tune(tune, learnt[n], rng) for n, tune in enumerate(tunes)]
        columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        copied = columns.pop("longest_copied")
        columns |= _divergences(tunes, [tune[0] for tune in lines["real"]])
        found |= {
            f"{kind}.{name}": value
            for name, value in summary(evaluation, columns, evaluation.truth["group"]).items()
        }
        found[f"{kind}.longest_copied.most"] = float(copied.max())
    found["samples.lines.count"] = float(sum(map(len, lines["samples"])))
    return found, {"lines": lines, "shown": shown, "found": found}


def summary(
    evaluation: Evaluation, columns: dict[str, np.ndarray], groups: np.ndarray
) -> dict[str, float]:
    """The mean over tunes of each column, and its 95 % bootstrap interval over tunes."""
    params = evaluation.params.evaluate
    found = {}
    for name, values in columns.items():
        low, high = metrics.bootstrap(
            lambda truth, _: float(np.nanmean(truth["value"])),
            {"value": values},
            {},
            samples=params.bootstrap_samples,
            seed=params.seed,
            groups=groups,
        )
        mean = float(np.nanmean(values))
        found |= {f"{name}.mean": mean, f"{name}.low95": low, f"{name}.high95": high}
    return found


def cut(columns: Columns, first: int, beats: int) -> Columns:
    """A tune's chart from a beat on, without its notes."""
    meter = tuple(int(n) for n in columns["meter"])
    before = first * beat_ticks(*meter) / TICKS
    chart = {name: columns[name][first : first + beats] for name in ("chords", "bass", "tonic")}
    return chart | {
        "meter": columns["meter"],
        "pickup": np.float32((columns["pickup"] - before) % (rivals.bar_ticks(columns) / TICKS)),
        "pitch": np.zeros(0, np.int64),
        "duration": np.zeros(0, np.float32),
    }


def asked(charts: list[Columns], params: Any) -> Columns:
    """The request of `serving_default` for charts, a seed each."""
    count = len(charts)
    lengths = [len(chart["bass"]) for chart in charts]
    columns = {name: records.column([chart[name] for chart in charts]) for name in REQUEST}
    return columns | {
        "beats": np.array(lengths, np.int64),
        "temperature": np.full(count, params.temperature, np.float32),
        "top_p": np.full(count, params.top_p, np.float32),
        "seed": params.seed + np.arange(count),
    }


def _starts(columns: Columns, count: int, beats: int) -> list[int]:
    """Beats at which `count` stretches of a chart begin, at bar lines where the chart allows."""
    meter = tuple(int(n) for n in columns["meter"])
    per_bar = max(rivals.bar_ticks(columns) // beat_ticks(*meter), 1)
    last = max(len(columns["bass"]) - beats, 0)
    return [int(start) // per_bar * per_bar for start in np.linspace(0, last, count)]


def _line(answer: Columns, row: int) -> np.ndarray:
    return np.stack([answer["pitch"][row], np.rint(answer["duration"][row] * TICKS)])


def _played(chart: Columns, line: np.ndarray) -> Played:
    """A line over a chart, in C: values (T,) or, as they sound, pitches and ticks (2, T)."""
    if line.ndim == 2:
        pitch, ticks = line.astype(np.int64)
        kept = ticks > 0
        told = {"pitch": pitch[kept], "duration": (ticks[kept] / TICKS).astype(np.float32)}
        line = preprocess.values(chart | told)
    meter = tuple(int(n) for n in chart["meter"])
    tonic = chart["tonic"]
    shift = np.where(tonic <= 6, -tonic, 12 - tonic)
    chords = np.stack([np.roll(c, s) for c, s in zip(chart["chords"], shift, strict=True)])
    pickup = int(np.rint(chart["pickup"] * TICKS))
    return Played(line, chords, beat_ticks(*meter), rivals.bar_ticks(chart), pickup)


def _walked(chart: Columns, ticks: np.ndarray, rng: np.random.Generator) -> Played:
    like = _played(chart, np.zeros(0, int))
    return like._replace(values=statistics.random_walk(like, ticks, MIDDLE, rng))


def _of_tune(
    lines: list[Played], learnt: list[np.ndarray], rng: np.random.Generator
) -> dict[str, float]:
    found = [
        statistics.of_line(line, rng)
        | {"longest_copied": float(statistics.longest_copied(line.values, learnt))}
        for line in lines
    ]
    means = {name: float(np.nanmean([row[name] for row in found])) for name in found[0]}
    return means | {"longest_copied": max(row["longest_copied"] for row in found)}


def _divergences(tunes: list[list[Played]], real: list[Played]) -> dict[str, np.ndarray]:
    """KL of each tune's lines from the other test tunes together (its own is not among them)."""
    found: dict[str, list[float]] = {"pitch_class_kl": [], "duration_kl": []}
    counts = [statistics.histograms(tune) for tune in real]
    for number, lines in enumerate(tunes):
        own = [statistics.histograms(line) for line in lines]
        for name, values in found.items():
            part = name.removesuffix("_kl")
            others = sum(c[part] for n, c in enumerate(counts) if n != number)
            values.append(statistics.divergence(sum(c[part] for c in own), np.asarray(others)))
    return {name: np.array(values) for name, values in found.items()}
