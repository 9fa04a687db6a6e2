"""How well the network tells bound from unbound sequences, and what it reads.

Two tasks, which must not be confused: a factor's sites against their own dinucleotide shuffles (or
the negatives the user gave), and a factor's sites against the sites of the other factors. Networks
trained on shuffles alone do well on the first and badly on the second.

Axis letters: N rows, F factors, L longest sequence in bp.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from seqapps.app import Evaluation
from seqapps.dna import figures as drawings
from seqapps.dna import motifs, preprocess, rivals

Columns = dict[str, Any]
TASKS = ("shuffles", "peaks")


def score(params: Any, truth: Columns, response: Columns) -> dict[str, float]:
    """AUROC and AUPRC of both tasks per factor and as means, cross-entropy and accuracy.

    A mean or value that no row decides is nan for `auroc_shuffles`, and left out else.

    Args:
        params: `ingest.names` names the columns; a run that got fewer factors has the first ones.
        truth: `labels` float32 (N, F), 1, 0 or -1 = unknown; `kind` and `factor` (N,).
        response: `probability` float32 (N, F).
    """
    labels, chances = truth["labels"], np.asarray(response["probability"], float)
    names = params.ingest.names[: labels.shape[1]]
    found = {"auroc_shuffles": float("nan")}
    for task in TASKS:
        for measure, function in (("auroc", auroc), ("auprc", auprc)):
            values = {
                name: function(*of_task(truth, chances, task, number))
                for number, name in enumerate(names)
            }
            decided = {name: value for name, value in values.items() if not np.isnan(value)}
            if decided:
                found[f"{measure}_{task}"] = float(np.mean(list(decided.values())))
            found |= {f"{measure}_{task}.{name}": value for name, value in decided.items()}
    return found | over_all(labels, chances)


def of_task(
    truth: Columns, chances: np.ndarray, task: str, factor: int
) -> tuple[np.ndarray, np.ndarray]:
    """Whether bound, bool (N,), and the probability (N,) of the rows that a task compares.

    "shuffles" compares the factor's own rows; "peaks" its sites with the other factors' sites.
    """
    own, site = truth["factor"] == factor, truth["kind"] == "site"
    rows = own & (truth["labels"][:, factor] >= 0) if task == "shuffles" else site
    return (own & site)[rows], chances[rows, factor]


def auroc(bound: np.ndarray, chance: np.ndarray) -> float:
    """The chance that a bound row is ranked above an unbound one, a tie counting half; or nan.

    `auroc([1, 0, 1, 0], [.9, .8, .4, .1])` is 3 of 4 pairs, .75.
    """
    bound = np.asarray(bound, bool)
    yes, no = np.asarray(chance)[bound], np.sort(np.asarray(chance)[~bound])
    if not len(yes) or not len(no):
        return float("nan")
    wins = (np.searchsorted(no, yes, "left") + np.searchsorted(no, yes, "right")) / 2
    return float(wins.mean() / len(no))


def auprc(bound: np.ndarray, chance: np.ndarray) -> float:
    """Average precision: precision at each threshold, weighted by the recall it adds; or nan.

    `auprc([1, 0, 1, 0], [.9, .8, .4, .1])` is 1/2 * 1/1 + 1/2 * 2/3.
    """
    precision, recall = precision_recall(bound, chance)
    if not len(precision) or np.isnan(recall[-1]) or np.all(bound):
        return float("nan")
    return float(np.sum(precision * np.diff(recall, prepend=0.0)))


def precision_recall(bound: np.ndarray, chance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Precision and recall at each distinct threshold, from the highest down."""
    order = np.argsort(-np.asarray(chance), kind="stable")
    hits, ranked = np.cumsum(np.asarray(bound, float)[order]), np.asarray(chance)[order]
    last = np.flatnonzero(np.diff(ranked, append=np.inf))  # of each run of ties
    total = hits[-1] if len(hits) and hits[-1] else np.nan
    return hits[last] / (last + 1), hits[last] / total


def over_all(labels: np.ndarray, chances: np.ndarray) -> dict[str, float]:
    """Mean cross-entropy in nats and accuracy at 1/2, over all known labels."""
    known = labels >= 0
    bound, chance = labels[known] > 0, np.clip(chances[known], 1e-7, 1 - 1e-7)
    right = np.where(bound, chance, 1 - chance)
    return {"bce": float(-np.log(right).mean()), "accuracy": float((right > 0.5).mean())}


def baselines(evaluation: Evaluation) -> dict[str, Columns]:
    """Answers of the rivals, see `rivals.answers`."""
    return rivals.answers(evaluation)


def controls(evaluation: Evaluation) -> dict[str, Columns]:
    """`cross_factor`: each factor's column answered by the next factor's, if there are several."""
    chances = evaluation.response["probability"]
    if chances.shape[1] == 1:
        return {}
    return {"cross_factor": {"probability": np.roll(chances, -1, axis=1)}}


def measure(evaluation: Evaluation) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """The motif that the network reads for each factor, and the JASPAR matrix nearest to it.

    Metrics: `tomtom_q.<factor>`, and `motif_in_family.<factor>` (1 or 0, see `motifs.in_family`)
    for factors whose family is known. Findings, per factor: its name, the best test site's bases
    and effects, the motif and the match.
    """
    known = motifs.jaspar(evaluation.raw)
    fold = evaluation.folds[-1]
    metrics: dict[str, float] = {}
    findings: list[dict[str, Any]] = []
    if not known:  # ingest has said so
        return metrics, findings
    for number, name in enumerate(preprocess.facts(evaluation.assets(fold))["factors"]):
        bases, effect = _mutated(evaluation, fold, number)
        motif = motifs.recover(bases, effect)
        match = motifs.nearest(motif, known)
        metrics[f"tomtom_q.{name}"] = match.q
        fits = motifs.in_family(name, match)
        if fits is not None:
            metrics[f"motif_in_family.{name}"] = float(fits)
        best = {"bases": bases[0], "effect": effect[0]}
        findings.append(
            {"factor": name, "motif": motif, "match": match, "sites": len(bases)} | best
        )
    return metrics, findings


def figures(evaluation: Evaluation, findings: list[dict[str, Any]]) -> Iterator[tuple[str, Figure]]:
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
        yield f"roc_{task}", drawings.roc(names, rows, auroc, task=task)
        yield (
            f"precision_recall_{task}",
            drawings.precision_recall(names, rows, precision_recall, auprc, task=task),
        )
        if task == "shuffles":
            yield "calibration", drawings.calibration(names, rows)
    for finding in findings:
        yield f"logo_{finding['factor']}", drawings.logo(finding)


def _mutated(evaluation: Evaluation, fold: str, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """One-hot bases (n, L, 4) and effects (n, L, 4) of a factor's best-scored test sites."""
    truth = evaluation.truth
    sites = (truth["factor"] == factor) & (truth["kind"] == "site") & (truth["fold"] == fold)
    rows = np.flatnonzero(sites)
    best = np.argsort(-evaluation.response["probability"][rows, factor], kind="stable")
    rows = rows[best[: evaluation.params.evaluate.motif_sites]]
    texts = truth["sequence"][rows]
    effect = evaluation.call(fold, "mutagenesis", {"sequence": texts})["effect"]
    return rivals.one_hot(rivals.codes(texts, effect.shape[1])), effect[..., factor]
