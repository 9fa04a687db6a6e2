"""Evaluate: word and character error rates, baselines, ablations of the search, speed.

WER = (substitutions + deletions + insertions) / words of the reference, over all clips together;
CER the same over characters, spaces included. Both texts are normalised (see `normaliser`).
"""

import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from seqapps.app import Baseline, Columns, Evaluation
from seqapps.apps.asr import baselines as baseline_models
from seqapps.apps.asr import figures as drawings
from seqapps.apps.asr.data import audio
from seqapps.apps.asr.nn import frontend
from seqapps.apps.asr.params import WEIGHTS, Params
from seqapps.artifacts.columns import take
from seqapps.kit import children, metrics

TIMED_CLIPS = 20
SAMPLES_SHOWN = 8


class Findings(NamedTuple):
    """Arguments of `figures.spikes` and, with `kind = "las"`, of `figures.attention`."""

    spikes: dict[str, Any]
    attention: dict[str, Any] | None = None


def score(params: Params, truth: Columns, response: Columns) -> dict[str, float]:
    """`wer`, its three parts, `cer`, and both for each corpus, of `text` (N,)."""
    del params
    errors = metrics.error_rates(truth["text"], response["text"])
    for corpus in sorted(set(truth["corpus"])):
        rows = np.flatnonzero(truth["corpus"] == corpus)
        part = metrics.error_rates(truth["text"][rows], response["text"][rows])
        errors |= {f"wer.{corpus}": part["wer"], f"cer.{corpus}": part["cer"]}
    return errors


def headline_score(params: Params, truth: Columns, response: Columns) -> float:
    """`cer` of `text` (N,)."""
    del params
    return metrics.character_error_rate(truth["text"], response["text"])


def baselines(evaluation: Evaluation[Params]) -> dict[str, Baseline]:
    """Texts (N,) of the baselines: `empty`, `most_frequent`, `dtw`, and PocketSphinx if asked for.

    `pocketsphinx` has its own language model, `pocketsphinx_lines` one of the train lines. It
    listens in a process of its own while templates are compared: each keeps one core busy.
    """
    truth = evaluation.truth
    train = [row for fold in evaluation.folds for row in evaluation.records("train", fold)]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=children.end_with_parent) as beside:
        listening = {}
        if evaluation.params.evaluate.pocketsphinx:
            known = sorted({row["text"].decode() for row in train})
            listening = {
                name: beside.submit(
                    baseline_models.pocketsphinx, evaluation.raw, truth["key"], lines=lines
                )
                for name, lines in (("pocketsphinx", []), ("pocketsphinx_lines", known))
            }
        frequent = baseline_models.most_frequent(train, truth)
        templates = baseline_models.nearest_template(train, truth)
        rivals = {
            "empty": Baseline({"text": baseline_models.empty(truth)}, learnt_from=None),
            "most_frequent": Baseline({"text": frequent}, learnt_from=len(train)),
            "dtw": Baseline({"text": templates}, learnt_from=len(train)),
        }
        return rivals | {
            name: Baseline({"text": one.result()}, learnt_from=None)
            for name, one in listening.items()
        }


def controls(evaluation: Evaluation[Params]) -> dict[str, Columns]:
    """`reversed_audio`: answers (N, ...) to each clip played backwards."""
    turned = np.empty(len(evaluation.truth["key"]), object)
    for row, wav in enumerate(evaluation.truth["wav"]):
        samples, rate_hz = audio.samples(wav)
        turned[row] = audio.wav(samples[::-1], rate_hz)
    return {"reversed_audio": evaluation.ask(evaluation.truth | {"wav": turned})}


def measure(evaluation: Evaluation[Params]) -> tuple[dict[str, float], Findings]:
    """Intervals of all baselines, speed, other searches; and findings for the figures.

    `real_time_factor` is CPU seconds of all threads for a second of speech, one clip at a time.
    """
    more = {"real_time_factor": _real_time_factor(evaluation)}
    searches: dict[str, dict[str, float]] = {"beam_without_lm": {name: 0.0 for name in WEIGHTS}}
    if evaluation.params.evaluate.phones_weight:
        searches["beam_without_phones"] = {"phones_weight": 0.0}
    if evaluation.params.train.kind == "las":
        searches["beam"] = {}  # CTC's own answer, where the speller's is the model's
    for name, weights in searches.items():
        errors = _errors_of(evaluation, _tuned(evaluation, weights))
        more |= {f"{name}.{metric}": value for metric, value in errors}
    rows = {"model": evaluation.response} | evaluation.baselines
    for name, response in rows.items():
        for metric in ("wer", "cer"):
            low, high = _interval(evaluation, {"text": response["text"]}, metric)
            more |= {
                f"interval95.{name}.{metric}_low": low,
                f"interval95.{name}.{metric}_high": high,
            }
    row = _shown_row(evaluation)
    findings = Findings(_spikes(evaluation, row))
    if evaluation.params.train.kind == "las":
        findings = findings._replace(attention=_looks(evaluation, row))
    return more, findings


