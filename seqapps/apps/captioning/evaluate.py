"""Evaluate: caption metrics against references, baselines, networks side by side.

Axis letters: N test pictures, L longest sentence, H rows of the grid, W columns.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from seqapps.app import Baseline, Columns, Evaluation
from seqapps.apps.captioning import baselines as baseline_models
from seqapps.apps.captioning import drawn
from seqapps.apps.captioning import figures as drawings
from seqapps.apps.captioning import metrics as scores
from seqapps.apps.captioning.params import Params
from seqapps.apps.captioning.sheet import Sheet, text
from seqapps.artifacts.columns import column, take
from seqapps.kit import metrics

SAMPLES = 60
"""Test pictures in the HTML sheet, evenly spread over the test split."""


class Findings(NamedTuple):
    """Answers (N, ...) by network, and the drawn flags with their answers (flags, ...)."""

    networks: dict[str, Columns]
    drawn_flags: tuple[list[drawn.Flag], Columns] | None = None


def score(params: Params, truth: Columns, response: Columns) -> dict[str, float]:
    """CIDEr-D, BLEU-1..4, ROUGE-L, distinct words used, distinct share of pairs of words.

    CIDEr-D's document counts come from the references of the rows that are scored, as
    pycocoevalcap's do.

    Args:
        params: not read.
        truth: `captions` (N,), the references of a picture a line each; `key` (N,).
        response: `caption` (N,).
    """
    del params
    captions, references = _captions(response), _references(truth)
    pairs = [
        gram for text in captions for gram, n in scores.grams(text)[1].items() for _ in range(n)
    ]
    metrics = {"cider_d": float(scores.cider_d(captions, references, keys=truth["key"]).mean())}
    metrics |= {f"bleu{n}": value for n, value in enumerate(scores.bleu(captions, references), 1)}
    return metrics | {
        "rouge_l": scores.rouge_l(captions, references),
        "distinct2": len(set(pairs)) / max(len(pairs), 1),
        "vocabulary": float(len({word for caption in captions for word in caption.split()})),
    }


def headline_score(params: Params, truth: Columns, response: Columns) -> float:
    """`cider_d` of `caption` (N,)."""
    del params
    references = _references(truth)
    return float(scores.cider_d(_captions(response), references, keys=truth["key"]).mean())


def baselines(evaluation: Evaluation[Params]) -> dict[str, Baseline]:
    """Captions (N,) of `baselines.responses`, and of the image-blind network if it was trained."""
    answers, networks = baseline_models.responses(evaluation), by_network(evaluation)
    answers |= {"image_blind": networks["blind"]} if "blind" in networks else {}
    return {
        name: Baseline(captions, learnt_from=evaluation.trained_rows)
        for name, captions in answers.items()
    }


def controls(evaluation: Evaluation[Params]) -> dict[str, Columns]:
    """`shuffled_images`: captions (N,) of a test picture of the same fold and another group."""
    truth = evaluation.truth
    other = truth["image"].copy()
    for fold in evaluation.folds:
        rows = np.flatnonzero(truth["fold"] == fold)
        groups, seed = truth["group"][rows].astype(str), evaluation.params.evaluate.seed
        other[rows] = truth["image"][rows[metrics.deranged(groups, seed=seed)]]
    return {"shuffled_images": evaluation.ask({"image": other, "fold": truth["fold"]})}


def measure(evaluation: Evaluation[Params]) -> tuple[dict[str, float], Findings]:
    """Further metrics of the captions; findings: captions by network, drawn flags.

    Metrics: an interval of BLEU-4, the share of captions copied from train, token cross-entropy in
    nats and accuracy, each network alone, both ways of decoding on the validation splits, and the
    drawn flags.
    """
    truth, params = evaluation.truth, evaluation.params
    networks = by_network(evaluation)
    metrics = _intervals(evaluation) | {"copied": _copied(evaluation)} | _forced(evaluation)
    for kind, response in networks.items():
        values = score(params, truth, response)
        metrics |= {f"alone_greedy.{kind}.{name}": values[name] for name in ("cider_d", "bleu4")}
    for name, (rows, response) in _on_validation(evaluation).items():
        values = score(params, rows, response)
        metrics |= {f"validation.{name}.{m}": values[m] for m in ("cider_d", "bleu4", "rouge_l")}
    findings = Findings(networks)
    if params.ingest.source == "flags":
        drawn_flags, values = _drawn(evaluation)
        findings = findings._replace(drawn_flags=drawn_flags)
        metrics |= values
    return metrics, findings


def figures(evaluation: Evaluation[Params], findings: Findings) -> Iterator[tuple[str, Figure]]:
    """Attention word by word on test pictures and on drawn flags; the networks side by side."""
    truth, response = evaluation.truth, evaluation.response
    values = scores.cider_d(_captions(response), _references(truth), keys=truth["key"])
    ranked = np.argsort(-values, kind="stable")
    chosen = ranked[np.linspace(0, len(ranked) - 1, drawings.SHOWN).astype(int)]
    rows = [
        (truth["image"][n], f"{truth['key'][n]}, CIDEr-D {values[n]:.2f}", _references(truth)[n][0])
        for n in chosen
    ]
    answers = [_row(response, n) for n in chosen]
    yield "attention", drawings.attention(rows, answers, title="test pictures, best to worst")
    if findings.drawn_flags:
        flags, answer = findings.drawn_flags
        rows = [(flag.image, f"drawn: {flag.kind}", " ".join(flag.colours)) for flag in flags]
        answers = [_row(answer, n) for n in range(len(flags))]
        title = "flags drawn here, the shipped network (generated data, a check)"
        yield "drawn_flags", drawings.attention(rows, answers, title=title)
    by_name = {f"{kind}, alone": answer for kind, answer in findings.networks.items()}
    by_name = {"shipped": response} | by_name | evaluation.baselines
    each = {
        name: scores.cider_d(_captions(answer), _references(truth), keys=truth["key"])
        for name, answer in by_name.items()
        if name != "image_blind"  # stands there as a network
    }
    yield "networks", drawings.networks(each)


def samples(evaluation: Evaluation[Params], findings: Findings, out: Path) -> None:
    """`captions.html`: test pictures with references, captions and attention."""
    del findings
    truth = evaluation.truth
    count = len(truth["key"])
    with Sheet(out / "captions.html") as sheet:
        for n in np.unique(np.linspace(0, count - 1, min(SAMPLES, count)).astype(int)):
            answer = _row(evaluation.response, n)
            sheet.add(truth["key"][n], truth["image"][n], answer, _references(truth)[n])


def by_network(evaluation: Evaluation[Params]) -> dict[str, Columns]:
    """The greedy captions (N,) of one network of each kind, alone, on all test pictures."""
    members, truth = evaluation.params.train.members, evaluation.truth
    by_kind = {kind: np.empty(len(truth["key"]), object) for kind in dict.fromkeys(members)}
    for fold in evaluation.folds:
        rows = np.flatnonzero(truth["fold"] == fold)
        answer = evaluation.call(fold, "compared", take(truth, rows))["caption"]
        for kind, captions in by_kind.items():
            captions[rows] = [text(caption) for caption in answer[:, members.index(kind)]]
    return {kind: {"caption": captions} for kind, captions in by_kind.items()}


def _captions(response: Columns) -> list[str]:
    return [text(caption) for caption in response["caption"]]


def _references(truth: Columns) -> list[tuple[str, ...]]:
    return [tuple(lines.split("\n")) for lines in truth["captions"]]


def _row(response: Columns, number: int) -> dict[str, Any]:
    return {name: values[number] for name, values in response.items()}


def _intervals(evaluation: Evaluation[Params]) -> dict[str, float]:
    truth, table = evaluation.truth, evaluation.params.evaluate
    options = {"samples": table.bootstrap_samples, "seed": table.seed, "groups": truth["group"]}
    low, high = metrics.interval(
        lambda t, r: scores.bleu(_captions(r), _references(t))[3],
        truth=truth,
        response=evaluation.response,
        **options,
    )
    return {"bleu4_low": low, "bleu4_high": high}


def _copied(evaluation: Evaluation[Params]) -> float:
    """The share of captions that are, word for word, a caption of their fold's train split."""
    truth, captions = evaluation.truth, np.array(_captions(evaluation.response), object)
    copies = 0
    for fold in evaluation.folds:
        rows = evaluation.records("train", fold)
        known = {line for row in rows for line in row["captions"].decode().split("\n")}
        copies += sum(caption in known for caption in captions[truth["fold"] == fold])
    return copies / len(captions)


