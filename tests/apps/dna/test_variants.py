"""Variants of a VCF and their windows."""

import gzip

import pytest

from seqapps.apps.dna import sequences
from tests.apps.dna.test_predict import asked, variant


def test_a_variant_counts_from_one_and_stands_in_the_middle(home):
    # POS 16 is base 15 from 0, the first C after GGGGG.
    (ref, reference), (alt, alternative) = variant(home, "chr1\t16\trs1\tC\tt")
    assert reference["sequence"] == "GGGGG" + "CCCCC"
    assert alternative["sequence"] == "GGGGG" + "TCCCC"
    assert (ref["allele"], alt["allele"]) == ("ref", "alt")
    assert ref["ref_match"]


def test_a_reference_that_the_genome_has_not_is_marked_and_still_compared(home):
    (ref, reference), (_, alternative) = variant(home, "chr1\t16\t.\tA\tT")
    assert not ref["ref_match"]
    assert reference["sequence"] == "GGGGGACCCC"
    assert alternative["sequence"] == "GGGGGTCCCC"


def test_deletions_and_insertions_keep_the_window_full(home):
    (ref, reference), (_, deleted) = variant(home, "chr1\t16\t.\tCCC\tC")
    (_, _), (_, inserted) = variant(home, "chr1\t16\t.\tC\tCAA")
    assert ref["ref_match"]
    assert reference["sequence"] == "GGGGGCCCCC"
    assert deleted["sequence"] == "GGGGGCCCTT"
    assert inserted["sequence"] == "GGGGGCAACC"


def test_beyond_the_chromosome_lies_n(home):
    (_, first), _ = variant(home, "chr1\t1\t.\tA\tC")
    (_, last), _ = variant(home, "chr1\t40\t.\tA\tC")
    assert first["sequence"] == "NNNNNACGTA"
    assert last["sequence"] == "CGTAAANNNN"


def test_each_alternative_allele_is_a_variant(home):
    entries = variant(home, "chr1\t16\t.\tC\tA,G")
    assert [(m["alt"], m["allele"]) for m, _ in entries] == [
        ("A", "ref"),
        ("A", "alt"),
        ("G", "ref"),
        ("G", "alt"),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("chr5\t1\t.\tA\tC", "chromosome missing from the genome"),
        ("chr2\t11\t.\tA\tC", "position outside the chromosome"),
        ("chr2\t0\t.\tA\tC", "position outside the chromosome"),
        ("chr2\t1\t.\tA\t<DEL>", "an allele is not a sequence of A, C, G, T"),
        ("chr2\t1\t.\tA\t.", "an allele is not a sequence of A, C, G, T"),
        ("chr2\t1\t.\tACACAC\tA", "an allele is longer than half the window of 10 bp"),
    ],
)
def test_a_variant_that_cannot_be_scored_is_a_skip(home, line, reason):
    (skip,) = variant(home, line)
    assert skip.reason == reason
    assert skip.key.startswith("v.vcf:3 chr")


def test_a_line_longer_than_a_piece_is_one_variant(home, monkeypatch):
    monkeypatch.setattr(sequences, "PIECE_BP", 40)
    line = "chr1\t16\t.\tC\tA" + "\t0/1" * 50
    assert len(asked(home, "v.vcf", f"{line}\n{line}\n")) == 4


def test_gzip_vcf_is_read(home):
    assert len(asked(home, "v.vcf.gz", gzip.compress(b"chr1\t16\t.\tC\tA\n"))) == 2
