"""Sites: the raw FASTA files as records of known place, without duplicates and shared sites.

The files are read twice: once for 16 bytes per record (a hash and a position), from which one byte
per record says whether it stays, and once for the records.

Axis letters: R usable records of all factors, in file order.
"""

import json
import re
from array import array
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seqapps.app import Skip
from seqapps.apps.dna import sequences

LONGEST_BP = 100_000
NEAR_BP = 200
STAYS, REPEATED, SHARED = 0, 1, 2
REASONS = {
    REPEATED: "duplicate sequence",
    SHARED: f"also a site of another factor (same sequence, or less than {NEAR_BP} bp away)",
}
# `name::chr1:5-9(+)` is how `bedtools getfasta -name` writes a place.
PLACE = re.compile(r"(?:^|::)([\w.]+):(\d{1,10})-(\d{1,10})")
BOUND = re.compile(r"(?:^|\s)bound=0\b")
SPLIT = re.compile(r"(?:^|\s)split=(train|test)\b")


class Site(NamedTuple):
    """A usable record: `sequence` is upper-case, `chromosome` "" if the header states none.

    `number` is the factor's label index, `negative` marks a negative that the user gave, `split` is
    the user's own.
    """

    key: str
    factor: str
    number: int
    sequence: str
    chromosome: str
    middle: int
    negative: bool
    split: str


def factors(raw: Path) -> list[str]:
    """The factors ingest could get, in label order."""
    return json.loads((raw / "factors.json").read_text())


def usable(raw: Path, window_bp: int) -> Iterator[Site | Skip]:
    """Every record, in file order: a site that stays, or why it does not."""
    paths = [raw / f"{name}.fa" for name in factors(raw)]
    stamp = tuple((path.stat().st_size, path.stat().st_mtime_ns) for path in paths)
    verdicts = iter(_verdicts(raw, window_bp, stamp))
    for entry in _records(raw, window_bp):
        if isinstance(entry, Site) and (verdict := next(verdicts)) != STAYS:
            yield Skip(REASONS[verdict], entry.key)
        else:
            yield entry


def _records(raw: Path, window_bp: int) -> Iterator[Site | Skip]:
    for number, factor in enumerate(factors(raw)):
        line = 0
        for piece in sequences.fasta(raw / f"{factor}.fa", piece_bp=LONGEST_BP):
            if piece.start:
                continue
            line += 1
            key = f"{factor}/{line}/{sequences.first_word(piece.header)}"
            if not piece.last:
                yield Skip(f"longer than {LONGEST_BP:,} bp: sites are wanted, not a genome", key)
                continue
            sequence = sequences.clean(piece.sequence)
            middle = sequences.crop(sequence, window_bp)
            reason = sequences.refusal(sequence, window_bp) or sequences.refusal(middle, window_bp)
            yield (
                Skip(reason, key)
                if reason
                else _site(key, factor, number=number, header=piece.header, sequence=sequence)
            )


def _site(key: str, factor: str, *, number: int, header: str, sequence: str) -> Site:
    interval, split = PLACE.search(header), SPLIT.search(header)
    chromosome, middle = "", 0
    if interval:
        chromosome = interval[1] if interval[1].startswith("chr") else f"chr{interval[1]}"
        middle = (int(interval[2]) + int(interval[3])) // 2
    negative = BOUND.search(header) is not None
    return Site(
        key, factor, number, sequence, chromosome, middle, negative, split[1] if split else ""
    )


@lru_cache(maxsize=1)
def _verdicts(raw: Path, window_bp: int, stamp: tuple) -> bytes:
    """One byte per usable record, (R,): STAYS, REPEATED or SHARED."""
    factor, digest, position, negative = array("H"), array("Q"), array("Q"), array("B")
    chromosomes: dict[str, int] = {"": 0}
    for site in _records(raw, window_bp):
        if isinstance(site, Site):
            chromosome = chromosomes.setdefault(site.chromosome, len(chromosomes))
            factor.append(site.number)
            digest.append(sequences.number(sequences.strand_free(site.sequence)))
            position.append((chromosome << 40) + site.middle if chromosome else 0)
            negative.append(site.negative)
    columns = [np.asarray(column) for column in (factor, digest, position, negative)]
    return _judge(columns[0], columns[1], position=columns[2], negative=columns[3]).tobytes()


def _judge(
    factor: np.ndarray, digest: np.ndarray, *, position: np.ndarray, negative: np.ndarray
) -> np.ndarray:
    """Verdicts uint8 (R,); hash and position are uint64, position 0 = none."""
    verdict = np.zeros(len(factor), np.uint8)
    listed = negative == 0
    for mine in range(int(factor.max(initial=0)) + 1):
        # A factor's records lie together, and a slice copies nothing.
        block = slice(*np.searchsorted(factor, np.array([mine, mine + 1], factor.dtype)))
        others = listed & (factor != mine)
        if others.any():
            shared = _near(digest[block], digest[others], distance=1)
            close = _near(position[block], position[others], distance=NEAR_BP) & (
                position[block] > 0
            )
            verdict[block][listed[block] & (shared | close)] = SHARED
        verdict[block][_repeated(digest[block])] = REPEATED
    return verdict


def _repeated(digest: np.ndarray) -> np.ndarray:
    """The places of those hashes that an earlier place holds too, int64."""
    order = np.argsort(digest, kind="stable")
    ordered = digest[order]
    return order[1:][ordered[1:] == ordered[:-1]]


def _near(values: np.ndarray, others: np.ndarray, *, distance: int) -> np.ndarray:
    """Bool (R,): `values` less than `distance` from one of `others` (both uint64)."""
    near = np.zeros(len(values), bool)
    if not len(others):
        return near
    others = np.sort(others)
    right = np.searchsorted(others, values)
    before, after = np.maximum(right, 1) - 1, np.minimum(right, len(others) - 1)
    # An unsigned difference of the wrong sign wraps round to a huge one, so the smaller is right.
    for neighbour in (others[before], others[after]):
        near |= np.minimum(values - neighbour, neighbour - values) < distance
    return near
