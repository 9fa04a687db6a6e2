"""A genome FASTA and the BED files that point into it.

Positions count from 0 and an interval's end is not in it (BED's convention).
"""

import atexit
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, NamedTuple

import pyfaidx

from seqapps.app import Skip, UserFile
from seqapps.apps.dna import sequences
from seqapps.config import UserError
from seqapps.kit import files

WHOLE_NUMBER = re.compile(r"-?[0-9]{1,15}")
COLOUR = re.compile(r"\.|0|\d+,\d+,\d+")
TWO_BIT = (b"\x43\x27\x41\x1a", b"\x1a\x41\x27\x43")
NARROW_PEAK_COLUMNS = 10
INDEX_ERRORS = (
    pyfaidx.FastaIndexingError,
    pyfaidx.IndexNotFoundError,
    RuntimeError,
    LookupError,
    ValueError,
    OSError,
)
LONGEST_HEADER = 1 << 16
COMMENTS = ("#", "track", "browser")


class Interval(NamedTuple):
    """A line of a BED file; `middle` is a narrowPeak's summit or else the interval's middle."""

    chromosome: str
    start: int
    end: int
    middle: int
    name: str
    key: str


class Genome:
    """Bases of a FASTA file by place, read as they are asked for; made by `opened`.

    A chromosome that the genome has under another form of its name, "chr1" for "1" or "chrM" for
    "MT", is found all the same, and this is said once.
    """

    def __init__(self, path: Path, fasta: pyfaidx.Fasta, *, wanted_by: str):
        self.path, self._fasta, self._wanted_by = path, fasta, wanted_by
        self._names = {name: name for name in fasta.keys()}  # noqa: SIM118, it is no dict
        counts = Counter(_bare(name) for name in self._names)
        self._by_bare = {_bare(n): n for n in self._names if counts[_bare(n)] == 1}

    def length(self, chromosome: str) -> int | None:
        """The chromosome's length in bp; None if the genome lacks it."""
        name = self._record(chromosome)
        return None if name is None else len(self._fasta[name])

    def cut(self, chromosome: str, start: int, *, end: int) -> str:
        """The bases of `[start, end)`, as written in the file; N beyond the chromosome's ends.

        Raises:
            UserError: the file holds what is no text there.
        """
        length = self.length(chromosome) or 0
        inside = max(0, start), min(end, length)
        # pyfaidx reads an empty or reversed slice as the whole record.
        if inside[0] >= inside[1]:
            return "N" * max(0, end - start)
        try:
            bases = str(self._fasta[self._record(chromosome)][inside[0] : inside[1]])
        except (pyfaidx.FetchError, ValueError) as error:
            raise UserError(f"genome {self.path} cannot be read at {chromosome}: {error}") from None
        return "N" * (inside[0] - start) + bases + "N" * (end - inside[1])

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
        return ", ".join(list(self._names)[:3])

    def _record(self, chromosome: str) -> str | None:
        if chromosome not in self._names:
            alike = self._by_bare.get(_bare(chromosome))
            if alike is None:
                return None
            print(f"{self._wanted_by}: {chromosome} is {alike} of the genome {self.path.name}")
            self._names[chromosome] = alike
        return self._names[chromosome]


@contextmanager
def opened(path: Path | None, *, wanted_by: str, setting: str) -> Iterator[Genome]:
    """The genome at `path`, which the file called `wanted_by` points into; `setting` names it.

    A compressed genome is unpacked into a temporary folder, once in a process.

    Raises:
        UserError: no path was given, or it is not a FASTA file.
    """
    if not path:
        raise UserError(f"{wanted_by} needs the genome it refers to: give {setting} a FASTA")
    plain = _plain(path)
    with tempfile.TemporaryDirectory() as spare, _indexed(path, plain, spare=Path(spare)) as fasta:
        yield Genome(path, fasta, wanted_by=wanted_by)


