"""Variants: a VCF's alleles in their genome's context."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from seqapps.app import Skip, UserFile
from seqapps.apps.dna import genome, sequences
from seqapps.config import UserError

COLUMNS: tuple[str, ...] = ("file", "chrom", "pos", "id", "ref", "alt", "ref_match")
POSITION = re.compile(r"[0-9]{1,15}")

Request = tuple[dict[str, Any], dict[str, str]] | Skip


class Variant(NamedTuple):
    """One alternative allele of a VCF line; `pos` counts from 1.

    `number` counts the variants of the file, from 0; `key` names this one in messages.
    """

    file: str
    number: int
    chrom: str
    pos: int
    id: str
    ref: str
    alt: str
    key: str


def requests(file: UserFile, window_bp: int, options: Any) -> Iterator[Request]:
    """Two requests per variant, `ref` then `alt`, with the allele's first base in the middle.

    Raises:
        UserError: no genome was given, or the first line is not VCF.
    """
    with genome.opened(options.genome, wanted_by=file.name, setting="GENOME=") as bases:
        for entry in _variants(file):
            if isinstance(entry, Skip):
                yield entry
            else:
                yield from _alleles(bases, entry, window_bp)


def _alleles(bases: genome.Genome, variant: Variant, window_bp: int) -> Iterator[Request]:
    """The windows with the VCF's own REF and with ALT, the first of its bases in the middle.

    Where REF is not what the genome has, the row still compares the two alleles the VCF names, and
    `ref_match` says so. Beyond the chromosome's ends lies N.
    """
    if reason := _refusal(bases, variant, window_bp):
        yield Skip(reason, variant.key)
        return
    start, half = variant.pos - 1, window_bp // 2
    after = start + len(variant.ref)
    left = bases.cut(variant.chrom, start - half, end=start)
    right = bases.cut(variant.chrom, after, end=after + window_bp)
    reference = sequences.clean(bases.cut(variant.chrom, start, end=after))
    windows = [
        sequences.clean((left + allele + right)[:window_bp])
        for allele in (variant.ref, variant.alt)
    ]
    for window in windows:
        if reason := sequences.refusal(window, window_bp):
            yield Skip(f"its surroundings in the genome: {reason}", variant.key)
            return
    ref_match = reference == sequences.clean(variant.ref)
    meta = variant._asdict() | {"kind": "variant", "ref_match": ref_match}
    for name, window in zip(("ref", "alt"), windows, strict=True):
        yield meta | {"allele": name}, {"sequence": window}


def _variants(file: UserFile) -> Iterator[Variant | Skip]:
    count = None
    for line, text in sequences.rows(file.path, name=file.name):
        if text.startswith("#"):
            continue
        columns = text.split("\t", 5)
        if len(columns) < 5 or not POSITION.fullmatch(columns[1]):
            wanted = "CHROM, POS, ID, REF, ALT, separated by tabs"
            if count is None:
                raise UserError(f"{file.name} line {line} is {text[:60]!r}; wanted VCF: {wanted}")
            yield Skip(f"no VCF line: {wanted}", f"{file.name}:{line} {text[:30]}")
            continue
        chrom, pos, name, ref, alts = columns[:5]
        for alt in alts.upper().split(","):
            count = 0 if count is None else count + 1
            key = f"{file.name}:{line} {chrom[:60]}:{pos} {ref[:20]}>{alt[:20]}"
            yield Variant(file.name, count, chrom, int(pos), name, ref.upper(), alt, key)
    if count is None:
        raise UserError(f"{file.name} holds no variant; wanted VCF lines after the header")


def _refusal(bases: genome.Genome, variant: Variant, window_bp: int) -> str | None:
    """Why a variant cannot be scored, or None if it can."""
    length = bases.length(variant.chrom)
    if length is None:
        return "chromosome missing from the genome"
    after = variant.pos - 1 + len(variant.ref)
    if not 1 <= variant.pos <= after <= length:
        return "position outside the chromosome"
    for allele in (variant.ref, variant.alt):
        if sequences.refusal(sequences.clean(allele), 1):
            return "an allele is not a sequence of A, C, G, T"
        if len(allele) > window_bp // 2:
            return f"an allele is longer than half the window of {window_bp} bp"
    if "N" in sequences.clean(bases.cut(variant.chrom, variant.pos - 1, end=after)):
        return "the genome is N there"
    return None
