"""Runs of an application side by side: their scores, and the parameters that differ.

Read from MLflow, because the files of a profile hold only its last run.
"""

from pathlib import Path
from typing import Any

from seqapps.app import App
from seqapps.config import P, UserError, nearest
from seqapps.experiments import mlflow_store, report

LATEST = 5
COMPARED = 1000
"""The number of newest runs in which a name in RUNS is looked up."""


def table(app: App[P], names: list[str], *, profile: str = "", root: Path) -> str:
    """A Markdown table with a column per run, oldest first.

    Rows: the headline with its interval, its baselines and controls; then the commit, the data's
    digest (of runs that ingested) and the parameters, each only if it differs.

    Args:
        app: the application.
        names: names of runs, parts of names, or beginnings of ids; empty: the last evaluated runs.
        profile: only its runs; empty: those of all profiles.
        root: the project's folder.

    Raises:
        UserError: fewer than two runs, or a name that fits none.
    """
    client, experiment = mlflow_store.client(root, app)
    runs = client.search_runs([experiment], max_results=COMPARED)  # the newest first
    judged = [run for run in runs if _is_judged(app, run)]
    if profile:
        judged = [run for run in judged if run.data.tags.get("seqapps.profile") == profile]
    chosen = [_named(name, judged) for name in names] or _pipelines(judged)[:LATEST]
    if len(chosen) < 2:
        way_out = "name another in RUNS" if len(judged) > 1 else f"make {app.name} SET= makes one"
        raise UserError(f"{app.name}: nothing to compare {len(chosen)} run with; {way_out}")
    chosen.sort(key=lambda run: run.info.start_time)
    return _markdown([_facts(app, run) for run in chosen])


def _is_judged(app: App[P], run: Any) -> bool:
    level = run.data.tags.get("seqapps.level")
    return level in ("pipeline", "member") and app.headline[0] in run.data.metrics


def _pipelines(runs: list[Any]) -> list[Any]:
    # Members of a sweep are in the sweep's table; here they are compared only if named.
    return [run for run in runs if run.data.tags["seqapps.level"] == "pipeline"]


def _named(name: str, runs: list[Any]) -> Any:
    exact = [run for run in runs if name in (run.info.run_name, run.info.run_id)]
    near = [run for run in runs if name in run.info.run_name or run.info.run_id.startswith(name)]
    if not exact + near:
        known = [run.info.run_name for run in runs]
        raise UserError(f"RUNS: no judged run is called '{name}'; {nearest(name, known[:20])}")
    return (exact + near)[0]


def _facts(app: App[P], run: Any) -> dict[str, str]:
    """Row label -> text, for one run; labels with ~ are shown only if runs differ."""
    metrics, metric = run.data.metrics, app.headline[0]
    low, high = (report.number(metrics[f"{metric}.{end}"]) for end in ("low95", "high95"))
    facts = {
        "": run.info.run_name,
        f"**{metric}**": f"**{report.number(metrics[metric])}**",
        "95 %": f"{low}..{high}",
    }
    for kind in ("baselines", "controls"):
        for name, value in sorted(metrics.items()):
            if name.startswith(f"{kind}.") and name.endswith(f".{metric}"):
                label = name.removeprefix(f"{kind}.").removesuffix(f".{metric}")
                facts[f"{kind[:-1]} {label}"] = report.number(value)
    facts["~commit"] = run.data.tags.get("mlflow.source.git.commit", "")[:12]
    for entry in run.inputs.dataset_inputs:  # none if ingest was fresh
        facts["~data"] = entry.dataset.digest
    return facts | {f"~{name}": value for name, value in sorted(run.data.params.items())}


def _markdown(runs: list[dict[str, str]]) -> str:
    labels = list(dict.fromkeys(label for facts in runs for label in facts))
    lines = []
    for label in labels:
        cells = [facts.get(label, "") for facts in runs]
        if not label.startswith("~") or len(set(cells)) > 1:
            lines.append(f"| {' | '.join([label.removeprefix('~'), *cells])} |")
    return "\n".join([lines[0], "|---" * (len(runs) + 1) + "|", *lines[1:]])
