"""Predict: a text file with a run of numbers in each line -> a CSV of their means."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from seqapps.app import Meta, Record, Skip, UserFile
from seqapps.config import UserError
from seqapps.kit import files
from tests.toy.params import Params


def requests(
    params: Params, assets: Path, file: UserFile | None
) -> Iterator[tuple[Meta, Record] | Skip]:
    """File and line, and `steps` float32 (T,) and `length`, of each line that is not empty.

    Raises:
        UserError: a line holds something else than numbers.
    """
    del params, assets
    assert file is not None  # no option holds an input
    for number, line in enumerate(files.text(file.path, name=file.name).text.splitlines(), start=1):
        try:
            run = [float(word) for word in line.split()]
        except ValueError:
            raise UserError(
                f"{file.name}, line {number}: {line[:40]!r}; wanted numbers with spaces between"
            ) from None
        if not run:
            yield Skip("empty line", f"{file.name}:{number}")
            continue
        request = {"steps": np.array(run, np.float32), "length": np.int64(len(run))}
        yield {"file": file.name, "line": number}, request


def render(
    params: Params, assets: Path, rows: Iterator[tuple[Meta, Record]], out: Path
) -> list[Path]:
    """Writes `means.csv`: file, line, mean."""
    del params, assets
    table = out / "means.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "line", "mean"])
        for meta, response in rows:
            writer.writerow([meta["file"], meta["line"], float(response["mean"])])
    return [table]


def example_input(row: Record, out: Path) -> str:
    """The numbers of a row, in a line."""
    del out
    return " ".join(map(str, row["steps"]))
