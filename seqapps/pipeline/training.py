"""Fitting of one model per fold, several folds in parallel, with a checkpoint per epoch.

Keras' `fit` runs one epoch at a time. The checkpoint holds everything that decides the next epoch
(weights, optimizer, random states, history, best value), so a killed training resumes after its
last epoch and ends with the same weights as one that was never stopped.
"""

import io
import json
import multiprocessing
import os
import sys
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic

import keras
import numpy as np
import tensorflow as tf

from seqapps import app as contract
from seqapps.app import App
from seqapps.artifacts import durable, histories, layout
from seqapps.artifacts.layout import CHECKPOINT, COUNTS, HISTORY, WEIGHTS
from seqapps.config import P, Params, Train, UserError
from seqapps.kit import children, layers
from seqapps.pipeline import records

MIXED_PRECISION = "mixed_float16"
BEST = f".best.{WEIGHTS}"
"""The weights of the best epoch so far, until training ends."""

OnEpoch = Callable[[str, int, dict[str, float]], None]


def fit_folds(
    app: App[P], params: P, folds: dict[str, Path], out: Path, *, on_epoch: OnEpoch
) -> dict[str, Any]:
    """Fits one model per fold and returns fold -> counts; several folds run in parallel processes.

    Args:
        app: the application.
        params: tables up to train.
        folds: fold -> its preprocess folder.
        out: folder of `<fold>/model.weights.h5` and `<fold>/history.csv`; a checkpoint is resumed.
        on_epoch: called with (fold, epoch, metrics) after each epoch; not with several folds.
    """
    reason = layers.keras_reason(jit_compile=params.train.jit_compile)
    walked = "one op for a sequence" if reason is None else f"Keras' ({reason})"
    _say(f"{app.name} train: recurrent layers: {walked}")
    if len(folds) == 1:
        [(fold, records_folder)] = folds.items()
        return {
            fold: fit(app, params, records_folder, out=out / fold, fold=fold, on_epoch=on_epoch)
        }
    context = multiprocessing.get_context("spawn")
    workers = min(len(folds), os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_worker) as pool:
        running = {
            fold: pool.submit(
                _fit_in_process, app.package, params, folder, out=out / fold, fold=fold
            )
            for fold, folder in folds.items()
        }
        return {fold: future.result() for fold, future in running.items()}


def fit(
    app: App[P],
    params: P,
    records_folder: Path,
    *,
    out: Path,
    fold: str,
    on_epoch: OnEpoch | None,
) -> dict[str, Any]:
    """Fits the model of one fold, from its checkpoint if there is one, and returns counts.

    Raises:
        UserError: the train or validation split is empty, `train.monitor` is not reported, or it or
            the loss is not finite.
    """
    out.mkdir(parents=True, exist_ok=True)
    if counts := durable.read_json(out / COUNTS):  # another fold was interrupted, this one was done
        (out / CHECKPOINT).unlink(missing_ok=True)
        return counts
    one_op = layers.keras_reason(jit_compile=params.train.jit_compile) is None
    with _precision(), layers.as_one_op(one_op):
        return _fit(app, params, records_folder, out=out, fold=fold, on_epoch=on_epoch)


@contextmanager
def _precision() -> Iterator[None]:
    """Mixed precision if there is a GPU; Keras' policy is restored afterwards."""
    before = keras.mixed_precision.global_policy()
    if tf.config.list_physical_devices("GPU"):
        keras.mixed_precision.set_global_policy(MIXED_PRECISION)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)


