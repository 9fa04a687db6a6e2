"""Evaluate: squared error, beside a constant and the first number of the run.

Axis letters: N rows.
"""

import json
from collections.abc import Iterator

import numpy as np
from matplotlib.figure import Figure

from seqapps.app import Baseline, Columns, Evaluation
from seqapps.kit import plots
from tests.toy.params import Params


def score(params: Params, truth: Columns, response: Columns) -> dict[str, float]:
    """`mse` between `target` float32 (N,) and `mean` float32 (N,)."""
    del params
    return {"mse": float(np.mean((truth["target"] - response["mean"]) ** 2))}


def baselines(evaluation: Evaluation[Params]) -> dict[str, Baseline]:
    """`constant`: the mean of the fold's train runs (N,); `first`: a run's first number (N,)."""
    first = np.array([steps[0] for steps in evaluation.truth["steps"]])
    means = {
        f: json.loads((evaluation.assets(f) / "mean.json").read_text()) for f in evaluation.folds
    }
    constant = np.array([means[fold] for fold in evaluation.truth["fold"]])
    return {
        "constant": Baseline({"mean": constant}, learnt_from=evaluation.trained_rows),
        "first": Baseline({"mean": first}, learnt_from=None),
    }


def controls(evaluation: Evaluation[Params]) -> dict[str, Columns]:
    """None beside the answers of other rows, which every application has."""
    del evaluation
    return {}


def measure(evaluation: Evaluation[Params]) -> tuple[dict[str, float], None]:
    """The longest run; there are no findings."""
    return {"longest": float(evaluation.truth["length"].max())}, None


def figures(evaluation: Evaluation[Params], findings: object) -> Iterator[tuple[str, Figure]]:
    """`scatter`: the estimate beside the target of each test row."""
    del findings
    figure = plots.figure()
    panel = figure.subplots()
    targets = evaluation.truth["target"]
    panel.scatter(targets, evaluation.response["mean"], color=plots.MODEL)
    panel.axline((0, 0), slope=1, color=plots.REFERENCE)
    panel.set_xlabel("mean")
    panel.set_ylabel("estimate")
    panel.set_title(f"{len(targets)} test runs")
    yield "scatter", figure
