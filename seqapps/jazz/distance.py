"""How far back the recurrent nets of this task learn: a simple one and an LSTM, trained alike.

Both are trained without the memory, so that what the tune has played reaches them only through
their state, and on windows that the gradient crosses whole.
"""

import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import tensorflow as tf

from seqapps import gradients, training
from seqapps.app import Evaluation
from seqapps.jazz import APP, front
from seqapps.jazz.preprocess import REQUEST

STEPS = 64
CELLS = ("rnn", "lstm")
ALIKE = {
    "kind": "soloist",
    "memory": False,
    "layers": 1,
    "window_notes": 2 * STEPS,
    "tbptt_steps": 2 * STEPS,
}


def norms(evaluation: Evaluation, epochs: int) -> dict[str, np.ndarray]:
    """Cell -> gradient norm (STEPS,) by distance, on the last fold's test tune."""
    params, fold = evaluation.params, evaluation.folds[-1]
    folder = evaluation.assets(fold).parent
    row = int(np.flatnonzero(evaluation.truth["fold"] == fold)[0])
    columns = {name: evaluation.truth[name][row] for name in REQUEST}
    found = {}
    for cell in CELLS:
        update = ALIKE | {"cell": cell, "epochs": epochs, "patience_epochs": epochs}
        alike = SimpleNamespace(**vars(params) | {"train": params.train.model_copy(update=update)})
        with tempfile.TemporaryDirectory() as place:
            out = Path(place)
            training.fit(APP, alike, folder, out, fold=f"{fold}, {cell}", on_epoch=None)
            model = training.load(APP, alike, folder / "assets", out / training.WEIGHTS)
        found[cell] = gradients.by_distance(model.stack, _read(model, columns))
    return found


def _read(model, columns) -> tf.Tensor:
    """What the stack reads of a tune, in windows: float32 (windows, STEPS, C)."""
    batch = {name: tf.constant(np.asarray(values)[None]) for name, values in columns.items()}
    chart = front.chart(batch)
    line = front.line(batch, chart)
    last = front.previous(line.place)
    slots = front.slots(chart, line.onset)
    seen = model.seen(slots, last, front.previous(line.ticks), front.previous(last))[0]
    windows = max(len(seen) // STEPS, 1)
    return tf.reshape(seen[: windows * STEPS], [windows, -1, seen.shape[-1]])
