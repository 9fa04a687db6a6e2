"""Gradients by distance in time."""

from types import SimpleNamespace

from seqapps.apps.jazz import distance, model
from seqapps.pipeline import training
from tests.apps.jazz.conftest import params


def test_both_nets_gradients_are_taken_over_the_tunes_windows(truth, assets, monkeypatch):
    asked = []

    def load(app, table, assets, weights):
        asked.append((table.train.cell, table.train.memory, table.train.epochs))
        return model.build(table, assets)

    monkeypatch.setattr(training, "fit", lambda *_, **__: None)
    monkeypatch.setattr(training, "load", load)
    evaluation = SimpleNamespace(
        params=params(), folds=("one",), truth=truth, assets=lambda fold: assets
    )
    found = distance.norms(evaluation, 3)
    assert asked == [("rnn", False, 3), ("lstm", False, 3)]
    for values in found.values():
        # The first test tune has 32 notes: one window of those.
        assert values.shape == (32,)
        assert values[0] == 1 and values[-1] > 0
