"""Result tables and model cards in Markdown, from `metrics.json` and tables of sweeps."""

import json
from pathlib import Path
from typing import Any

from seqapps import app as contract
from seqapps.app import App
from seqapps.artifacts import layout
from seqapps.artifacts.durable import read_json
from seqapps.artifacts.layout import ProfileFolder
from seqapps.config import P

BEGIN = "<!-- results of {profile}: made by make report -->"
SWEEP_BEGIN = "<!-- sweep of {key} on {profile}: made by make report -->"
END = "<!-- end of results -->"
DIFFERENCE = "model - rival"
ARROWS = {"min": "↓", "max": "↑"}
"""Signs of a metric's direction: less is better, more is better."""


def card(app: App[P], report: dict[str, Any]) -> str:
    """The model card: the application's README with this run's scores, in Markdown."""
    text = (app.folder / layout.README).read_text()
    title = f"## Scores of this run ({report['profile']})"
    return f"{text.rstrip()}\n\n{title}\n\n{scores(app, report)}\n"


def summary(report: dict[str, Any]) -> str:
    """One line: the headline with its interval, baselines and controls, each from the best on."""
    headline = report["headline"]
    metric, (low, high) = headline["metric"], headline["interval95"]

    def named(kind: str) -> str:
        values = sorted((v[metric], name) for name, v in report[kind].items())
        ordered = reversed(values) if headline["direction"] == "max" else values
        return ", ".join(f"{n} {number(value)}{_marked(report, n)}" for value, n in ordered)

    value = f"**{metric} {number(headline['value'])}** (95 % {number(low)}..{number(high)})"
    count = f"{report['counts']['test_examples']:,} test rows"
    return f"{value}, {count}. Baselines: {named('baselines')}. Controls: {named('controls')}."


def scores(app: App[P], report: dict[str, Any]) -> str:
    """The tables of a run, in Markdown: model, baselines and controls, then those of `measure`.

    The first has columns for the headline metric, the paired difference of the model to a rival
    (interval and verdict), the metric's parts and `app.reported`. Its rows are the model, each
    `row` of metrics named `row.metric` (another endpoint, or a network that is not exported), the
    baselines and the controls. Metrics named `table.row.column` fill one table per `table`.
    """
    headline = report["headline"]
    metric, values = headline["metric"], report["model"]
    low, high = (number(bound) for bound in headline["interval95"])
    columns = [name for name in values if name.split(".")[0] == metric]
    columns += [name for name in app.reported if name in values]
    rows = {f"**model** ({metric} 95 % {low}..{high})": values}
    rows |= _beside(values, columns)
    for kind, label in (("baselines", "{}"), ("controls", "control: {}")):
        for name, scores in report[kind].items():
            against = {DIFFERENCE: _difference(report["differences"][name])}
            rows[label.format(name)] = scores | against
    parts = [_table(rows, [columns[0], DIFFERENCE, *columns[1:]]), _judgement(report)]
    for name, cells in _tables(values).items():
        heads = list(dict.fromkeys(column for row in cells.values() for column in row))
        parts.append(f"`{name}`:\n\n{_table(cells, heads)}")
    return "\n\n".join(parts)


