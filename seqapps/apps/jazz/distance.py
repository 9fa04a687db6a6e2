"""Vanishing gradients in this task: a simple RNN and an LSTM, trained alike.

Both are trained without the memory, so that what the tune has played reaches them only through
their state, and on windows that the gradient crosses whole.
"""

import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import tensorflow as tf

from seqapps.app import Evaluation
from seqapps.apps.jazz import APP, frontend
from seqapps.apps.jazz.params import Params
from seqapps.apps.jazz.preprocess import REQUEST
from seqapps.artifacts import layout
from seqapps.kit import gradients
from seqapps.pipeline import training

STEPS = 64
CELLS = ("rnn", "lstm")
ALIKE = {
    "kind": "soloist",
    "memory": False,
    "layers": 1,
    "window_notes": 2 * STEPS,
    "tbptt_steps": 2 * STEPS,
}


def norms(evaluation: Evaluation[Params], epochs: int) -> dict[str, np.ndarray]:
    """Cell -> gradient norm (STEPS,) by distance, on the last fold's test tune."""
    params, fold = evaluation.params, evaluation.folds[-1]
    folder = evaluation.assets(fold).parent
    row = int(np.flatnonzero(evaluation.truth["fold"] == fold)[0])
    columns = {name: evaluation.truth[name][row] for name in REQUEST}
    by_cell = {}
    for cell in CELLS:
        update = ALIKE | {"cell": cell, "epochs": epochs, "patience_epochs": epochs}
        train = params.train.model_copy(update=update)
        alike = cast(Params, SimpleNamespace(**vars(params) | {"train": train}))
        with tempfile.TemporaryDirectory() as scratch:
            out = Path(scratch)
            training.fit(APP, alike, folder, out=out, fold=f"{fold}, {cell}", on_epoch=None)
            model = training.load(
                APP, alike, assets=folder / layout.ASSETS, weights=out / layout.WEIGHTS
            )
        by_cell[cell] = gradients.by_distance(model.stack, _read(model, columns))
    return by_cell


def _read(model, columns) -> tf.Tensor:
    """Inputs of the stack for a tune, in windows: float32 (windows, STEPS, C)."""
    batch = {name: tf.constant(np.asarray(values)[None]) for name, values in columns.items()}
    chart = frontend.chart(batch)
    line = frontend.line(batch, chart)
    last = frontend.previous(line.pitch_index)
    slots = frontend.slots(chart, line.onset)
    inputs = model.embed(slots, last, frontend.previous(line.ticks), frontend.previous(last))[0]
    windows = max(len(inputs) // STEPS, 1)
    return tf.reshape(inputs[: windows * STEPS], [windows, -1, inputs.shape[-1]])
