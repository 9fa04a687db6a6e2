"""Genomes in FASTA."""

import gzip

import pytest

from seqapps.config import UserError
from tests.apps.dna.conftest import SMALL_GENOME
from tests.apps.dna.test_ingest import user


def test_a_bed_that_fits_no_chromosome_names_those_the_genome_has(offline):
    (offline / "x.bed").write_text("1\t0\t20\n")
    with pytest.raises(UserError, match="x.bed lies in genome .*chr1, chr2"):
        user(offline, "x.bed", genome="genome.fa")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "begins with ''"),
        (gzip.compress(SMALL_GENOME.encode(), mtime=0), "gunzip"),
        (b">a\nACGT\n>a\nAC\n", "unique names"),
        (b">a\nAC\nACGT\nACGTA\n", "cannot be indexed"),
    ],
)
def test_a_bad_genome_is_named_with_the_way_out(offline, content, words):
    (offline / "x.bed").write_text("a\t0\t2\n")
    (offline / "bad.fa").write_bytes(content)
    with pytest.raises(UserError, match=f"bad.fa .*{words}"):
        user(offline, "x.bed", genome="bad.fa")


def test_bed_without_a_genome_says_which_setting_to_give(offline):
    (offline / "x.bed").write_text("a\t0\t2\n")
    with pytest.raises(UserError, match="ingest.genome"):
        user(offline, "x.bed")
