"""Evaluate: word and character errors, rivals, and what speed and search are worth.

WER = (substitutions + deletions + insertions) / words of the reference, over all clips together;
CER the same over characters, spaces included. Both texts are normalised (see `text`). Counted by
jiwer.
"""

import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
from matplotlib.figure import Figure

from seqapps import metrics
from seqapps.app import Evaluation
from seqapps.asr import audio, frontend, rivals
from seqapps.asr import figures as drawings
from seqapps.asr.params import WEIGHTS

TIMED_CLIPS = 20
SAMPLES_SHOWN = 8


def score(params: Any, truth: dict[str, Any], response: dict[str, Any]) -> dict[str, float]:
    """`wer`, its three parts, `cer`, and both for each corpus."""
    del params
    found = _errors(truth["text"], response["text"])
    for corpus in sorted(set(truth["corpus"])):
        rows = np.flatnonzero(truth["corpus"] == corpus)
        part = _errors(truth["text"][rows], response["text"][rows])
        found |= {f"wer.{corpus}": part["wer"], f"cer.{corpus}": part["cer"]}
    return found


def baselines(evaluation: Evaluation) -> dict[str, dict[str, Any]]:
    """Answers of rivals: `empty`, `most_frequent`, `dtw`, and `pocketsphinx` if it is asked for.

    The last listens in a process of its own while templates are compared: each keeps one core busy.
    """
    truth = evaluation.truth
    train = [row for fold in evaluation.folds for row in evaluation.records("train", fold)]
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as beside:
        listening = {}
        if evaluation.params.evaluate.pocketsphinx:
            heard = beside.submit(rivals.pocketsphinx, evaluation.raw, truth["key"])
            listening = {"pocketsphinx": heard}
        found = {
            "empty": rivals.empty(truth),
            "most_frequent": rivals.most_frequent(train, truth),
            "dtw": rivals.nearest_template(train, truth),
        }
        found |= {name: heard.result() for name, heard in listening.items()}
    return {name: {"text": texts} for name, texts in found.items()}


def controls(evaluation: Evaluation) -> dict[str, dict[str, Any]]:
    """`reversed_audio`: each clip played backwards."""
    turned = np.empty(len(evaluation.truth["key"]), object)
    for row, wav in enumerate(evaluation.truth["wav"]):
        samples, rate_hz = audio.samples(wav)
        turned[row] = audio.wav(samples[::-1], rate_hz)
    return {"reversed_audio": evaluation.ask(evaluation.truth | {"wav": turned})}


def measure(evaluation: Evaluation) -> tuple[dict[str, float], dict[str, Any]]:
    """Intervals of all rivals, speed, other searches; and what the figures need.

    `real_time_factor` is CPU seconds of all threads for a second of speech, one clip at a time.
    """
    more = {"real_time_factor": _real_time_factor(evaluation)}
    searches = {"beam_without_lm": dict.fromkeys(WEIGHTS, 0.0)}
    if evaluation.params.evaluate.phones_weight:
        searches["beam_without_phones"] = {"phones_weight": 0.0}
    if evaluation.params.train.kind == "las":
        searches["beam"] = {}  # CTC's own answer, where the speller's is the model's
    for name, weights in searches.items():
        found = _errors_of(evaluation, _tuned(evaluation, weights))
        more |= {f"{name}.{metric}": value for metric, value in found}
    rows = {"model": evaluation.response} | evaluation.baselines
    for name, response in rows.items():
        for metric in ("wer", "cer"):
            low, high = _interval(evaluation, {"text": response["text"]}, metric)
            more |= {
                f"interval95.{name}.{metric}_low": low,
                f"interval95.{name}.{metric}_high": high,
            }
    row = _shown_row(evaluation)
    findings = {"spikes": _spikes(evaluation, row)}
    if evaluation.params.train.kind == "las":
        findings["attention"] = _looks(evaluation, row)
    return more, findings


def figures(evaluation: Evaluation, findings: dict[str, Any]) -> Iterator[tuple[str, Figure]]:
    """Spikes over the log-mel, attention, confusions of letters, WER by duration and by speaker."""
    truth, response = evaluation.truth, evaluation.response
    yield "spikes", drawings.spikes(**findings["spikes"])
    if "attention" in findings:
        yield "attention", drawings.attention(**findings["attention"])
    yield "confusions", drawings.confusions(truth["text"], response["text"])
    by_speaker = {
        name: (_errors(truth["text"][rows], response["text"][rows])["wer"], len(rows))
        for name in sorted(set(truth["speaker"]))
        if len(rows := np.flatnonzero(truth["speaker"] == name))
    }
    yield "wer_by_speaker", drawings.bars(by_speaker, title="WER by speaker (clips)")
    yield (
        "wer_by_duration",
        drawings.bars(_by_duration(evaluation), title="WER by duration (clips)"),
    )