def results(root: Path, profile: str) -> str:
    """The README's result table over all applications that have been evaluated."""
    lines = [
        "| application | metric | model (95 % interval) | best baseline | model against it (95 %) "
        "| level or behind | controls | test rows |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in contract.names():
        if report := _judged(root, name, profile=profile):
            lines.append(_result(contract.load(name), report))
    return "\n".join(lines)


def sweeps(root: Path, profile: str) -> dict[str, str]:
    """Key -> a table over all applications that were swept over it with this profile.

    A column per value: the mean over the seeds and its 95 % interval. An application whose sweep
    failed for a value, or did not try it, has an empty cell there.
    """
    tables: dict[str, dict[str, Any]] = {}
    for name in contract.names():
        for folder in ProfileFolder(root, name, profile).sweeps():
            table = json.loads((folder / layout.TABLE_JSON).read_text())
            tables.setdefault(folder.name, {})[name] = table
    return {key: _sweep_table(by_app) for key, by_app in tables.items()}


def write(root: Path, profile: str) -> list[Path]:
    """Writes a profile's tables between their marks; returns the pages that hold them.

    The tables over all applications go into README.md, each application's tables into its card. A
    page without marks for this profile is left as it is.
    """
    readme, begin = root / layout.README, BEGIN.format(profile=profile)
    texts = [(readme, begin, results(root, profile))]
    for key, text in sweeps(root, profile).items():
        texts.append((readme, SWEEP_BEGIN.format(key=key, profile=profile), text))
    for name in contract.names():
        if report := _judged(root, name, profile=profile):
            app = contract.load(name)
            texts.append((root / _card(app), begin, scores(app, report)))
    filled = [page for page, begin, text in texts if _fill(page, begin, text=text)]
    return list(dict.fromkeys(filled))


def left_out(root: Path, profile: str) -> list[str]:
    """Applications that were evaluated, but whose metrics are damaged or know no judge."""
    return [
        name
        for name in contract.names()
        if ProfileFolder(root, name, profile).metrics.exists()
        and _judged(root, name, profile=profile) is None
    ]


def _judged(root: Path, name: str, *, profile: str) -> dict[str, Any] | None:
    """The metrics of an application; None if it has none, or those of a time without a judge."""
    report = read_json(ProfileFolder(root, name, profile).metrics)
    return report if isinstance(report, dict) and "judged" in report else None


def _sweep_table(tables: dict[str, dict[str, Any]]) -> str:
    values = list(dict.fromkeys(v for table in tables.values() for v in table["rows"]))
    rows = {}
    for name, table in tables.items():
        app, seeds = contract.load(name), max(row["seeds"] for row in table["rows"].values())
        cells = {v: _spread(row) for v, row in table["rows"].items() if row["seeds"]}
        rival = next(row for row in table["rows"].values() if row["seeds"])
        cells["best baseline"] = f"{rival['rival']} {number(rival['rival_score'])}"
        rows[f"{name}: {app.headline[0]} {ARROWS[app.headline[1]]}, {seeds} seeds"] = cells
    heads = [*values, "best baseline"]
    lines = [f"| | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for label, cells in rows.items():
        lines.append(f"| {label} | {' | '.join(cells.get(head, '') for head in heads)} |")
    return "\n".join(lines)


def _card(app: App[P]) -> Path:
    """The application's README, below the project's folder."""
    return Path(*app.package.split("."), layout.README)


def _spread(row: dict[str, Any]) -> str:
    return f"{number(row['mean'])} ({number(row['low95'])}..{number(row['high95'])})"


def _fill(page: Path, begin: str, *, text: str) -> bool:
    whole = page.read_text()
    if begin not in whole:
        return False
    before, rest = whole.split(begin)
    after = rest.split(END, 1)[1]
    page.write_text(f"{before}{begin}\n{text}\n{END}{after}")
    return True


def _beside(values: dict[str, float], columns: list[str]) -> dict[str, dict[str, float]]:
    """Rows of metrics named `row.metric`, without those that only repeat the model's values."""
    rows: dict[str, dict[str, float]] = {}
    for name, value in values.items():
        row, _, column = name.rpartition(".")
        if column in columns and row and row not in values and row.count(".") == 0:
            rows.setdefault(row, {})[column] = value
    return {row: cells for row, cells in rows.items() if any(cells[c] != values[c] for c in cells)}


def _tables(values: dict[str, float]) -> dict[str, dict[str, dict[str, float]]]:
    tables: dict[str, dict[str, dict[str, float]]] = {}
    for name, value in values.items():
        if name.count(".") == 2:
            table, row, column = name.split(".")
            tables.setdefault(table, {}).setdefault(row, {})[column] = value
    return tables


def _table(rows: dict[str, dict[str, Any]], columns: list[str]) -> str:
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for label, values in rows.items():
        cells = [_cell(values.get(name, "")) for name in columns]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(value: float | str) -> str:
    return value if isinstance(value, str) else number(value)


def number(value: float) -> str:
    """Text of a number: three decimals; below 0.1 three digits; from 1,000 on no decimals.

    >>> number(0.9614), number(0.00155), number(41522.0)
    ('0.961', '0.00155', '41,522')
    """
    if 0 < abs(value) < 0.1:
        return f"{value:.3g}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3f}"


def _result(app: App[P], report: dict[str, Any]) -> str:
    headline = report["headline"]
    metric, (low, high) = headline["metric"], headline["interval95"]
    pick = max if headline["direction"] == "max" else min
    rival = pick(report["baselines"], key=lambda name: report["baselines"][name][metric])
    controls = "; ".join(
        f"{n} {v[metric]:.3f}{_marked(report, n)}" for n, v in report["controls"].items()
    )
    others = [n for n in report["baselines"] if report["differences"][n]["verdict"] != "ahead"]
    return (
        f"| [{app.title}]({_card(app)}) | {metric} {ARROWS[headline['direction']]} | "
        f"**{headline['value']:.3f}** ({low:.3f}..{high:.3f}) | "
        f"{rival} {report['baselines'][rival][metric]:.3f} | "
        f"{_difference(report['differences'][rival])} | {', '.join(others) or 'none'} | "
        f"{controls} | {report['counts']['test_examples']:,} |"
    )


def _difference(difference: dict[str, Any]) -> str:
    """A difference as a cell: value, interval, verdict."""
    value, (low, high) = difference["value"], difference["interval95"]
    signed = [f"{'+' if one > 0 else ''}{number(one)}" for one in (value, low, high)]
    return f"{signed[0]} ({signed[1]}..{signed[2]}) {difference['verdict']}"


def _marked(report: dict[str, Any], rival: str) -> str:
    """The verdict on a rival in brackets, unless the model is ahead of it."""
    verdict = report["differences"][rival]["verdict"]
    return "" if verdict == "ahead" else f" ({verdict})"


def _judgement(report: dict[str, Any]) -> str:
    """The method of the intervals, how often the test rows have judged, what the judge refuses."""
    versions = len(report["judged"]["weights"])
    times = f"{versions} trained model{'s' if versions > 1 else ''}"
    how = report["interval"]
    on = (
        ""
        if how["compared_on"] == report["headline"]["metric"]
        else (f"; differences in {how['compared_on']}")
    )
    text = f"Intervals: {how['method']}{on}. These test rows have judged {times}."
    reasons = "; ".join(report["refusals"])
    return f"{text} The judge refuses: {reasons}." if reasons else f"{text} The judge lets it pass."
