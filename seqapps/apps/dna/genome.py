"""A genome FASTA and the BED files that point into it.

Positions count from 0 and an interval's end is not in it (BED's convention).
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyfaidx

from seqapps.apps.dna import sequences
from seqapps.config import UserError


class Interval(NamedTuple):
    """A line of a BED file; `middle` is a narrowPeak's summit or else the interval's middle."""

    chromosome: str
    start: int
    end: int
    middle: int
    name: str
    key: str


class Genome:
    """Bases of a FASTA file by place, read as they are asked for; made by `opened`."""

    def __init__(self, path: Path, fasta: pyfaidx.Fasta):
        self.path, self._fasta = path, fasta

    def length(self, chromosome: str) -> int | None:
        """The chromosome's length in bp; None if the genome lacks it."""
        return len(self._fasta[chromosome]) if chromosome in self._fasta else None

    def cut(self, chromosome: str, start: int, *, end: int) -> str:
        """The bases of `[start, end)`, as written in the file; ends are clipped to it."""
        # pyfaidx reads an empty or reversed slice as the whole record.
        return str(self._fasta[chromosome][max(0, start) : end]) if end > max(0, start) else ""

    def refusal(self, interval: Interval) -> str | None:
        """Why an interval cannot be cut out, or None if it can."""
        length = self.length(interval.chromosome)
        if length is None:
            return "chromosome missing from the genome"
        if not 0 <= interval.start < interval.end <= length:
            return "coordinates outside the chromosome"
        return None

    def names(self) -> str:
        """The first chromosomes, for messages."""
        return ", ".join(list(self._fasta.keys())[:3])


@contextmanager
def opened(path: Path | None, *, wanted_by: Path, setting: str) -> Iterator[Genome]:
    """The genome at `path`, which the file `wanted_by` points into; `setting` would name it.

    Raises:
        UserError: no path was given, or it is not a plain FASTA file.
    """
    if not path:
        raise UserError(f"{wanted_by} needs the genome it refers to: give {setting} a FASTA")
    with tempfile.TemporaryDirectory() as spare, _indexed(path, Path(spare)) as fasta:
        yield Genome(path, fasta)


def bed(path: Path) -> Iterator[Interval]:
    """The intervals of a BED or narrowPeak file (plain or gzip).

    Column 10 is a summit only if the name says narrowPeak: in BED12 it counts blocks.

    Raises:
        UserError: a line lacks columns or its start and end are not numbers; no line holds any.
    """
    peaks = "narrowpeak" in path.name.lower()
    any_line = False
    for number, text in sequences.rows(path):
        if not text.startswith(("#", "track", "browser")):
            any_line = True
            yield _interval(path, number, text.split("\t"), peaks)
    if not any_line:
        raise UserError(
            f"{path} is empty; wanted BED lines: chromosome, start, end, separated by tabs"
        )


def is_bed(path: Path) -> bool:
    """True if the name ends as BED or narrowPeak files do."""
    return path.name.lower().removesuffix(".gz").endswith((".bed", ".narrowpeak"))


def _interval(path: Path, number: int, columns: list[str], peaks: bool) -> Interval:
    try:
        chromosome, start, end = columns[0], int(columns[1]), int(columns[2])
        summit = int(columns[9]) if peaks and len(columns) > 9 else -1
    except (ValueError, IndexError):
        raise UserError(
            f"{path} line {number} is {' '.join(columns)[:60]!r}; wanted chromosome, start, end as "
            "whole numbers, separated by tabs"
        ) from None
    middle = start + summit if summit >= 0 else (start + end) // 2
    name = columns[3] if len(columns) > 3 else ""
    return Interval(chromosome, start, end, middle, name, f"{path.name}:{number} {columns[0]}")


def _indexed(path: Path, spare: Path) -> pyfaidx.Fasta:
    first = next((text for _, text in sequences.lines(path)), "")
    if not first.startswith(">"):
        raise UserError(f"genome {path} begins with {first[:40]!r}; wanted FASTA: a line '>name'")
    if sequences.is_gzip(path):
        raise UserError(f"genome {path} is compressed and cannot be read by place: gunzip it")
    # The index belongs beside the genome, as samtools puts it, unless that folder is read-only.
    beside = Path(f"{path}.fai")
    index = beside if os.access(path.parent, os.W_OK) else spare / "genome.fai"
    try:
        return pyfaidx.Fasta(str(path), indexname=str(index), as_raw=True)
    except (pyfaidx.FastaIndexingError, ValueError, OSError) as error:
        raise UserError(
            f"genome {path} cannot be indexed: {error}; wanted FASTA with unique names and lines "
            "of equal length"
        ) from None
