"""Formats of users' files: known by content, and by the name where the content leaves it open."""

import re
from typing import Literal

from seqapps.app import UserFile
from seqapps.apps.dna import genome, sequences
from seqapps.config import UserError
from seqapps.kit import files

Format = Literal["fasta", "bed", "vcf", "seq"]

COMPRESSED = re.compile(r"\.(gz|bgz|bz2|xz)$")
ENDINGS: dict[Format, tuple[str, ...]] = {
    "fasta": (".fa", ".fasta", ".fna", ".fas"),
    "bed": (".bed", ".narrowpeak", ".broadpeak"),
    "vcf": (".vcf",),
    "seq": (".seq",),
}
BEGINNINGS: tuple[tuple[str, Format], ...] = (
    (">", "fasta"),
    ("##fileformat=VCF", "vcf"),
    ("#CHROM\t", "vcf"),
    ("FoldID\t", "seq"),
)
NOT_TAKEN = {
    b"BAM\x01": "BAM, which holds reads",
    b"CRAM": "CRAM, which holds reads",
    b"BCF\x02": "BCF; turn it into VCF: bcftools view -O v in.bcf > out.vcf",
}


def of(file: UserFile) -> Format:
    """The format of a file: FASTA, BED or narrowPeak, VCF, or DeepBind's `.seq`.

    Raises:
        UserError: it is of none of them, unreadable or empty.
    """
    with files.opened(file.path, name=file.name) as stream:
        begin = stream.read(4)
    genome.refuse_two_bit(begin, file.name)
    if begin in NOT_TAKEN:
        raise UserError(f"{file.name} is {NOT_TAKEN[begin]}; wanted FASTA, BED or VCF")
    name = COMPRESSED.sub("", file.name.lower())
    if name.endswith(".fai"):
        raise UserError(f"{file.name} is the index of a FASTA file; give the FASTA itself")
    rows = sequences.rows(file.path, name=file.name)
    first = next((text for _, text in rows), "")
    for beginning, format in BEGINNINGS:
        if first.startswith(beginning):
            return format
    for format, endings in ENDINGS.items():
        if name.endswith(endings):
            return format
    if first and genome.begins_as_bed(file):
        return "bed"
    raise UserError(
        f"{file.name} begins with {first[:40]!r}; wanted FASTA (a line '>name' first), BED, "
        "narrowPeak or VCF"
    )
