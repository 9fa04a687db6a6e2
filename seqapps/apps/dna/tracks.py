"""Files for a genome browser: scores as BED, tracks as bedGraph and, with pyBigWig, as bigWig.

Axis letters: F factors.
"""

import csv
import importlib
import importlib.util
import itertools
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

ENTRIES_AT_ONCE = 10_000


class Browser:
    """The files of one of the user's files: `<file>.<factor>.bed`, and tracks if they are wanted.

    A track gives each window's value to the `stride_bp` bases in its middle. Its lines are in order
    and do not overlap, as bedGraph must be: a place that comes a second time, or a chromosome that
    comes back after another, is left out of the track.

    Args:
        out: the folder for the files.
        file: the name of the user's file; "/" in it becomes "~".
        factors: the names of the F factors.
        stride_bp: the step between windows if tracks are wanted, else None.
    """

    def __init__(self, out: Path, file: str, *, factors: list[str], stride_bp: int | None):
        self.written: list[Path] = []
        self._file, self._factors, self._stride_bp = file, factors, stride_bp
        self._base = out / file.replace("/", "~")
        self._stack = ExitStack()
        self._beds: dict[str, Any] = {}
        self._graphs: dict[str, Any] = {}
        self._chromosome, self._end, self._passed, self._left_out = "", 0, set[str](), 0

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()
        if error is None and self._graphs:
            self._finish()

    def score(
        self, location: tuple[str, int, int], probabilities: list[float], *, strands: list[str]
    ) -> None:
        """A row of each factor's BED: 1000 p as score, and the strand (F,)."""
        for name, p, strand in zip(self._factors, probabilities, strands, strict=True):
            row = [*location, name, round(1000 * p), strand]
            self._writer(self._beds, name, ending="bed").writerow(row)

    def window(self, location: tuple[str, int, int], probabilities: list[float]) -> None:
        """A line of each factor's bedGraph, if tracks are wanted."""
        if self._stride_bp is None:
            return
        chromosome, start, end = location
        if chromosome != self._chromosome:
            self._passed.add(self._chromosome)
            self._chromosome, self._end = chromosome, 0
        width = min(self._stride_bp, end - start)
        middle = start + (end - start - width) // 2
        begin = max(middle, self._end)
        if chromosome in self._passed or begin >= middle + width:
            self._left_out += 1
            return
        self._end = middle + width
        for name, p in zip(self._factors, probabilities, strict=True):
            row = [chromosome, begin, self._end, f"{p:.6g}"]
            self._writer(self._graphs, name, ending="bedgraph").writerow(row)

    def _writer(self, writers: dict[str, Any], name: str, *, ending: str) -> Any:
        if name not in writers:
            path = Path(f"{self._base}.{name}.{ending}")
            self.written.append(path)
            opened = self._stack.enter_context(path.open("w", newline="", encoding="utf-8"))
            writers[name] = csv.writer(opened, "excel-tab", lineterminator="\n")
        return writers[name]

    def _finish(self) -> None:
        if self._left_out:
            print(
                f"{self._file}: {self._left_out} windows are not in the track, because they lie "
                "upon others or their chromosome came before; sort the file by place"
            )
        if importlib.util.find_spec("pyBigWig") is None:
            print(
                f"{self._file}: the tracks are bedGraph; with pyBigWig (pip install pyBigWig) they "
                "are bigWig too"
            )
            return
        for name in self._graphs:
            self.written.append(bigwig(Path(f"{self._base}.{name}.bedgraph")))


def bigwig(graph: Path) -> Path:
    """Writes a sorted bedGraph file as bigWig beside it, and returns the new file.

    A chromosome is taken to end where its last line does.
    """
    sizes = {chromosome: end for chromosome, _, end, _ in _lines(graph)}
    path = graph.with_name(f"{graph.name.removesuffix('.bedgraph')}.bw")
    file = importlib.import_module("pyBigWig").open(str(path), "w")
    file.addHeader(list(sizes.items()))
    lines = _lines(graph)
    while batch := list(itertools.islice(lines, ENTRIES_AT_ONCE)):
        chromosomes, starts, ends, values = map(list, zip(*batch, strict=True))
        file.addEntries(chromosomes, starts, ends=ends, values=values)
    file.close()
    return path


def _lines(graph: Path) -> Iterator[tuple[str, int, int, float]]:
    with graph.open(newline="", encoding="utf-8") as file:
        for chromosome, start, end, value in csv.reader(file, "excel-tab"):
            yield chromosome, int(start), int(end), float(value)
