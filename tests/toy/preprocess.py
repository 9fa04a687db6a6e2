"""Preprocess: each run is a record, and every fifth of them is held out for test."""

import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from seqapps.app import Item, Record, Skip
from tests.toy.params import Params

SPLITS = ("train", "train", "train", "validation", "test")


def index(params: Params, raw: Path) -> Iterator[Item | Skip]:
    """The runs of every fold; those of three numbers are left out."""
    runs = _runs(str(raw))
    for shift, fold in enumerate(params.preprocess.folds):
        for number, run in enumerate(runs):
            if len(run) == 3:
                yield Skip("too short", f"run-{number}")
                continue
            split = SPLITS[(number + shift) % len(SPLITS)]
            yield Item(f"run-{number}", split, f"run-{number}", (str(raw), number), fold)


def assets(params: Params, items: Iterable[Item], out: Path) -> None:
    """Writes `mean.json`, the mean of the train runs' means."""
    scale = params.preprocess.scale
    means = [scale * np.mean(_runs(raw)[number]) for raw, number in (i.where for i in items)]
    (out / "mean.json").write_text(json.dumps(float(np.mean(means))))


def example(params: Params, assets: Path, item: Item) -> Record | Skip:
    """One record: `steps` float32 (T,), `length`, `target`; runs with a number above 3 are out."""
    del assets
    raw, number = item.where
    run = _runs(raw)[number]
    if max(run) > 3:
        return Skip("outlier", item.key)
    steps = np.array(run, np.float32) * params.preprocess.scale
    return {"steps": steps, "length": len(run), "target": float(steps.mean())}


@lru_cache
def _runs(raw: str) -> list[list[float]]:
    """The runs that ingest wrote; read once in each process."""
    return json.loads((Path(raw) / "runs.json").read_text())
