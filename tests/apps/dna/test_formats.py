"""Formats of users' files."""

import bz2
import gzip

import pytest

from seqapps.app import UserFile
from seqapps.apps.dna import formats
from seqapps.config import UserError

FASTA, BED = ">a\nACGT\n", "chr1\t0\t20\n"
VCF = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\nchr1\t1\t.\tA\tC\n"


def of(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return formats.of(UserFile(path, name))


@pytest.mark.parametrize(
    ("name", "content", "format"),
    [
        ("x.bed", FASTA, "fasta"),
        ("x", "\n\n>a\nACGT\n", "fasta"),
        ("x.fa.gz", gzip.compress(FASTA.encode()), "fasta"),
        ("x.txt", BED, "bed"),
        ("x.narrowPeak.gz", "track name=x\n", "bed"),
        ("x.txt", "# note\ntrack name=x\nchr1\t0\t20\n", "bed"),
        ("x.vcf", BED, "vcf"),
        ("x.txt", VCF, "vcf"),
        ("x.vcf.bgz", gzip.compress(VCF.encode()), "vcf"),
        ("x.bz2", bz2.compress(VCF.encode()), "vcf"),
        ("x", "FoldID\tEventID\tseq\tBound\n", "seq"),
    ],
)
def test_a_format_is_known_by_its_content_or_else_by_its_name(tmp_path, name, content, format):
    assert of(tmp_path, name, content) == format


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.txt", "hello\n", "x.txt begins with 'hello'; wanted FASTA"),
        ("x.csv", "chr1,0,20\n", "wanted FASTA"),
        ("x.fastq", "@read\nACGT\n+\nIIII\n", "begins with '@read'; wanted FASTA"),
        ("x.bam", b"BAM\x01\0\0", "is BAM"),
        ("x.bcf", gzip.compress(b"BCF\x02\x02"), "bcftools view"),
        ("x.2bit", b"\x1a\x41\x27\x43\0\0", "twoBitToFa"),
        ("x.bin", b"\x01\x02\0\x03" * 3, "zero bytes|begins with"),
        ("genome.fa.fai", "chr1\t9\t6\t4\t5\n", "index"),
    ],
)
def test_a_file_of_no_known_format_is_named(tmp_path, name, content, words):
    with pytest.raises(UserError, match=words):
        of(tmp_path, name, content)
