"""Predict: a text file with a run of numbers in each line -> a CSV of their means."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from seqapps.app import Record, Skip
from tests.toy.params import Params


def requests(
    params: Params, assets: Path, paths: list[Path]
) -> Iterator[tuple[int, Record] | Skip]:
    """(line number, `steps` float32 (T,) and `length`) of each line that is not empty."""
    del params, assets
    for path in paths:
        for number, line in enumerate(path.read_text().splitlines()):
            run = [float(word) for word in line.split()]
            if not run:
                yield Skip("empty line", f"{path}:{number + 1}")
                continue
            yield number, {"steps": np.array(run, np.float32), "length": np.int64(len(run))}


def render(
    params: Params, assets: Path, rows: Iterator[tuple[Any, Record]], out: Path
) -> list[Path]:
    """Writes `means.csv`: line number, mean."""
    del params, assets
    lines = [f"{number},{float(response['mean'])}" for number, response in rows]
    (out / "means.csv").write_text("\n".join(lines))
    return [out / "means.csv"]


def example_input(row: Record, out: Path) -> str:
    """The numbers of a row, in a line."""
    del out
    return " ".join(map(str, row["steps"]))