def _forced(evaluation: Evaluation[Params]) -> dict[str, float]:
    """Cross-entropy in nats and accuracy of the true next word after true words."""
    sums = {name: 0.0 for name in [*TOKENS.values(), "count"]}
    for fold in evaluation.folds:
        rows = np.flatnonzero(evaluation.truth["fold"] == fold)
        answer = evaluation.call(fold, "forced", take(evaluation.truth, rows))
        sums = {name: total + float(answer[name].sum()) for name, total in sums.items()}
    return {f"token_{name}": sums[part] / sums["count"] for name, part in TOKENS.items()}


TOKENS = {"crossentropy": "crossentropy", "accuracy": "hits"}


def _on_validation(evaluation: Evaluation[Params]) -> dict[str, tuple[Columns, Columns]]:
    """Truth and answers of both decodings on the validation splits, by which one is chosen."""
    held = {fold: list(evaluation.records("validation", fold)) for fold in evaluation.folds}
    truth = {
        name: column([row[name] for rows in held.values() for row in rows])
        for name in ("key", "captions")
    }
    # A picture validates in as many folds as its slice touches: each time is a row of its own.
    truth["key"] = np.array([f"{n}/{key}" for n, key in enumerate(truth["key"])], object)
    metrics = {}
    for name in ("greedy", "beam3"):
        answers = [
            evaluation.call(fold, name, {"image": column([row["image"] for row in rows])})
            for fold, rows in held.items()
        ]
        metrics[name] = (
            truth,
            {"caption": np.concatenate([answer["caption"] for answer in answers])},
        )
    return metrics


