"""Variants: a VCF's alleles in their genome's context."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from seqapps.app import Skip
from seqapps.apps.dna import genome, sequences
from seqapps.config import UserError

COLUMNS: tuple[str, ...] = ("chrom", "pos", "id", "ref", "alt", "ref_match")

Request = tuple[dict[str, Any], dict[str, str]] | Skip


class Variant(NamedTuple):
    """One alternative allele of a VCF line; `pos` counts from 1."""

    chrom: str
    pos: int
    id: str
    ref: str
    alt: str
    key: str


def requests(path: Path, window_bp: int, options: Any) -> Iterator[Request]:
    """Two requests per variant, `ref` then `alt`, with the allele's first base in the middle.

    Raises:
        UserError: no genome was given, or a line is not VCF.
    """
    with genome.opened(options.genome, wanted_by=path, setting="GENOME=") as bases:
        for variant in _variants(path):
            if reason := _refusal(bases, variant, window_bp):
                yield Skip(reason, variant.key)
            else:
                yield from _alleles(bases, variant, window_bp)


def _alleles(bases: genome.Genome, variant: Variant, window_bp: int) -> Iterator[Request]:
    """The windows with the VCF's own REF and with ALT, the first of its bases in the middle.

    Where REF is not what the genome has, the row still compares the two alleles the VCF names, and
    `ref_match` says so. Beyond the chromosome's ends lies N.
    """
    start, half = variant.pos - 1, window_bp // 2
    after = start + len(variant.ref)
    left = bases.cut(variant.chrom, start - half, end=start).rjust(half, "N")
    right = bases.cut(variant.chrom, after, end=after + window_bp).ljust(window_bp, "N")
    reference = bases.cut(variant.chrom, start, end=after).upper()
    meta = variant._asdict() | {"kind": "variant", "ref_match": reference == variant.ref}
    for name, allele in (("ref", variant.ref), ("alt", variant.alt)):
        window = sequences.clean((left + allele + right)[:window_bp])
        yield meta | {"allele": name}, {"sequence": window}


def _variants(path: Path) -> Iterator[Variant]:
    any_line = False
    for number, text in sequences.rows(path):
        if text.startswith("#"):
            continue
        any_line = True
        columns = text.split("\t", 5)
        if len(columns) < 5 or not columns[1].isdecimal():
            raise UserError(
                f"{path} line {number} is {text[:60]!r}; wanted VCF: CHROM, POS, ID, REF, ALT, "
                "separated by tabs"
            )
        chrom, pos, name, ref, alts = columns[:5]
        for alt in alts.split(","):
            key = f"{path.name}:{number} {chrom}:{pos} {ref[:20]}>{alt[:20]}"
            yield Variant(chrom, int(pos), name, ref.upper(), alt.upper(), key)
    if not any_line:
        raise UserError(f"{path} holds no variant; wanted VCF lines after the header")


def _refusal(bases: genome.Genome, variant: Variant, window_bp: int) -> str | None:
    """Why a variant cannot be scored, or None if it can."""
    length = bases.length(variant.chrom)
    if length is None:
        return "chromosome missing from the genome"
    if not 1 <= variant.pos <= length:
        return "position outside the chromosome"
    for allele in (variant.ref, variant.alt):
        if sequences.refusal(sequences.clean(allele), 1):
            return "an allele is not a sequence of A, C, G, T"
        if len(allele) > window_bp // 2:
            return f"an allele is longer than half the window of {window_bp} bp"
    return None
