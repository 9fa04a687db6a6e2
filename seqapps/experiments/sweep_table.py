"""The table of a sweep: rows over seeds, as JSON, as Markdown and as a figure.

A member is a dict: `value`, `seed`, `variant` and either `failed` (the reason) or the measured
numbers: `score` and `interval95` on test, `validation` (the best of `monitor`, the mean over
folds), `seconds` of training, the number of `weights`, and the best baseline as `rival` and
`rival_score`.
"""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from seqapps.app import App
from seqapps.artifacts.durable import write_json
from seqapps.artifacts.layout import TABLE_FIGURE, TABLE_JSON, TABLE_MARKDOWN
from seqapps.config import P
from seqapps.experiments.report import number

AVERAGED = ("validation", "seconds", "weights")


def write(
    app: App[P], members: list[dict[str, Any]], folder: Path, *, profile: str, key: str
) -> list[Path]:
    """Writes table.md, table.json and figure.png into a folder; returns the three paths."""
    from seqapps.kit import plots

    head = {"app": app.name, "profile": profile, "key": key, "metric": app.headline[0]}
    write_json(folder / TABLE_JSON, head | {"rows": rows(members), "members": members})
    (folder / TABLE_MARKDOWN).write_text(markdown(app, key, members) + "\n")
    plots.save(draw(app, members, profile=profile, key=key), folder / TABLE_FIGURE)
    return [folder / name for name in (TABLE_JSON, TABLE_MARKDOWN, TABLE_FIGURE)]


def rows(members: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Value -> its row: mean score, 95 % interval, range, and means of the other measured numbers.

    With two seeds or more the interval is Student's t over the seeds; with one it is the bootstrap
    interval over test rows. A row in which every seed failed holds only `seeds = 0`.
    """
    return {
        value: _row([m for m in members if m["value"] == value and "failed" not in m])
        for value in dict.fromkeys(member["value"] for member in members)
    }


def markdown(app: App[P], key: str, members: list[dict[str, Any]]) -> str:
    """The table for people; the value that is best on validation is bold."""
    monitor, direction = next(m["monitor"] for m in members if "monitor" in m)
    table = rows(members)
    on_validation = {value: row["validation"] for value, row in table.items() if row["seeds"]}
    best = (max if direction == "max" else min)(on_validation, key=lambda v: on_validation[v])
    heads = [
        key,
        f"{app.headline[0]} (95 %)",
        "least..most",
        "seeds",
        monitor,
        "seconds",
        "weights",
    ]
    lines = [f"| {' | '.join([*heads, 'best baseline'])} |", "|---" * (len(heads) + 1) + "|"]
    for value, row in table.items():
        name = f"**{value}**" if value == best else value
        lines.append(f"| {' | '.join([name, *_cells(row)])} |")
    return "\n".join([*lines, "", *_notes(table, monitor, members)])


def draw(app: App[P], members: list[dict[str, Any]], *, profile: str, key: str) -> Figure:
    """A figure: a point per seed, the mean with its interval, the best baseline as a line."""
    from seqapps.kit import plots

    table = {value: row for value, row in rows(members).items() if row["seeds"]}
    drawn = plots.figure(max(4.8, 1.2 * len(table) + 2.4), 3.6)
    panel = drawn.subplots()
    for column, (value, row) in enumerate(table.items()):
        scores = [m["score"] for m in members if m["value"] == value and "score" in m]
        shifted = column + np.linspace(-0.15, 0.15, len(scores)) if len(scores) > 1 else [column]
        panel.scatter(shifted, scores, color=plots.MODEL, alpha=0.5, s=22)
        bars = np.abs([[row["mean"] - row["low95"]], [row["high95"] - row["mean"]]])
        panel.errorbar(column, row["mean"], bars, fmt="_", color=plots.MODEL, ms=18)
        rival = f"{row['rival']}, the best baseline" if column == 0 else ""
        ends = (column - 0.5, column + 0.5)
        panel.hlines(row["rival_score"], *ends, color=plots.BASELINE, linestyle="--", label=rival)
    panel.set_xticks(range(len(table)), list(table))
    panel.set_xlabel(key)
    panel.set_ylabel(f"{app.headline[0]} ({app.headline[1]} is best)")
    panel.set_title(f"{app.title}: {profile}", fontsize=10)
    drawn.legend(loc="outside lower center", ncols=3)
    return drawn


def _row(members: list[dict[str, Any]]) -> dict[str, Any]:
    if not members:
        return {"seeds": 0}
    scores = np.array([member["score"] for member in members])
    low, high = members[0]["interval95"] if len(scores) == 1 else _interval(scores)
    return {
        "seeds": len(scores),
        "mean": float(scores.mean()),
        "low95": low,
        "high95": high,
        "least": float(scores.min()),
        "most": float(scores.max()),
        "rival": members[0]["rival"],
        "rival_score": members[0]["rival_score"],
    } | {name: float(np.mean([member[name] for member in members])) for name in AVERAGED}


def _interval(scores: np.ndarray) -> tuple[float, float]:
    half = stats.t.ppf(0.975, len(scores) - 1) * scores.std(ddof=1) / len(scores) ** 0.5
    return float(scores.mean() - half), float(scores.mean() + half)


def _cells(row: dict[str, Any]) -> list[str]:
    if not row["seeds"]:
        return ["failed", *[""] * 6]
    return [
        f"{number(row['mean'])} ({number(row['low95'])}..{number(row['high95'])})",
        f"{number(row['least'])}..{number(row['most'])}",
        str(row["seeds"]),
        number(row["validation"]),
        f"{row['seconds']:,.0f}",
        f"{row['weights']:,.0f}",
        f"{row['rival']} {number(row['rival_score'])}",
    ]


def _notes(table: dict[str, Any], monitor: str, members: list[dict[str, Any]]) -> list[str]:
    several = any(row["seeds"] > 1 for row in table.values())
    interval = "Student's t over the seeds; of one seed, " if several else ""
    failed = [f"Failed: {m['variant']}: {m['failed']}" for m in members if "failed" in m]
    return [
        f"95 %: {interval}over the test rows drawn anew. Bold: the best {monitor}, by which one "
        "chooses.",
        *failed,
    ]
