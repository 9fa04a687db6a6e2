import csv
import gzip
import math
from types import SimpleNamespace

import numpy as np
import pytest

from seqapps.app import Skip
from seqapps.apps.dna import predict, sequences
from seqapps.apps.dna.params import Predict
from seqapps.config import UserError
from tests.apps.dna.conftest import CHR1


def options(**table):
    return SimpleNamespace(predict=Predict(genome="genome.fa", **table))


def asked(home, name, content, **table):
    """The requests for a file with this content."""
    path = home / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(predict.requests(options(**table), home, [path]))


def places(entries):
    return [(meta["record"], meta["start"], meta["end"], r["sequence"]) for meta, r in entries]


def answered(home, entries, probabilities):
    rows = [
        (meta, {"probability": np.array(p, np.float32)})
        for (meta, _), p in zip(entries, probabilities, strict=True)
    ]
    return predict.render(options(), home, iter(rows), home / "out")


def table(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_short_fasta_record_is_asked_about_as_a_whole(home):
    entries = asked(home, "q.fa", ">a note\nacgtacgtacgtR\n>a note\nACGTACGTAC\n")
    assert places(entries) == [("a", 0, 13, "ACGTACGTACGTN"), ("a", 0, 10, "ACGTACGTAC")]


def test_gzip_fasta_is_read(home):
    entries = asked(home, "q.fasta.gz", gzip.compress(b">a\nACGTACGTAC\n"))
    assert places(entries) == [("a", 0, 10, "ACGTACGTAC")]


def test_unusable_records_are_skips_that_name_them(home):
    entries = asked(home, "q.fa", f">s\nACGT\n>p\nMKLVMKLVMKLV\n>n\n{'N' * 12}\n")
    assert entries == [
        Skip("shorter than the window of 10 bp", "q.fa s:0-4"),
        Skip("letters other than A, C, G, T, N", "q.fa p:0-12"),
        Skip("more than half of it is N", "q.fa n:0-12"),
    ]


def test_a_long_record_is_asked_about_window_by_window(home, monkeypatch):
    monkeypatch.setattr(predict, "WHOLE_BP", 20)
    entries = asked(home, "q.fa", f">a\n{CHR1[:20]}\n{CHR1[20:33]}\n>b\nACGTACGTAC\n", stride_bp=7)
    starts = [0, 7, 14, 21, 23]
    expected = [("a", start, start + 10, CHR1[start : start + 10]) for start in starts]
    assert places(entries) == [*expected, ("b", 0, 10, "ACGTACGTAC")]


def test_windows_do_not_depend_on_how_the_text_is_cut():
    whole = list(predict.windows([CHR1], 10, stride=7))
    for size in (1, 3, 10, 11, 39):
        texts = [CHR1[i : i + size] for i in range(0, len(CHR1), size)]
        assert list(predict.windows(texts, 10, stride=7)) == whole


def test_windows_further_apart_than_they_are_long_still_end_with_the_text():
    assert list(predict.windows(["ACGT", "ACG", "TAA"], 2, stride=5)) == [
        (0, "AC"),
        (5, "CG"),
        (8, "AA"),
    ]


def test_a_chromosome_passes_in_pieces(home, monkeypatch):
    monkeypatch.setattr(sequences, "PIECE_BP", 16)
    monkeypatch.setattr(predict, "WHOLE_BP", 20)
    lengths = []
    monkeypatch.setattr(
        predict, "windows", lambda texts, *_, **__: lengths.extend(map(len, texts)) or iter(())
    )
    asked(home, "q.fa", f">a\n{CHR1}\n")
    asked(home, "q.bed", "chr1\t0\t40\n")
    assert lengths == [16, 16, 8] * 2


def test_bed_counts_from_zero_and_leaves_the_end_out(home):
    entries = asked(home, "q.bed", "chr1\t10\t20\n")
    assert places(entries) == [("chr1", 10, 20, "GGGGGCCCCC")]


@pytest.mark.parametrize(
    ("interval", "window"),
    [((19, 21), (15, 25)), ((0, 2), (0, 10)), ((39, 40), (30, 40))],
)
def test_a_bed_interval_shorter_than_the_window_is_widened_inside_the_chromosome(
    home, interval, window
):
    ((_, start, end, sequence),) = places(asked(home, "q.bed", "chr1\t{}\t{}\n".format(*interval)))
    assert (start, end) == interval
    assert sequence == CHR1[slice(*window)]


def test_bed_intervals_outside_the_genome_are_skips(home):
    entries = asked(home, "q.bed", "chr3\t0\t20\nchr2\t0\t20\n")
    assert entries == [
        Skip("chromosome missing from the genome", "q.bed:1 chr3"),
        Skip("coordinates outside the chromosome", "q.bed:2 chr2"),
    ]


VCF = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


def variant(home, line):
    return asked(home, "v.vcf", f"{VCF}{line}\t.\t.\t.\n")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("q.fa", "", "q.fa is empty"),
        ("q.vcf", VCF, "holds no variant"),
        ("q.vcf", "chr1 16 . C A\n", "line 1 .* wanted VCF"),
        ("q.vcf", "chr1\tx\t.\tC\tA\n", "line 1 .* wanted VCF"),
        ("q.bed", "chr1\n", "line 1 .* wanted chromosome"),
        ("q.txt", "ACGT", "no known ending"),
        ("q.fa.gz", gzip.compress(b">a\nACGTACGTAC\n" * 99, mtime=0)[:-9], "gzip stream breaks"),
    ],
)
def test_a_bad_file_is_named_with_what_was_wanted(home, name, content, words):
    with pytest.raises(UserError, match=words):
        asked(home, name, content)


