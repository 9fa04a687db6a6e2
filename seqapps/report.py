"""What stages wrote, read back without TensorFlow: histories, metrics, cards, the result table."""

import csv
import json
import re
from pathlib import Path
from typing import Any

from seqapps import app as contract
from seqapps.app import App

METRICS = "metrics.json"
PREDICTIONS = "predictions.csv"
HISTORY = "history.csv"
BEGIN, END = "<!-- results: made by make report -->", "<!-- end of results -->"


def history(path: Path) -> list[dict[str, float]]:
    """The rows of a `history.csv`: one dict of metrics per epoch."""
    with path.open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def numbers(values: dict[str, Any]) -> dict[str, float]:
    """The numeric entries, nested names joined by dots; signs MLflow refuses in a name become _."""
    found: dict[str, float] = {}
    for raw, value in values.items():
        name = re.sub(r"[^\w ./:-]", "_", raw)
        if isinstance(value, dict):
            found |= {f"{name}.{inner}": v for inner, v in numbers(value).items()}
        elif isinstance(value, bool | int | float) and value == value:
            found[name] = float(value)
    return found


def card(app: App, report: dict[str, Any]) -> str:
    """The model card: the application's README with this run's scores, in Markdown."""
    text = (app.folder / "README.md").read_text()
    return f"{text.rstrip()}\n\n## Scores of this run ({report['profile']})\n\n{scores(report)}\n"


def scores(report: dict[str, Any]) -> str:
    """A Markdown table: model, baselines and controls by the headline metric and its parts."""
    headline = report["headline"]
    metric = headline["metric"]
    low, high = headline["interval95"]
    names = [n for n in report["model"] if n.split(".")[0] == metric]
    lines = [
        "| | " + " | ".join(names) + " |",
        "|---" * (len(names) + 1) + "|",
        _row(f"**model** ({metric} 95 % {low:.3f}..{high:.3f})", report["model"], names),
    ]
    lines += [_row(name, values, names) for name, values in report["baselines"].items()]
    lines += [_row(f"control: {n}", values, names) for n, values in report["controls"].items()]
    return "\n".join(lines)


def results(root: Path, profile: str) -> str:
    """The README's result table over all applications that have been evaluated."""
    lines = [
        "| application | metric | model (95 % interval) | best baseline | control | test rows |",
        "|---|---|---|---|---|---|",
    ]
    for name in contract.names():
        path = root / "data" / name / profile / "evaluate" / METRICS
        if path.exists():
            lines.append(_result(contract.load(name), json.loads(path.read_text())))
    return "\n".join(lines)


def write(root: Path, profile: str) -> str:
    """Puts the result table between its marks in README.md and returns it."""
    readme = root / "README.md"
    text = readme.read_text()
    table = results(root, profile)
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    readme.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}")
    return table


def _row(label: str, values: dict[str, Any], names: list[str]) -> str:
    cells = [f"{values[n]:.3f}" if n in values else "" for n in names]
    return f"| {label} | " + " | ".join(cells) + " |"


def _result(app: App, report: dict[str, Any]) -> str:
    headline = report["headline"]
    metric, (low, high) = headline["metric"], headline["interval95"]
    pick = max if headline["direction"] == "max" else min
    rival = pick(report["baselines"], key=lambda name: report["baselines"][name][metric])
    controls = "; ".join(f"{n} {v[metric]:.3f}" for n, v in report["controls"].items())
    return (
        f"| [{app.title}](seqapps/{app.name}/README.md) | {metric} | "
        f"**{headline['value']:.3f}** ({low:.3f}..{high:.3f}) | "
        f"{rival} {report['baselines'][rival][metric]:.3f} | {controls} | "
        f"{report['counts']['test_examples']:,} |"
    )