def _drawn(evaluation: Evaluation[Params]) -> tuple[Any, dict[str, float]]:
    """Captions of the drawn flags by each fold's network; the last fold's is the shipped one.

    `drawn.<kind>.shipped` and `.folds`: share of right captions, of the kind's drawn flags (and
    folds); `.attention` against `.area`: how much of the attention lay on the part that the word
    names, and how much of the picture that part is.
    """
    flags = drawn.flags()
    content = column([flag.image for flag in flags])
    answers = {
        fold: evaluation.call(fold, "serving_default", {"image": content})
        for fold in evaluation.folds
    }
    shipped = answers[evaluation.folds[-1]]
    shares: dict[str, float] = {}
    for kind in drawn.CHOICES:
        mine = [n for n, flag in enumerate(flags) if flag.kind == kind]
        right = {
            fold: [
                drawn.right(text(answer["caption"][n]), kind, colours=flags[n].colours)
                for n in mine
            ]
            for fold, answer in answers.items()
        }
        looks = [
            look for answer in answers.values() for n in mine for look in _looks(flags, answer, n)
        ]
        attention, area = np.mean(looks, axis=0) if looks else (0.0, 0.0)
        values = {
            "shipped": np.mean(right[evaluation.folds[-1]]),
            "folds": np.mean(list(right.values())),
            "attention": attention,
            "area": area,
        }
        shares |= {f"drawn.{kind}.{name}": float(value) for name, value in values.items()}
    return (flags, shipped), shares


def _looks(flags: list[drawn.Flag], answer: Columns, n: int) -> list[tuple[float, float]]:
    words = [text(word) for word in answer["words"][n]]
    return drawn.focus(flags[n], words, np.asarray(answer["attention"][n]))