@pytest.mark.parametrize("name", ["q.bed", "q.vcf"])
def test_places_need_a_genome(home, name):
    (home / name).write_text("chr1\t16\t20\tC\tA\n")
    with pytest.raises(UserError, match="GENOME="):
        list(predict.requests(SimpleNamespace(predict=Predict()), home, [home / name]))


def test_a_missing_file_is_named_before_any_work(home):
    (home / "q.fa").write_text(">a\nACGTACGTAC\n")
    with pytest.raises(UserError, match=r"none\.fa does not exist"):
        next(predict.requests(options(), home, [home / "q.fa", home / "none.fa"]))


def test_sequences_become_csv_rows(home):
    entries = asked(home, "q.fa", ">a\nACGTACGTACGT\n")
    (path,) = answered(home, entries, [[0.25, 0.5]])
    assert table(path) == [
        {"file": "q.fa", "record": "a", "start": "0", "end": "12", "p_x": "0.25", "p_y": "0.5"}
    ]


def test_places_on_a_genome_also_become_bed_scores(home):
    entries = asked(home, "q.bed", "chr1\t10\t20\nchr1\t12\t22\n")
    written = answered(home, entries, [[0.25, 0.5], [0.0, 1.0]])
    assert [path.name for path in written] == ["sequences.csv", "x.bed", "y.bed"]
    assert written[2].read_text() == "chr1\t10\t20\ty\t500\t.\nchr1\t12\t22\ty\t1000\t.\n"


def test_a_variants_effect_is_the_difference_of_logits(home):
    entries = variant(home, "chr1\t16\trs1\tC\tT")
    (path,) = answered(home, entries, [[0.5, 0.8], [0.75, 0.2]])
    (row,) = table(path)
    assert {k: row[k] for k in ("chrom", "pos", "id", "ref", "alt", "ref_match")} == {
        "chrom": "chr1",
        "pos": "16",
        "id": "rs1",
        "ref": "C",
        "alt": "T",
        "ref_match": "True",
    }
    assert float(row["effect_x"]) == pytest.approx(math.log(3), rel=1e-5)
    assert float(row["effect_y"]) == pytest.approx(-2 * math.log(4), rel=1e-5)
    assert (row["p_ref_y"], row["p_alt_y"]) == ("0.8", "0.2")


def test_a_certain_answer_has_a_finite_effect(home):
    entries = variant(home, "chr1\t16\trs1\tC\tT")
    (path,) = answered(home, entries, [[0.0, 1.0], [1.0, 1.0]])
    (row,) = table(path)
    assert float(row["effect_x"]) == pytest.approx(27.631, abs=1e-3)
    assert float(row["effect_y"]) == 0
