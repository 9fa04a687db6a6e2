import keras
import numpy as np
import pytest
import tensorflow as tf

from seqapps import config
from seqapps.artifacts import histories
from seqapps.config import UserError
from seqapps.pipeline import stages, training
from tests.toy import APP


@pytest.fixture
def prepared(project):
    for stage in ("ingest", "preprocess"):
        stages.run(APP, stage, profile="smoke", tracker=stages.Quiet(), root=project)
    return project / "data/toy/smoke/preprocess/a"


def fit(project, records_folder, out, *overrides, epochs=None):
    params = config.load(APP, "smoke", list(overrides), root=project)
    on_epoch = (lambda fold, epoch, values: epochs.append(values)) if epochs is not None else None
    return training.fit(APP, params, records_folder, out=out, fold="a", on_epoch=on_epoch)


def test_a_loss_that_is_no_number_ends_with_advice(project, prepared):
    with pytest.raises(UserError, match=r"epoch 1: val_loss is .*train.learning_rate"):
        fit(project, prepared, project / "t", "train.learning_rate=1e30", "train.clip_norm=1e30")


def test_an_unknown_monitor_lists_what_is_reported(project, prepared):
    with pytest.raises(UserError, match="'val_auroc' is not reported; there is: loss, val_loss"):
        fit(project, prepared, project / "t", "train.monitor=val_auroc")


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_training_stops_after_its_patience_and_keeps_the_best_weights(project, prepared):
    words = ("train.epochs=30", "train.patience_epochs=2", "train.learning_rate=0.3")
    counts = fit(project, prepared, project / "t", *words)
    rows = histories.read(project / "t/history.csv")
    values = [row["val_loss"] for row in rows]
    assert counts["epochs"] == len(rows) == counts["best_epoch"] + 2 < 30
    assert np.argmin(values) + 1 == counts["best_epoch"]
    params = config.load(APP, "smoke", list(words), root=project)
    weights = project / "t/model.weights.h5"
    model = training.load(APP, params, assets=prepared / "assets", weights=weights)
    model.compile()
    data = training._Data(APP, params, prepared)
    again = model.evaluate(data.validation(), verbose=0, return_dict=True)["loss"]
    assert again == pytest.approx(min(values), rel=1e-5)


def test_examples_longer_than_the_last_bucket_are_counted(project, prepared):
    counts = fit(project, prepared, project / "t", "train.bucket_edges=[6,9]", "train.epochs=1")
    assert 0 < counts["longer_than_last_bucket"] < counts["train_examples"]


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_warmup_rises_to_the_peak_rate(project, schedule):
    words = [f"train.schedule={schedule}", "train.warmup_steps=10", "train.epochs=5"]
    table = config.load(APP, "smoke", words, root=project).train
    rate = training._schedule(table, steps_per_epoch=20)
    rates = [float(rate(step)) for step in (1, 5, 10, 99)]
    assert rates[0] < rates[1] < rates[2] == pytest.approx(0.02, rel=1e-3)
    assert (rates[3] < 0.001) if schedule == "cosine" else rates[3] == pytest.approx(0.02)


def test_xla_gives_the_same_training(project, prepared):
    plain, compiled = [], []
    words = ("train.epochs=1", "train.dropout=0.0")  # XLA draws other random bits
    fit(project, prepared, project / "p", *words, epochs=plain)
    fit(project, prepared, project / "x", *words, "train.jit_compile=true", epochs=compiled)
    assert compiled[0]["val_loss"] == pytest.approx(plain[0]["val_loss"], rel=1e-3)


def test_the_precision_of_a_gpu_run_does_not_outlive_training(project, prepared, monkeypatch):
    policies = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    monkeypatch.setattr(
        training, "_fit", lambda *_, **__: policies.append(keras.config.dtype_policy().name) or {}
    )
    fit(project, prepared, project / "t")
    assert policies == [training.MIXED_PRECISION]
    assert keras.config.dtype_policy().name == "float32"


def test_a_failed_gpu_run_leaves_the_precision_as_it_was(project, prepared, monkeypatch):
    def failing(*_, **__):
        raise UserError("no")

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    monkeypatch.setattr(training, "_fit", failing)
    with pytest.raises(UserError, match="no"):
        fit(project, prepared, project / "t")
    assert keras.config.dtype_policy().name == "float32"