def bed(file: UserFile) -> Iterator[Interval | Skip]:
    """The intervals of a BED or narrowPeak file, plain or compressed; a skip for a line of neither.

    A line of ten columns is narrowPeak, whose last column is the summit (-1: none), unless columns
    7 to 9 are BED's thick part and colour.

    Raises:
        UserError: the first line is no BED line, or no line holds any.
    """
    intervals = False
    for number, text in sequences.rows(file.path, name=file.name):
        columns = text.split("\t")
        if text.startswith(COMMENTS) or (not intervals and _is_header(columns)):
            continue
        key = f"{file.name}:{number} {columns[0][:60]}"
        interval = _interval(columns, key)
        if interval is None and not intervals:
            raise UserError(
                f"{file.name} line {number} is {' '.join(columns)[:60]!r}; wanted chromosome, "
                "start, end as whole numbers, separated by tabs"
            )
        intervals = True
        yield interval or Skip("no BED line: chromosome, start, end, separated by tabs", key)
    if not intervals:
        raise UserError(
            f"{file.name} holds no BED line; wanted chromosome, start, end, separated by tabs"
        )


def begins_as_bed(file: UserFile) -> bool:
    """True if the first line that is no comment is a BED line."""
    try:
        return next(bed(file), None) is not None
    except UserError:
        return False


def refuse_two_bit(begin: bytes, name: str) -> None:
    """Raises UserError if a file that begins so is UCSC's 2bit."""
    if begin[:4] in TWO_BIT:
        raise UserError(f"{name} is 2bit; turn it into FASTA: twoBitToFa in.2bit out.fa")


def _interval(columns: list[str], key: str) -> Interval | Skip | None:
    if len(columns) < 3 or not columns[0] or not all(map(_is_whole, columns[1:3])):
        return None
    start, end = int(columns[1]), int(columns[2])
    summit = -1
    if len(columns) == NARROW_PEAK_COLUMNS and not _has_thick_part(columns, start, end=end):
        if not _is_whole(columns[9]):
            return Skip("its summit, column 10, is no whole number", key)
        summit = int(columns[9])
        if start < end <= start + summit:
            return Skip("its summit, column 10, lies outside the peak", key)
    middle = start + summit if summit >= 0 else (start + end) // 2
    return Interval(columns[0], start, end, middle, columns[3] if len(columns) > 3 else "", key)


def _has_thick_part(columns: list[str], start: int, *, end: int) -> bool:
    if not all(map(_is_whole, columns[6:8])) or not COLOUR.fullmatch(columns[8]):
        return False
    return start <= int(columns[6]) <= int(columns[7]) <= end


def _is_header(columns: list[str]) -> bool:
    return len(columns) > 2 and not any(any(map(str.isdigit, column)) for column in columns[1:3])


def _is_whole(text: str) -> bool:
    return WHOLE_NUMBER.fullmatch(text) is not None


def _bare(chromosome: str) -> str:
    """A chromosome's name without its style: "1" for "chr1", "m" for "MT"."""
    name = chromosome.lower().removeprefix("chr")
    return "m" if name == "mt" else name


def _plain(path: Path) -> Path:
    """The genome itself, or its unpacked copy."""
    if not path.exists():
        raise UserError(f"genome {path} does not exist; give a FASTA file that does")
    with files.opened(path, name=f"genome {path}") as stream, path.open("rb") as raw:
        begin = stream.read(4)
        refuse_two_bit(begin, f"genome {path}")
        if begin == raw.read(4):
            return path
    stat = path.stat()
    return _unpacked(path, (stat.st_size, stat.st_mtime_ns))