def samples(evaluation: Evaluation, findings: dict[str, Any], out: Path) -> None:
    """Writes some test clips as WAV, and a table of what was said and what was heard."""
    del findings
    truth, response = evaluation.truth, evaluation.response
    rows = np.linspace(0, len(truth["key"]) - 1, SAMPLES_SHOWN).astype(int)
    lines = ["| clip | said | heard |", "|---|---|---|"]
    for row in dict.fromkeys(rows.tolist()):
        name = truth["key"][row].replace("/", "-") + ".wav"
        (out / name).write_bytes(truth["wav"][row])
        lines.append(f"| {name} | {truth['text'][row]} | {response['text'][row]} |")
    (out / "heard.md").write_text("\n".join(lines) + "\n")


def _errors(references: np.ndarray, heard: np.ndarray) -> dict[str, float]:
    words = jiwer.process_words(references.tolist(), heard.tolist())
    count = sum(len(text.split()) for text in references)
    return {
        "wer": words.wer,
        "substitutions": words.substitutions / count,
        "deletions": words.deletions / count,
        "insertions": words.insertions / count,
        "cer": jiwer.process_characters(references.tolist(), heard.tolist()).cer,
    }


def _errors_of(evaluation: Evaluation, response: dict[str, Any]) -> list[tuple[str, float]]:
    found = _errors(evaluation.truth["text"], response["text"])
    return [(name, found[name]) for name in ("wer", "cer")]


def _tuned(evaluation: Evaluation, weights: dict[str, float]) -> dict[str, Any]:
    """Answers with other `weights` than those of `[evaluate]`."""
    rows = len(evaluation.truth["key"])
    own = {name: getattr(evaluation.params.evaluate, name) for name in WEIGHTS}
    values = own | {"hot_weight": 0.0} | weights
    columns = evaluation.truth | {n: np.full(rows, v, np.float32) for n, v in values.items()}
    columns["hot_words"] = np.array([""] * rows, object)
    return evaluation.call(evaluation.folds[0], "tuned", columns)


def _interval(evaluation: Evaluation, response: dict[str, Any], metric: str) -> tuple[float, float]:
    table = evaluation.params.evaluate
    return metrics.bootstrap(
        lambda t, r: _errors(t["text"], r["text"])[metric],
        {"text": evaluation.truth["text"]},
        response,
        samples=table.bootstrap_samples,
        seed=table.seed,
        groups=evaluation.truth["group"],
    )


def _real_time_factor(evaluation: Evaluation) -> float:
    rows = np.arange(min(TIMED_CLIPS, len(evaluation.truth["key"])))
    ones = [metrics.take(evaluation.truth, rows[i : i + 1]) for i in rows]
    evaluation.ask(ones[0])  # traced and warm
    started = time.process_time()
    for one in ones:
        evaluation.ask(one)
    return (time.process_time() - started) / float(sum(one["seconds"][0] for one in ones))


def _shown_row(evaluation: Evaluation) -> np.ndarray:
    """Of the clips of middling length the one heard best."""
    seconds = evaluation.truth["seconds"]
    rows = np.argsort(np.abs(seconds - np.median(seconds)))[: 1 + len(seconds) // 4]
    return rows[[np.argmax(evaluation.response["score"][rows])]]


def _looks(evaluation: Evaluation, row: np.ndarray) -> dict[str, Any]:
    """Where the speller looked for each letter, as `figures.attention` wants it."""
    one = metrics.take(evaluation.truth, row)
    found = evaluation.call(evaluation.folds[0], "attention", one)
    step_ms = evaluation.params.train.subsampling * frontend.HOP_MS
    return {
        "weights": found["weights"][0],
        "spelt": found["text"][0],
        "said": one["text"][0],
        "step_seconds": step_ms / 1000,
    }


def _spikes(evaluation: Evaluation, row: np.ndarray) -> dict[str, Any]:
    """CTC's alignment of a test clip, as `figures.spikes` wants it."""
    one = metrics.take(evaluation.truth, row)
    posteriors = evaluation.call(evaluation.folds[0], "posteriors", one)
    found = evaluation.ask(one)
    sound, rate_hz = audio.samples(one["wav"][0])
    table = evaluation.params.train
    return {
        "log_mel": frontend.log_mel(sound[None], rate_hz, table.n_mels).numpy()[0],
        "log_probability": posteriors["log_probability"][0],
        "step_seconds": table.subsampling * frontend.HOP_MS / 1000,
        "words": [
            (str(word), float(start), float(end))
            for word, start, end in zip(
                [w.decode() for w in found["words"][0]],
                found["start_s"][0],
                found["end_s"][0],
                strict=True,
            )
        ],
        "said": one["text"][0],
    }


def _by_duration(evaluation: Evaluation) -> dict[str, tuple[float, int]]:
    truth, response = evaluation.truth, evaluation.response
    edges = (0, 1, 2, 3, 5, 8, np.inf)
    found = {}
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        rows = np.flatnonzero((truth["seconds"] >= low) & (truth["seconds"] < high))
        if len(rows):
            name = f"{low}-{high} s" if np.isfinite(high) else f"over {low} s"
            wer = _errors(truth["text"][rows], response["text"][rows])["wer"]
            found[name] = (wer, len(rows))
    return found