def _fit(
    app: App[P],
    params: P,
    records_folder: Path,
    *,
    out: Path,
    fold: str,
    on_epoch: OnEpoch | None,
) -> dict[str, Any]:
    table = params.train
    keras.utils.set_random_seed(table.seed)
    assets = records_folder / layout.ASSETS
    data = _Data(app, params, records_folder)
    model = compiled(app, params, assets, steps_per_epoch=data.steps_per_epoch)
    state = _restore(model, out) or {"epoch": 0, "best": None, "waited": 0, "history": []}
    if state["epoch"]:
        _say(f"{app.name} train: {_at(fold)}resuming after epoch {state['epoch']}")
    while state["epoch"] < table.epochs and state["waited"] < table.patience_epochs:
        started = time.monotonic()
        metrics = _one_epoch(model, data, state["epoch"])
        seconds = time.monotonic() - started
        _take(state, metrics, table, lambda: _save_best(model, out))
        _checkpoint(model, state, out)
        _report(app, table, state, metrics, fold=fold, seconds=seconds)
        if on_epoch:
            on_epoch(fold, state["epoch"], metrics | {"seconds": seconds})
    histories.write(state["history"], out / HISTORY)
    if (out / BEST).exists():  # else a kill came after this line
        durable.rename(out / BEST, out / WEIGHTS)
    counts = {
        "train_examples": data.count,
        "epochs": state["epoch"],
        "best_epoch": state["best"]["epoch"],
        table.monitor: state["best"]["value"],
        "weights": int(sum(np.prod(w.shape) for w in model.trainable_variables)),
        "longer_than_last_bucket": data.too_long,
    }
    durable.write_json(out / COUNTS, counts)
    (out / CHECKPOINT).unlink(missing_ok=True)
    return counts


def compiled(app: App[P], params: P, assets: Path, *, steps_per_epoch: int) -> keras.Model:
    """The application's model, compiled with the optimizer `[train]` describes."""
    table = params.train
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    with layers.with_cudnn(on_gpu and not table.jit_compile):
        model = app.build(params, assets)
    model.compile(
        optimizer=keras.optimizers.Adam(
            _schedule(table, steps_per_epoch),
            weight_decay=table.weight_decay or None,
            global_clipnorm=table.clip_norm,
        ),
        jit_compile=table.jit_compile,  # pyright: ignore[reportArgumentType] takes bool too
    )
    return model


def load(app: App[P], params: P, *, assets: Path, weights: Path) -> keras.Model:
    """The application's model with the weights a finished training wrote."""
    model = app.build(params, assets)
    model.load_weights(weights)
    return model