@lru_cache(maxsize=4)
def _unpacked(path: Path, stamp: tuple[int, int]) -> Path:
    del stamp
    folder = Path(tempfile.mkdtemp(prefix="seqapps-genome-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    print(f"genome {path} is compressed: unpacking it for this call; unpack it once to save this")
    plain = folder / "genome.fa"
    try:
        with files.opened(path, name=f"genome {path}") as stream, plain.open("wb") as target:
            shutil.copyfileobj(stream, target, 1 << 20)
    except (UserError, OSError) as error:
        plain.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise UserError(
                f"genome {path} cannot be unpacked into {folder}: {error.strerror}; unpack it "
                "where there is room and give the FASTA"
            ) from None
        raise
    return plain


def _indexed(path: Path, plain: Path, *, spare: Path) -> pyfaidx.Fasta:
    """The FASTA file `plain` with its index; `path` is its name in messages."""
    first = next((text for _, text in sequences.lines(plain, name=f"genome {path}")), "")
    if not first.startswith(">"):
        raise UserError(f"genome {path} begins with {first[:40]!r}; wanted FASTA: a line '>name'")
    index, beside = spare / "genome.fai", Path(f"{plain}.fai")
    if beside.exists() and _fits(beside, plain):
        shutil.copyfile(
            beside, index
        )  # of today, so that pyfaidx does not make it anew by its date
    elif os.access(plain.parent, os.W_OK):
        # The index belongs beside the genome, as samtools puts it, unless that folder is read-only.
        beside.unlink(missing_ok=True)
        index = beside
    try:
        fasta = pyfaidx.Fasta(str(plain), indexname=str(index), as_raw=True)
    except INDEX_ERRORS as error:
        index.unlink(missing_ok=True)
        # A RuntimeError asks to be reported to pyfaidx.
        reason = "" if isinstance(error, RuntimeError) else f": {error}"
        raise UserError(
            f"genome {path} cannot be indexed{reason}; wanted FASTA with unique names and lines of "
            "equal length"
        ) from None
    if not any(len(record) for record in fasta):
        problem = "holds no base; wanted lines of bases below '>name'"
    elif not _fits(index, plain):
        problem = "cannot be indexed: wanted FASTA that holds letters for bases and nothing else"
    else:
        return fasta
    fasta.close()
    index.unlink(missing_ok=True)
    raise UserError(f"genome {path} {problem}")


def _fits(index: Path, fasta: Path) -> bool:
    """True if each record of the index begins and ends in the file as the index says.

    Dates are no proof: `cp -p` brings a file that is older than the index of the one it replaces.
    """
    try:
        records = [line.split("\t") for line in index.read_text().splitlines()]
        with fasta.open("rb") as file:
            end = 0
            for name, *numbers in records:
                end = _record_end(file, name, header=end, numbers=[int(n) for n in numbers])
            file.seek(end)
            return bool(records) and not file.read(LONGEST_HEADER).strip()
    except (ValueError, OverflowError, OSError):
        return False


def _record_end(file: IO[bytes], name: str, *, header: int, numbers: list[int]) -> int:
    """The place after the last base of a record whose header begins at `header`.

    Raises:
        ValueError: the file has another header there, or lines of another length.
    """
    length, offset, bases, line = numbers
    if min(numbers) < 0 or not 0 < offset - header < LONGEST_HEADER:
        raise ValueError("the header is elsewhere")
    file.seek(header)
    text = file.read(offset - header).lstrip()
    one_line = text.find(b"\n") == len(text) - 1
    if text[:1] != b">" or text[1:].split()[:1] != [name.encode()] or not one_line:
        raise ValueError("another header")
    whole = (length - 1) // bases if bases else 0
    last, rest = offset + whole * line, length - whole * bases
    for start in {offset, last - line} if whole else ():
        if _line_bases(file, start, line=line) != bases:
            raise ValueError("lines of another length")
    if length and _line_bases(file, last) != rest:
        raise ValueError("a last line of another length")
    return last + rest


def _line_bases(file: IO[bytes], start: int, *, line: int | None = None) -> int:
    """The letters of the line that begins at `start`; -1 if it has not `line` bytes, or blanks."""
    file.seek(start)
    text = file.readline()
    words = text.split()
    return len(words[0]) if len(words) == 1 and line in (None, len(text)) else -1
