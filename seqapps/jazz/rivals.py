"""The baselines' answers, in the form of `score`'s: each through the same function as the model.

The n-grams choose one number by a fold's validation tune, then count that tune too.
"""

import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import tensorflow as tf

from seqapps import evaluation as judging
from seqapps import metrics, records, training
from seqapps.app import Evaluation
from seqapps.jazz import APP, export, front, ngrams, preprocess
from seqapps.jazz.ngrams import NGram
from seqapps.jazz.preprocess import REQUEST
from seqapps.jazz.tunes import TICKS

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

Columns = dict[str, Any]


def responses(evaluation: Evaluation) -> dict[str, Columns]:
    """Rival -> answers to all test tunes."""
    rows: dict[str, list[Columns]] = {}
    for row in range(len(evaluation.truth["key"])):
        fold = str(evaluation.truth["fold"][row])
        columns = {name: evaluation.truth[name][row] for name in REQUEST}
        for name, table in _counted(evaluation, fold, columns).items():
            rows.setdefault(name, []).append(answer(columns, table))
    found = {name: _stacked(answers) for name, answers in rows.items()}
    if evaluation.params.evaluate.deepjazz_epochs:
        found["deepjazz"] = _deepjazz(evaluation)
    return found


def answer(columns: Columns, table: np.ndarray) -> Columns:
    """The answer of `score` that a log-probability (T, V) of every value amounts to."""
    batch = {name: tf.constant(np.asarray(values)[None]) for name, values in columns.items()}
    chart = front.chart(batch)
    said = export.judged(chart, front.line(batch, chart), tf.constant(table[None]))
    return {name: values.numpy()[0] for name, values in said.items()}


def learnt(evaluation: Evaluation, fold: str, split: str) -> list[Columns]:
    """The tunes of a fold's split, each once."""
    found = {
        row["title"]: {name: row[name] for name in REQUEST}
        for row in evaluation.records(split, fold)
    }
    return list(found.values())


def _counted(evaluation: Evaluation, fold: str, columns: Columns) -> dict[str, np.ndarray]:
    line = preprocess.values(columns)
    tunes = [learnt(evaluation, fold, split) for split in ("train", "validation")]
    train, validation = ([preprocess.values(tune) for tune in part] for part in tunes)
    unigram = ngrams.fitted(train, validation, 1)
    found = {
        "uniform": ngrams.predicted(line, NGram([], 0)),
        "unigram": ngrams.predicted(line, unigram),
        "bigram": ngrams.predicted(line, ngrams.fitted(train, validation, 2)),
        "trigram": ngrams.predicted(line, ngrams.fitted(train, validation, 3)),
    }
    pairs = [
        (value, known[place])
        for tune, known in zip(sum(tunes, []), [*train, *validation], strict=True)
        for place, value in ngrams.repeats(known, bar_ticks(tune))
    ]
    right = (sum(one == other for one, other in pairs) + 1) / (len(pairs) + 2)
    found["repeat_last_bar"] = ngrams.last_bar(line, bar_ticks(columns), right, unigram)
    for order in ADAPTIVE_ORDERS:
        model = ngrams.fitted(train, validation, order, adapts=True)
        found[f"adaptive_{order}gram"] = ngrams.predicted(line, model, adapts=True)
    return found


def bar_ticks(columns: Columns) -> int:
    """Ticks of a tune's bar."""
    numerator, denominator = map(int, columns["meter"])
    return numerator * 4 * TICKS // denominator


def _stacked(answers: list[Columns]) -> Columns:
    return {name: records.column([row[name] for row in answers]) for name in answers[0]}


def _deepjazz(evaluation: Evaluation) -> Columns:
    epochs = evaluation.params.evaluate.deepjazz_epochs
    train = evaluation.params.train.model_copy(update=DEEPJAZZ | {"epochs": epochs})
    params = SimpleNamespace(**vars(evaluation.params) | {"train": train})
    folders = {fold: evaluation.assets(fold).parent for fold in evaluation.folds}
    truth = evaluation.truth
    found: list[Columns | None] = [None] * len(truth["key"])
    with tempfile.TemporaryDirectory() as place:
        training.fit_folds(APP, params, folders, Path(place), on_epoch=lambda *_: None)
        for fold, folder in folders.items():
            weights = Path(place) / fold / training.WEIGHTS
            made = judging.functions(APP, params, folder / "assets", weights)
            function, signature = made["score"]
            rows = np.flatnonzero(truth["fold"] == fold)
            asked = metrics.take(truth, rows)
            names = [spec.name for spec in signature]
            said = judging.answer(function, names, asked, 1)
            for number, row in enumerate(rows):
                found[row] = {name: values[number] for name, values in said.items()}
    return _stacked([row for row in found if row is not None])
