"""Evaluate: bound against unbound sequences, and the motifs in the network.

Two tasks, which must not be confused: a factor's sites against their own dinucleotide shuffles (or
the negatives the user gave), and a factor's sites against the sites of the other factors. Networks
trained on shuffles alone do well on the first and badly on the second.

Axis letters: N rows, F factors, L longest sequence in bp.
"""

from collections.abc import Iterator

import numpy as np
from matplotlib.figure import Figure

from seqapps.app import Baseline, Columns, Evaluation
from seqapps.apps.dna import baselines as baseline_models
from seqapps.apps.dna import figures as drawings
from seqapps.apps.dna import motifs, preprocess
from seqapps.apps.dna.motifs import Finding
from seqapps.apps.dna.params import Params
from seqapps.kit import metrics, progress

TASKS = ("shuffles", "peaks")


def score(params: Params, truth: Columns, response: Columns) -> dict[str, float]:
    """AUROC and AUPRC of both tasks per factor and as means, cross-entropy and accuracy.

    A mean or value that no row decides is nan for `auroc_shuffles`, and left out else.

    Args:
        params: `ingest.names` names the columns; a run that got fewer factors has the first ones.
        truth: `labels` float32 (N, F), 1, 0 or -1 = unknown; `kind` and `factor` (N,).
        response: `probability` float32 (N, F).
    """
    labels, probabilities = truth["labels"], np.asarray(response["probability"], float)
    names = params.ingest.names[: labels.shape[1]]
    scores = {"auroc_shuffles": float("nan")}
    for task in TASKS:
        for measure, function in (("auroc", metrics.auroc), ("auprc", metrics.auprc)):
            values = {
                name: function(*of_task(truth, probabilities, task, number))
                for number, name in enumerate(names)
            }
            decided = {name: value for name, value in values.items() if not np.isnan(value)}
            if decided:
                scores[f"{measure}_{task}"] = float(np.mean(list(decided.values())))
            scores |= {f"{measure}_{task}.{name}": value for name, value in decided.items()}
    return scores | over_all(labels, probabilities)


def of_task(
    truth: Columns, probabilities: np.ndarray, task: str, factor: int
) -> tuple[np.ndarray, np.ndarray]:
    """Labels bool (N,) and probabilities (N,) of the rows that a task compares.

    "shuffles" compares the factor's own rows; "peaks" its sites with the other factors' sites.
    """
    of_factor, site = truth["factor"] == factor, truth["kind"] == "site"
    rows = of_factor & (truth["labels"][:, factor] >= 0) if task == "shuffles" else site
    return (of_factor & site)[rows], probabilities[rows, factor]


def over_all(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Mean cross-entropy in nats and accuracy at 1/2, over the known of labels (N, F)."""
    known = labels >= 0
    bound, probability = labels[known] > 0, np.clip(probabilities[known], 1e-7, 1 - 1e-7)
    right = np.where(bound, probability, 1 - probability)
    return {"bce": float(-np.log(right).mean()), "accuracy": float((right > 0.5).mean())}


def headline_score(params: Params, truth: Columns, response: Columns) -> float:
    """`auroc_shuffles` of `probability` (N, F), the mean over the factors that rows decide."""
    del params
    probabilities = np.asarray(response["probability"], float)
    tasks = (of_task(truth, probabilities, "shuffles", n) for n in range(truth["labels"].shape[1]))
    areas = [area for rows in tasks if not np.isnan(area := metrics.auroc(*rows))]
    return float(np.mean(areas)) if areas else float("nan")


def baselines(evaluation: Evaluation[Params]) -> dict[str, Baseline]:
    """The baselines with their probabilities (N, F), see `baselines.answers`."""
    return baseline_models.answers(evaluation)


def controls(evaluation: Evaluation[Params]) -> dict[str, Columns]:
    """`cross_factor`: columns of (N, F) moved by one factor, if there are several."""
    probabilities = evaluation.response["probability"]
    if probabilities.shape[1] == 1:
        return {}
    return {"cross_factor": {"probability": np.roll(probabilities, -1, axis=1)}}


def measure(evaluation: Evaluation[Params]) -> tuple[dict[str, float], list[Finding]]:
    """The motif that the network reads for each factor, and the JASPAR matrix nearest to it.

    Metrics: `tomtom_q.<factor>`, and `motif_in_family.<factor>` (1 or 0, see `motifs.in_family`)
    for factors whose family is known. Findings, per factor: its name, the best test site's bases
    and effects, the motif and the match.
    """
    known = motifs.jaspar(evaluation.raw)
    fold = evaluation.folds[-1]
    values: dict[str, float] = {}
    findings: list[Finding] = []
    if not known:  # ingest has said so
        return values, findings
    for number, name in enumerate(preprocess.facts(evaluation.assets(fold))["factors"]):
        bases, effect = _mutated(evaluation, fold, number)
        motif = motifs.recover(bases, effect)
        match = motifs.nearest(motif, known)
        values[f"tomtom_q.{name}"] = match.q
        fits = motifs.in_family(name, match)
        if fits is not None:
            values[f"motif_in_family.{name}"] = float(fits)
        findings.append(Finding(name, motif, match, len(bases), bases[0], effect[0]))
    return values, findings


def figures(
    evaluation: Evaluation[Params], findings: list[Finding]
) -> Iterator[tuple[str, Figure]]:
    """ROC and precision-recall curves of both tasks, calibration, and a logo per factor."""
    fold = evaluation.folds[-1]
    names = preprocess.facts(evaluation.assets(fold))["factors"]
    answers = {"network": evaluation.response} | evaluation.baselines
    for task in TASKS[: len(names)]:  # a lone factor has no other peaks
        rows = [
            {
                name: of_task(evaluation.truth, np.asarray(answer["probability"]), task, number)
                for name, answer in answers.items()
            }
            for number in range(len(names))
        ]
        yield f"roc_{task}", drawings.roc(names, rows, metrics.auroc, task=task)
        yield (
            f"precision_recall_{task}",
            drawings.precision_recall(
                names, rows, points=metrics.precision_recall, auprc=metrics.auprc, task=task
            ),
        )
        if task == "shuffles":
            yield "calibration", drawings.calibration(names, rows)
    for finding in findings:
        yield f"logo_{finding.factor}", drawings.logo(finding)


def _mutated(
    evaluation: Evaluation[Params], fold: str, factor: int
) -> tuple[np.ndarray, np.ndarray]:
    """One-hot bases (n, L, 4) and effects (n, L, 4) of a factor's best-scored test sites."""
    truth = evaluation.truth
    sites = (truth["factor"] == factor) & (truth["kind"] == "site") & (truth["fold"] == fold)
    rows = np.flatnonzero(sites)
    best = np.argsort(-evaluation.response["probability"][rows, factor], kind="stable")
    rows = rows[best[: evaluation.params.evaluate.motif_sites]]
    texts = truth["sequence"][rows]
    shown = progress.over(range(len(rows)), what="dna mutagenesis", unit="sites", total=len(rows))
    effect = np.concatenate(
        [
            evaluation.call(fold, "mutagenesis", {"sequence": texts[row : row + 1]})["effect"]
            for row in shown
        ]
    )
    return baseline_models.one_hot(baseline_models.codes(texts, effect.shape[1])), effect[
        ..., factor
    ]
