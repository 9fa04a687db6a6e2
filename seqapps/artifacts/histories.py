"""Training histories: `history.csv`, a row of metrics per epoch; needs no TensorFlow."""

import csv
from pathlib import Path

from seqapps.artifacts.layout import HISTORY

History = list[dict[str, float]]
"""A dict of metrics per epoch, with the key `epoch`."""


def write(history: History, path: Path) -> None:
    """Writes the rows of a history that has at least one."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(history)


def read(path: Path) -> History:
    """The rows of a `history.csv`."""
    with path.open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def of_folds(train: Path) -> dict[str, History]:
    """Fold -> its history, of all folds in a train stage's folder."""
    return {path.parent.name: read(path) for path in sorted(train.glob(f"*/{HISTORY}"))}


def curves(train: Path) -> History:
    """The rows of every fold's history; with several folds, metric names begin with the fold's."""
    folds = of_folds(train)
    prefixes = [""] if len(folds) == 1 else [f"{fold}." for fold in folds]
    return [
        {name if name == "epoch" else f"{prefix}{name}": value for name, value in row.items()}
        for prefix, rows in zip(prefixes, folds.values(), strict=True)
        for row in rows
    ]