def figures(evaluation: Evaluation[Params], findings: Findings) -> Iterator[tuple[str, Figure]]:
    """Spikes over the log-mel, attention, confusions of letters, WER by duration and by speaker."""
    truth, response = evaluation.truth, evaluation.response
    yield "spikes", drawings.spikes(**findings.spikes)
    if findings.attention is not None:
        yield "attention", drawings.attention(**findings.attention)
    yield "confusions", drawings.confusions(truth["text"], response["text"])
    by_speaker = {
        name: (metrics.error_rates(truth["text"][rows], response["text"][rows])["wer"], len(rows))
        for name in sorted(set(truth["speaker"]))
        if len(rows := np.flatnonzero(truth["speaker"] == name))
    }
    yield "wer_by_speaker", drawings.bars(by_speaker, title="WER by speaker (clips)")
    yield (
        "wer_by_duration",
        drawings.bars(_by_duration(evaluation), title="WER by duration (clips)"),
    )


def samples(evaluation: Evaluation[Params], findings: Findings, out: Path) -> None:
    """Writes some test clips as WAV, and a table of references and hypotheses."""
    del findings
    truth, response = evaluation.truth, evaluation.response
    rows = np.linspace(0, len(truth["key"]) - 1, SAMPLES_SHOWN).astype(int)
    lines = ["| clip | reference | hypothesis |", "|---|---|---|"]
    for row in dict.fromkeys(rows.tolist()):
        name = truth["key"][row].replace("/", "-") + ".wav"
        (out / name).write_bytes(truth["wav"][row])
        lines.append(f"| {name} | {truth['text'][row]} | {response['text'][row]} |")
    (out / "transcripts.md").write_text("\n".join(lines) + "\n")


def _errors_of(evaluation: Evaluation[Params], response: Columns) -> list[tuple[str, float]]:
    errors = metrics.error_rates(evaluation.truth["text"], response["text"])
    return [(name, errors[name]) for name in ("wer", "cer")]


def _tuned(evaluation: Evaluation[Params], weights: dict[str, float]) -> Columns:
    """Answers with other `weights` than those of `[evaluate]`."""
    rows = len(evaluation.truth["key"])
    fixed = {name: getattr(evaluation.params.evaluate, name) for name in WEIGHTS}
    values = fixed | {"hot_weight": 0.0} | weights
    columns = evaluation.truth | {n: np.full(rows, v, np.float32) for n, v in values.items()}
    columns["hot_words"] = np.array([""] * rows, object)
    return evaluation.call(evaluation.folds[0], "tuned", columns)


def _interval(
    evaluation: Evaluation[Params], response: Columns, metric: str
) -> tuple[float, float]:
    table = evaluation.params.evaluate
    return metrics.interval(
        lambda t, r: metrics.error_rates(t["text"], r["text"])[metric],
        truth={"text": evaluation.truth["text"]},
        response=response,
        samples=table.bootstrap_samples,
        seed=table.seed,
        groups=evaluation.truth["group"],
    )


def _real_time_factor(evaluation: Evaluation[Params]) -> float:
    rows = np.arange(min(TIMED_CLIPS, len(evaluation.truth["key"])))
    ones = [take(evaluation.truth, rows[i : i + 1]) for i in rows]
    evaluation.ask(ones[0])  # traced and warm
    started = time.process_time()
    for one in ones:
        evaluation.ask(one)
    return (time.process_time() - started) / float(sum(one["seconds"][0] for one in ones))


def _shown_row(evaluation: Evaluation[Params]) -> np.ndarray:
    """The clip of middling length with the fewest errors."""
    seconds = evaluation.truth["seconds"]
    rows = np.argsort(np.abs(seconds - np.median(seconds)))[: 1 + len(seconds) // 4]
    return rows[[np.argmax(evaluation.response["score"][rows])]]


def _looks(evaluation: Evaluation[Params], row: np.ndarray) -> dict[str, Any]:
    """Attention weights of the speller per letter, in the form of `figures.attention`."""
    one = take(evaluation.truth, row)
    answer = evaluation.call(evaluation.folds[0], "attention", one)
    step_ms = evaluation.params.train.subsampling * frontend.HOP_MS
    return {
        "weights": answer["weights"][0],
        "text": answer["text"][0],
        "reference": one["text"][0],
        "step_seconds": step_ms / 1000,
    }


def _spikes(evaluation: Evaluation[Params], row: np.ndarray) -> dict[str, Any]:
    """CTC's alignment of a test clip, as `figures.spikes` wants it."""
    one = take(evaluation.truth, row)
    posteriors = evaluation.call(evaluation.folds[0], "posteriors", one)
    answer = evaluation.ask(one)
    sound, rate_hz = audio.samples(one["wav"][0])
    table = evaluation.params.train
    log_mel = frontend.log_mel(tf.constant(sound[None]), rate_hz, n_mels=table.n_mels)
    return {
        "log_mel": log_mel.numpy()[0],
        "log_probability": posteriors["log_probability"][0],
        "step_seconds": table.subsampling * frontend.HOP_MS / 1000,
        "words": [
            (str(word), float(start), float(end))
            for word, start, end in zip(
                [w.decode() for w in answer["words"][0]],
                answer["start_s"][0],
                answer["end_s"][0],
                strict=True,
            )
        ],
        "reference": one["text"][0],
    }


def _by_duration(evaluation: Evaluation[Params]) -> dict[str, tuple[float, int]]:
    truth, response = evaluation.truth, evaluation.response
    edges = (0, 1, 2, 3, 5, 8, np.inf)
    rates = {}
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        rows = np.flatnonzero((truth["seconds"] >= low) & (truth["seconds"] < high))
        if len(rows):
            name = f"{low}-{high} s" if np.isfinite(high) else f"over {low} s"
            wer = metrics.error_rates(truth["text"][rows], response["text"][rows])["wer"]
            rates[name] = (wer, len(rows))
    return rates
