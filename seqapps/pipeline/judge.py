"""The judge: a model beside its baselines and controls, and the reasons to refuse it.

Each rival is compared in pairs: model and rival are scored on the same draws of test rows, and the
interval is that of the difference. A model is ahead of a rival where the whole interval lies on its
side of zero, behind where it lies on the other, and level where zero is inside. A control must be
one that the model is ahead of.

Axis letters: N test rows, K rivals.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from seqapps.app import App, Baseline, Columns, Evaluation
from seqapps.artifacts import columns
from seqapps.config import P
from seqapps.kit import metrics

AHEAD, LEVEL, BEHIND = "ahead", "level", "behind"
SHUFFLED = "shuffled_input"


def controls(app: App[P], evaluation: Evaluation[P]) -> dict[str, Columns]:
    """Answers (N, ...) of all controls; `shuffled_input` gives each row the answer of another."""
    order = metrics.deranged(units(app, evaluation.truth), seed=evaluation.params.evaluate.seed)
    # The answers that the model would give to shuffled inputs.
    return {SHUFFLED: columns.take(evaluation.response, order)} | app.controls(evaluation)


def judge(
    app: App[P],
    evaluation: Evaluation[P],
    model: dict[str, float],
    *,
    baselines: dict[str, Baseline],
    controls: dict[str, Columns],
) -> dict[str, Any]:
    """The part of metrics.json from `headline` to `refusals`.

    Args:
        app: the application.
        evaluation: truth (N, ...), answers (N, ...) of the model and of its baselines.
        model: all metrics of the model.
        baselines: the baselines as the application gave them.
        controls: answers (N, ...) of the controls.
    """
    truth, metric = evaluation.truth, app.headline[0]
    compared_on = app.compared_on or metric
    rivals = evaluation.baselines | controls
    bounds, method = _intervals(app, evaluation, rivals)
    scored = {
        name: short(app.score(evaluation.params, truth, answer)) for name, answer in rivals.items()
    }
    differences = {
        name: _difference(app, model[compared_on] - scored[name][compared_on], bound)
        for name, bound in zip(rivals, bounds[1:], strict=True)
    }
    fail = {name: {"fails_as_it_must": differences[name]["verdict"] == AHEAD} for name in controls}
    report = {
        "headline": {
            "metric": metric,
            "direction": app.headline[1],
            "value": model[metric],
            "interval95": _pair(bounds[0]),
        },
        "interval": {"unit": app.resample, "method": method, "compared_on": compared_on},
        "model": model,
        "baselines": {name: scored[name] for name in baselines},
        "controls": {name: scored[name] | fail[name] for name in controls},
        "differences": differences,
        "beats_baselines": all(differences[name]["verdict"] == AHEAD for name in baselines),
    }
    refusals = [
        *_not_ahead(report),
        *_starved(baselines, evaluation.trained_rows),
        *_unharmed(report),
        *_kept_answers(evaluation, controls),
        *_leaks(evaluation),
    ]
    return report | {"refusals": refusals}


def units(app: App[P], truth: Columns) -> np.ndarray:
    """The unit (N,) of each row that is drawn and deranged as a whole, numbered."""
    if app.resample == "row":
        return np.arange(len(truth["key"]))
    return np.unique(truth["group"].astype(str), return_inverse=True)[1]


def short(values: dict[str, float]) -> dict[str, float]:
    """The values with six digits."""
    return {name: float(f"{float(value):.6g}") for name, value in values.items()}


def sentence(name: str, difference: dict[str, Any]) -> str:
    """The verdict on a rival, as in "ahead of kmer by 0.0484 (95 % 0.0380..0.0590)"."""
    low, high = sorted(map(abs, difference["interval95"]))
    value, verdict = abs(difference["value"]), difference["verdict"]
    if verdict == LEVEL:
        low, high = difference["interval95"]
        return f"level with {name} ({difference['value']:+.4f}, 95 % {low:+.4f}..{high:+.4f})"
    of = "of " if verdict == AHEAD else ""
    return f"{verdict} {of}{name} by {value:.4f} (95 % {low:.4f}..{high:.4f})"


def _intervals(
    app: App[P], evaluation: Evaluation[P], rivals: dict[str, Columns]
) -> tuple[np.ndarray, str]:
    """The 95 % bounds (1 + K, 2) of the headline and of its differences to K rivals; the method."""
    params = evaluation.params
    answers = [evaluation.response, *rivals.values()]

    def statistics(rows: np.ndarray) -> np.ndarray:
        truth = columns.take(evaluation.truth, rows)
        drawn = (columns.take(answer, rows) for answer in answers)
        scores = [app.judged_by(params, truth=truth, response=answer) for answer in drawn]
        (headline, model), *others = scores
        return np.array([headline, *(model - other for _, other in others)])

    table = params.evaluate
    by_unit = units(app, evaluation.truth)
    return metrics.intervals(statistics, by_unit, samples=table.bootstrap_samples, seed=table.seed)


def _difference(app: App[P], value: float, bound: np.ndarray) -> dict[str, Any]:
    low, high = bound if app.headline[1] == "max" else -bound[::-1]
    verdict = AHEAD if low > 0 else BEHIND if high < 0 else LEVEL
    return {
        "value": short({"value": value})["value"],
        "interval95": _pair(bound),
        "verdict": verdict,
    }


def _pair(bound: np.ndarray) -> list[float]:
    return list(short({"low": bound[0], "high": bound[1]}).values())


def _not_ahead(report: dict[str, Any]) -> Iterator[str]:
    for name in report["baselines"]:
        if report["differences"][name]["verdict"] != AHEAD:
            yield f"the model is {sentence(name, report['differences'][name])}"


def _starved(baselines: dict[str, Baseline], trained_rows: int) -> Iterator[str]:
    for name, baseline in baselines.items():
        if baseline.learnt_from is not None and baseline.learnt_from < trained_rows:
            yield (
                f"baseline {name} learnt from {baseline.learnt_from:,} rows where the model had "
                f"{trained_rows:,}"
            )


def _unharmed(report: dict[str, Any]) -> Iterator[str]:
    for name, values in report["controls"].items():
        if not values["fails_as_it_must"]:
            difference = report["differences"][name]
            yield f"control {name} does not fail: the model is {sentence(name, difference)}"


def _kept_answers(evaluation: Evaluation[P], controls: dict[str, Columns]) -> Iterator[str]:
    """Controls that answer rows as the model itself does, as a shuffle with fixed points would."""
    for name, answers in controls.items():
        same = [
            _rows_alike(values, answers[output]) if output in answers else False
            for output, values in evaluation.response.items()
        ]
        kept = int(np.sum(np.all(np.broadcast_arrays(*same), axis=0)))
        if kept:
            yield f"control {name} gives {kept} rows the model's own answer"


def _rows_alike(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """True (N,) where a row of both columns (N, ...) is the same."""
    if one.dtype == object or one.shape != other.shape:
        return np.array([np.array_equal(a, b) for a, b in zip(one, other, strict=True)])
    return np.all(one.reshape(len(one), -1) == other.reshape(len(one), -1), axis=1)


def _leaks(evaluation: Evaluation[P]) -> Iterator[str]:
    if evaluation.leaked:
        yield (
            f"{len(evaluation.leaked)} test rows are train rows of the same fold as well, the "
            f"first {evaluation.leaked[0]}; one leak group keeps both on one side"
        )
