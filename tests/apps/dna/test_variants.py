"""Variants of a VCF and their windows."""

import gzip

import pytest

from seqapps.app import Skip
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
        ("chr2\t10\t.\tCA\tC", "position outside the chromosome"),
        ("chr3\t3\t.\tN\tC", "an allele is not a sequence of A, C, G, T"),
        ("chr3\t3\t.\tA\tC", "the genome is N there"),
        ("chr3\t1\t.\tAC\tC", "the genome is N there"),
        ("chr3\t6\t.\tT\tC", "its surroundings in the genome: more than half of it is N"),
        ("chr2\t1\t.\tA\t<DEL>", "an allele is not a sequence of A, C, G, T"),
        ("chr2\t1\t.\tA\t.", "an allele is not a sequence of A, C, G, T"),
        ("chr2\t1\t.\tACACAC\tA", "an allele is longer than half the window of 10 bp"),
    ],
)
def test_a_variant_that_cannot_be_scored_is_a_skip(home, line, reason):
    (skip,) = variant(home, line)
    assert skip.reason == reason
    assert skip.key.startswith("v.vcf:3 chr")


def test_lines_that_are_not_vcf_are_skips_after_one_that_is(home):
    lines = ["chr1\t16\t.\tC\tA", f"chr1\t{'9' * 5000}\t.\tC\tA", "chr1\t16", "chr1\t17\t.\tC\tG"]
    entries = asked(home, "v.vcf", "\n".join(lines))
    assert [entry.key[:7] for entry in entries if isinstance(entry, Skip)] == ["v.vcf:2", "v.vcf:3"]
    assert [entry[0]["pos"] for entry in entries if not isinstance(entry, Skip)] == [16, 16, 17, 17]


def test_1_is_chr1_and_this_is_said(home, capsys):
    (_, reference), _ = asked(home, "v.vcf", "1\t16\trs1\tC\tT\n1\t17\trs1\tC\t<X>\n")[:2]
    assert reference["sequence"] == "GGGGGCCCCC"
    assert capsys.readouterr().out == "v.vcf: 1 is chr1 of the genome genome.fa\n"


def test_a_line_longer_than_a_piece_is_one_variant(home, monkeypatch):
    monkeypatch.setattr(sequences, "PIECE_BP", 40)
    line = "chr1\t16\t.\tC\tA" + "\t0/1" * 50
    assert len(asked(home, "v.vcf", f"{line}\n{line}\n")) == 4


def test_gzip_vcf_is_read(home):
    assert len(asked(home, "v.vcf.gz", gzip.compress(b"chr1\t16\t.\tC\tA\n"))) == 2