class _Data(Generic[P]):
    """The batches of one fold, and their number."""

    def __init__(self, app: App[P], params: P, folder: Path):
        self.app, self.table = app, params.train
        self.files = {split: layout.shards(folder, split) for split in ("train", "validation")}
        self.feeds = {
            training: app.feed(params, folder / layout.ASSETS, training)
            for training in (True, False)
        }
        self.too_long = 0
        self.parsed = {
            split: None if app.bucket_by else records.in_memory(app, files)
            for split, files in self.files.items()
        }
        sizes = self._sizes(folder)
        self.count = int(sum(sizes))
        if not self.count or not self.files["validation"]:
            empty = "train" if not self.count else "validation"
            raise UserError(f"{folder}: the {empty} split is empty; widen its part of the data")
        self.batch_size = min(self.table.batch_size, int(max(sizes)))
        self.steps_per_epoch = int(sum(size // self.batch_size for size in sizes))

    def _sizes(self, folder: Path) -> np.ndarray:
        edges = self.table.bucket_edges
        if not edges:
            receipt = json.loads((folder / COUNTS).read_text())
            return np.array([receipt.get("train", 0)])
        lengths = records.lengths(self.app, self.files["train"])
        self.too_long = int((lengths > edges[-1]).sum())
        return np.bincount(np.searchsorted(edges, lengths), minlength=len(edges) + 1)[:-1]

    def train(self, epoch: int) -> tf.data.Dataset:
        return self._batches("train", seed=(self.table.seed, epoch))

    def validation(self) -> tf.data.Dataset:
        return self._batches("validation", seed=None)

    def _batches(self, split: str, *, seed: tuple[int, int] | None) -> tf.data.Dataset:
        return records.batches(
            self.app,
            self.files[split],
            self.feeds[seed is not None],
            batch_size=self.batch_size,
            seed=seed,
            bucket_edges=self.table.bucket_edges,
            parsed=self.parsed[split],
        )


def _one_epoch(model: keras.Model, data: _Data[P], epoch: int) -> dict[str, float]:
    with warnings.catch_warnings():
        # Keras warns at the end of a dataset of unknown length, such as one with buckets.
        warnings.filterwarnings("ignore", "Your input ran out of data")
        history = model.fit(
            data.train(epoch),
            validation_data=data.validation(),
            initial_epoch=epoch,
            epochs=epoch + 1,
            shuffle=False,  # the dataset is shuffled already
            verbose=1 if sys.stdout.isatty() else 0,  # pyright: ignore[reportArgumentType] stubs want "auto"
        )
    return {name: float(values[-1]) for name, values in history.history.items()}


def _schedule(table: Train, steps_per_epoch: int) -> Any:
    total = table.epochs * max(steps_per_epoch, 1)
    if table.schedule == "cosine":
        return keras.optimizers.schedules.CosineDecay(
            0.0 if table.warmup_steps else table.learning_rate,
            decay_steps=max(total - table.warmup_steps, 1),
            alpha=0.01,
            warmup_target=table.learning_rate if table.warmup_steps else None,
            warmup_steps=table.warmup_steps,
        )
    if table.warmup_steps:
        return keras.optimizers.schedules.PolynomialDecay(
            table.learning_rate / table.warmup_steps, table.warmup_steps, table.learning_rate
        )
    return table.learning_rate


def _take(
    state: dict[str, Any], metrics: dict[str, float], table: Train, save: Callable[[], None]
) -> None:
    state["epoch"] += 1
    state["history"].append({"epoch": state["epoch"], **metrics})
    if table.monitor not in metrics:
        known = ", ".join(sorted(metrics))
        raise UserError(f"train.monitor = '{table.monitor}' is not reported; there is: {known}")
    value = metrics[table.monitor]
    if not np.isfinite(metrics["loss"]) or not np.isfinite(value):
        raise UserError(
            f"epoch {state['epoch']}: {table.monitor} is {value}, loss is {metrics['loss']}; lower "
            "train.learning_rate or train.clip_norm"
        )
    best = state["best"]
    sign = -1 if table.monitor_direction == "min" else 1
    if best is None or sign * value > sign * best["value"]:
        state["best"], state["waited"] = {"epoch": state["epoch"], "value": value}, 0
        save()
    else:
        state["waited"] += 1


class InMemory(io.BytesIO):
    """A file in memory with a name as Keras wants it; HDF5 cannot end cleanly on a full disk."""

    def __str__(self) -> str:
        return WEIGHTS


def _save_best(model: keras.Model, out: Path) -> None:
    file = InMemory()
    model.save_weights(file)
    durable.write_bytes(out / BEST, file.getvalue())


def _variables(model: keras.Model) -> Iterator[tuple[str, Any]]:
    # model.variables holds the random states of dropout too, but not the optimizer's variables.
    for number, variable in enumerate([*model.variables, *model.optimizer.variables]):
        yield f"v{number}", variable


def _checkpoint(model: keras.Model, state: dict[str, Any], out: Path) -> None:
    arrays = {name: np.asarray(variable) for name, variable in _variables(model)}
    text = np.frombuffer(json.dumps(state).encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, state=text, **arrays)
    durable.write_bytes(out / CHECKPOINT, buffer.getvalue())


def _restore(model: keras.Model, out: Path) -> dict[str, Any] | None:
    if not (out / CHECKPOINT).exists():
        return None
    try:
        with np.load(out / CHECKPOINT) as saved:
            values = dict(saved)
    except (ValueError, EOFError, zipfile.BadZipFile):
        _say(f"{out / CHECKPOINT} is damaged; training begins anew")
        return None
    model.optimizer.build(model.trainable_variables)
    for name, variable in _variables(model):
        variable.assign(values[name])
    return json.loads(values["state"].tobytes())


def _report(
    app: App[P],
    table: Train,
    state: dict[str, Any],
    metrics: dict[str, float],
    *,
    fold: str,
    seconds: float,
) -> None:
    values = "  ".join(f"{name} {value:.4g}" for name, value in metrics.items())
    best = "  (best so far)" if state["waited"] == 0 else ""
    epoch = f"epoch {state['epoch']}/{table.epochs}"
    _say(f"{app.name} train: {_at(fold)}{epoch}  {values}  {seconds:.1f} s{best}")


def _at(fold: str) -> str:
    return "" if fold == "all" else f"fold {fold}: "


def _say(line: str) -> None:
    print(line, flush=True)


def _begin_worker() -> None:
    children.end_with_parent()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def _fit_in_process(
    package: str, params: Params, records_folder: Path, *, out: Path, fold: str
) -> dict[str, Any]:
    return fit(contract.at(package), params, records_folder, out=out, fold=fold, on_epoch=None)
