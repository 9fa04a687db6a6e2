"""The baselines' answers, in the form of `score`'s: each through the same function as the model.

The n-grams choose one number by a fold's validation tune, then count that tune too.
"""

import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import tensorflow as tf

from seqapps.app import Columns, Evaluation
from seqapps.apps.jazz import APP, export, frontend, ngrams, preprocess, viewpoints
from seqapps.apps.jazz.ngrams import NGram
from seqapps.apps.jazz.params import Params
from seqapps.apps.jazz.preprocess import REQUEST
from seqapps.apps.jazz.tunes import TICKS
from seqapps.artifacts import layout
from seqapps.artifacts.columns import from_rows, take
from seqapps.pipeline import evaluation as judging
from seqapps.pipeline import training

ADAPTIVE_ORDERS = (3, 8)
TX = 30
DEEPJAZZ = {
    "kind": "deepjazz",
    "cell": "lstm",
    "units": 64,
    "layers": 1,
    "dropout": 0.0,
    "tbptt_steps": TX,
    "window_notes": 12 * TX,
    "transpose_semitones": 0,
    "learning_rate": 0.01,
    "schedule": "constant",
    "warmup_steps": 0,
    "weight_decay": 0.0,
    "patience_epochs": 5,
}
"""As in the lectures; an epoch is chosen by validation, as for the model."""


def responses(evaluation: Evaluation[Params]) -> dict[str, Columns]:
    """Baseline -> answers (N, ...) to all test tunes."""
    rows: dict[str, list[Columns]] = {}
    for row in range(len(evaluation.truth["key"])):
        fold = str(evaluation.truth["fold"][row])
        columns = {name: evaluation.truth[name][row] for name in REQUEST}
        for name, table in _counted(evaluation, fold, columns).items():
            rows.setdefault(name, []).append(answer(columns, table))
    answers_by_name = {name: from_rows(answers) for name, answers in rows.items()}
    if evaluation.params.evaluate.deepjazz_epochs:
        answers_by_name["deepjazz"] = _deepjazz(evaluation)
    return answers_by_name


def answer(columns: Columns, table: np.ndarray) -> Columns:
    """The answer of `score` that a log-probability (T, V) of every value amounts to."""
    batch = {name: tf.constant(np.asarray(values)[None]) for name, values in columns.items()}
    chart = frontend.chart(batch)
    judged = export.judged(chart, frontend.line(batch, chart), tf.constant(table[None]))
    return {name: values.numpy()[0] for name, values in judged.items()}


def learnt(evaluation: Evaluation[Params], fold: str, *, split: str) -> list[Columns]:
    """The tunes of a fold's split, each once, as columns (T,)."""
    by_name = {
        row["title"]: {name: row[name] for name in REQUEST}
        for row in evaluation.records(split, fold)
    }
    return list(by_name.values())


def _counted(evaluation: Evaluation[Params], fold: str, columns: Columns) -> dict[str, np.ndarray]:
    line = preprocess.values(columns)
    tunes = [learnt(evaluation, fold, split=split) for split in ("train", "validation")]
    train, validation = ([preprocess.values(tune) for tune in part] for part in tunes)
    unigram = ngrams.fitted(train, validation, order=1)
    log_probs = {
        "uniform": ngrams.predicted(line, NGram([], 0)),
        "unigram": ngrams.predicted(line, unigram),
        "bigram": ngrams.predicted(line, ngrams.fitted(train, validation, order=2)),
        "trigram": ngrams.predicted(line, ngrams.fitted(train, validation, order=3)),
    }
    pairs = [
        (value, known[index])
        for tune, known in zip(sum(tunes, []), [*train, *validation], strict=True)
        for index, value in ngrams.repeats(known, bar_ticks(tune))
    ]
    right = (sum(one == other for one, other in pairs) + 1) / (len(pairs) + 2)
    log_probs["repeat_last_bar"] = ngrams.last_bar(line, bar_ticks(columns), right, unigram)
    for order in ADAPTIVE_ORDERS:
        model = ngrams.fitted(train, validation, order=order, adapts=True)
        log_probs[f"adaptive_{order}gram"] = ngrams.predicted(line, model, adapts=True)
    known = [[viewpoints.notes(tune) for tune in part] for part in tunes]
    mixture = viewpoints.fitted(*known)
    log_probs["viewpoints"] = viewpoints.predicted(viewpoints.notes(columns), mixture)
    return log_probs


def bar_ticks(columns: Columns) -> int:
    """Ticks of a tune's bar, a scalar."""
    numerator, denominator = map(int, columns["meter"])
    return numerator * 4 * TICKS // denominator


def _deepjazz(evaluation: Evaluation[Params]) -> Columns:
    epochs = evaluation.params.evaluate.deepjazz_epochs
    train = evaluation.params.train.model_copy(update=DEEPJAZZ | {"epochs": epochs})
    params = cast(Params, SimpleNamespace(**vars(evaluation.params) | {"train": train}))
    folders = {fold: evaluation.assets(fold).parent for fold in evaluation.folds}
    truth = evaluation.truth
    answers: list[Columns | None] = [None] * len(truth["key"])
    with tempfile.TemporaryDirectory() as index:
        training.fit_folds(APP, params, folders, Path(index), on_epoch=lambda *_: None)
        for fold, folder in folders.items():
            weights = Path(index) / fold / layout.WEIGHTS
            assets = folder / layout.ASSETS
            endpoints = judging.endpoints(APP, params, assets=assets, weights=weights)
            rows = np.flatnonzero(truth["fold"] == fold)
            answer = endpoints["score"].in_batches(take(truth, rows), 1)
            for number, row in enumerate(rows):
                answers[row] = {name: values[number] for name, values in answer.items()}
    return from_rows([row for row in answers if row is not None])
