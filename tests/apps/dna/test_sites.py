"""Site files of users: FASTA, BED, narrowPeak, DeepBind."""

import gzip
import json

import pytest

from seqapps.config import UserError
from tests.apps.dna.test_ingest import user, written


def test_several_files_and_gzip_make_one_factor(offline):
    (offline / "x.fa").write_text(">a\nAC")
    (offline / "y.fa.gz").write_bytes(gzip.compress(b">b\nGT\n"))
    user(offline, "x.fa", "y.fa.gz")
    assert written(offline) == [">a", "AC", ">b", "GT"]


def test_bed_cuts_around_the_middle_counting_from_zero(offline):
    (offline / "x.bed").write_text("# c\ntrack name=x\nchr1\t8\t12\n\nchr1\t4\t25\tpeak1\t7\n")
    user(offline, "x.bed", genome="genome.fa", bed_bp=20)
    # Middle 10: [0, 20). Middle 14: [4, 24).
    assert written(offline) == [
        ">chr1:0-20",
        "ACGTACGTACGGGGGCCCCC",
        ">chr1:4-24 peak1",
        "ACGTACGGGGGCCCCCACGT",
    ]


def test_narrowpeak_cuts_around_the_summit(offline):
    row = "chr1\t2\t30\tp\t0\t.\t1\t-1\t-1\t"
    (offline / "x.narrowPeak").write_text(f"{row}10\n{row}-1\n")
    user(offline, "x.narrowPeak", genome="genome.fa", bed_bp=20)
    assert written(offline)[::2] == [">chr1:2-22 p", ">chr1:6-26 p"]


def test_narrowpeak_is_known_by_its_ten_columns(offline):
    row = b"chr1\t2\t30\tp\t0\t.\t1.5\t-1\t-1\t10\n"
    (offline / "ENCFF001.bed.gz").write_bytes(gzip.compress(row))
    user(offline, "ENCFF001.bed.gz", genome="genome.fa", bed_bp=20)
    assert written(offline)[0] == ">chr1:2-22 p"


def test_a_summit_outside_its_peak_is_left_out_and_named(offline):
    row = "chr1\t2\t30\tp\t0\t.\t1\t-1\t-1\t"
    (offline / "x.bed").write_text(f"{row}10\n{row}28\n")
    counts = user(offline, "x.bed", genome="genome.fa", bed_bp=20)
    assert counts["skipped: its summit, column 10, lies outside the peak"] == 1
    assert len(written(offline)) == 2


def test_a_peak_at_an_end_keeps_its_middle_with_n_beyond(offline):
    (offline / "x.bed").write_text("chr1\t0\t4\nchr2\t13\t15\n")
    user(offline, "x.bed", genome="genome.fa", bed_bp=20)
    assert written(offline) == [
        ">chr1:0-12",
        "N" * 8 + "ACGTACGTACGG",
        ">chr2:4-15",
        "TTTTTTAAAAA" + "N" * 9,
    ]


def test_column_ten_of_a_bed12_is_not_a_summit(offline):
    (offline / "x.bed").write_text("chr1\t5\t25\tp\t0\t.\t5\t25\t0\t2\n")
    user(offline, "x.bed", genome="genome.fa", bed_bp=20)
    assert written(offline)[0] == ">chr1:5-25 p"


def test_intervals_outside_the_genome_are_counted_and_named(offline, capsys):
    bed = "chr1\t0\t20\nchr9\t0\t20\nchr2\t0\t16\nchr1\t20\t10\nchr1\t-3\t10\n"
    (offline / "x.bed").write_text(bed)
    counts = user(offline, "x.bed", genome="genome.fa", bed_bp=20)
    assert counts["sites of tf"] == 1
    assert counts["skipped: chromosome missing from the genome"] == 1
    assert counts["skipped: coordinates outside the chromosome"] == 3
    assert "x.bed:2 chr9" in capsys.readouterr().out
    left_out = json.loads((offline / "out/manifest.json").read_text())["left_out"]
    assert left_out["chromosome missing from the genome"] == ["x.bed:2 chr9"]


def test_deepbind_rows_keep_their_split_and_label(offline):
    rows = "FoldID\tEventID\tseq\tBound\nA\tp1\tACGT\t1\nB\tp2\tAAAA\t0\nC\tp3\tCC\t1\n"
    (offline / "x.seq.gz").write_bytes(gzip.compress(rows.encode()))
    user(offline, "x.seq.gz")
    assert written(offline)[::2] == [
        ">p1 bound=1 split=train",
        ">p2 bound=0 split=test",
        ">p3 bound=1 split=train",
    ]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.fa", "", "x.fa is empty"),
        ("x.fa", "hello\n", "line 1 is 'hello'; wanted FASTA"),
        ("x.bed", "", "x.bed holds no BED line; wanted chromosome"),
        ("x.bed", "chr1 1 2\n", "line 1 .* wanted chromosome, start, end"),
        ("x.bed", "chrom\tstart\tend\n", "holds no BED line"),
        ("x.seq", "A\tp\tACGT\t1\n", "line 1 .* wanted the columns FoldID"),
        ("x.seq", "FoldID\tEventID\tseq\tBound\nA\tp\tACGT\n", "line 2 .* wanted"),
        ("x.seq", "FoldID\tEventID\tseq\tBound\nA\tp\tACGT\t2\n", "line 2 .* wanted"),
        ("x.seq", "FoldID\tEventID\tseq\tBound\n", "no site of factor 'tf'"),
    ],
)
def test_a_bad_file_is_named_with_what_was_wanted(offline, name, content, words):
    (offline / name).write_text(content)
    with pytest.raises(UserError, match=words):
        user(offline, name, genome="genome.fa")


def test_a_missing_file_is_named(offline):
    with pytest.raises(UserError, match=r"none\.fa does not exist"):
        user(offline, "none.fa")
