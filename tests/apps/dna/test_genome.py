"""Genomes in FASTA."""

import gzip
import os

import pytest

from seqapps.app import Skip, UserFile
from seqapps.apps.dna import genome
from seqapps.config import UserError
from tests.apps.dna.conftest import SMALL_GENOME
from tests.apps.dna.test_ingest import user


def test_a_bed_that_fits_no_chromosome_names_those_the_genome_has(offline):
    (offline / "x.bed").write_text("7\t0\t20\n")
    with pytest.raises(UserError, match="x.bed lies in genome .*chr1, chr2"):
        user(offline, "x.bed", genome="genome.fa")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "begins with ''"),
        (b"\x43\x27\x41\x1a\0\0", "is 2bit; turn it into FASTA: twoBitToFa"),
        (b">a\n>b\n", "holds no base"),
        (b">a\rACGT\r", "holds no base"),
        (b"\xef\xbb\xbf>a\nACGT\n", "cannot be indexed"),
        (b">\nACGT\n", "cannot be indexed"),
        (b">a\nACGT \nACGT \nAC\n", "letters for bases and nothing else"),
        (b">a\nAC GT\nAC GT\nAC\n", "letters for bases and nothing else"),
        (">a\nACßGT\nACGT\nAC\n".encode(), "cannot be indexed"),
        (">a\nACGT\nAß\n>b\nAC\n".encode(), "letters for bases and nothing else"),
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


def cut(path, chromosome="chr1", start=10, end=15):
    with genome.opened(path, wanted_by="x.bed", setting="GENOME=") as bases:
        return bases.cut(chromosome, start, end=end)


def intervals(tmp_path, text, name="x.bed"):
    (tmp_path / name).write_text(text)
    return list(genome.bed(UserFile(tmp_path / name, name)))


@pytest.fixture
def fasta(tmp_path):
    (tmp_path / "g.fa").write_text(SMALL_GENOME)
    return tmp_path / "g.fa"


def test_beyond_the_chromosomes_ends_lies_n(fasta):
    assert cut(fasta, start=-3, end=3) == "NNNACG"
    assert cut(fasta, start=28, end=33) == "ACNNN"
    assert cut(fasta, start=40, end=42) == cut(fasta, start=-2, end=0) == "NN"
    assert cut(fasta, "chr2", start=-1, end=16) == "NTTTTTTTTTTAAAAAN"


def test_the_index_of_a_genome_that_was_replaced_by_an_older_one_is_made_anew(fasta):
    assert cut(fasta) == "GGGGG"
    fasta.write_text(">chr9\nTTTTTTTTTTTT\n" + SMALL_GENOME)
    os.utime(fasta, (1, 1))  # as `cp -p` leaves an older file
    assert cut(fasta) == "GGGGG"
    assert cut(fasta, "chr9") == "TTNNN"


@pytest.mark.parametrize("cut_to", [0, 5, 20, -1, -4])
def test_an_empty_or_cut_index_is_made_anew(fasta, cut_to):
    whole = cut(fasta, "chr2", start=8, end=12)
    index = fasta.with_name("g.fa.fai")
    index.write_text(index.read_text()[:cut_to])
    assert cut(fasta, "chr2", start=8, end=12) == whole == "TTAA"


@pytest.mark.parametrize(
    "line",
    [
        "chr1\t31\t13\t10\t11",
        "chr1\t30\t12\t9\t10",
        "chrX\t30\t12\t10\t11",
        "chr1\t30\t99999999999\t10\t11",
        "\xe9\tx",
    ],
)
def test_an_index_that_does_not_fit_is_made_anew(fasta, line):
    right = "chr1\t30\t12\t10\t11\nchr2\t15\t51\t10\t11\n"
    cut(fasta)
    index = fasta.with_name("g.fa.fai")
    assert index.read_text() == right
    index.write_text(f"{line}\nchr2\t15\t51\t10\t11\n")
    assert cut(fasta) == "GGGGG"
    assert index.read_text() == right


@pytest.mark.parametrize("length", [20, 5000])
def test_an_index_of_one_line_does_not_fit_two_lines_or_a_shorter_file(tmp_path, length):
    (tmp_path / "g.fa").write_text(">a\n" + "C" * length + "\n")
    assert cut(tmp_path / "g.fa", "a", start=0, end=5) == "CCCCC"
    (tmp_path / "g.fa").write_text(">a\nCCCCCCCCCC\nGGGGGGGGG\n")
    os.utime(tmp_path / "g.fa", (1, 1))
    assert cut(tmp_path / "g.fa", "a", start=5, end=20) == "CCCCCGGGGGGGGGN"


def test_an_index_that_fits_is_kept(fasta):
    cut(fasta)
    index = fasta.with_name("g.fa.fai")
    os.utime(index, (1, 1))
    assert cut(fasta) == "GGGGG"
    assert index.stat().st_mtime == 1


@pytest.mark.parametrize("empty", [">e\n", ">e\n\n", ">e note\n"])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_a_genome_may_hold_an_empty_record(tmp_path, empty, order):
    records = SMALL_GENOME.split(">chr2")
    parts = [records[0], ">chr2" + records[1]]
    parts.insert(order, empty)
    (tmp_path / "g.fa").write_text("".join(parts))
    for _ in range(2):  # with and without an index
        assert cut(tmp_path / "g.fa") == "GGGGG"
        assert cut(tmp_path / "g.fa", "chr2", start=8, end=12) == "TTAA"
        with genome.opened(tmp_path / "g.fa", wanted_by="x", setting="G") as bases:
            (interval,) = intervals(tmp_path, "e\t0\t20\n")
            assert bases.refusal(interval) == "coordinates outside the chromosome"


def test_carriage_returns_at_line_ends_are_no_bases(tmp_path):
    (tmp_path / "g.fa").write_bytes(SMALL_GENOME.replace("\n", "\r\n").encode())
    for _ in range(2):
        assert cut(tmp_path / "g.fa", start=8, end=12) == "ACGG"
    assert genome._fits(tmp_path / "g.fa.fai", tmp_path / "g.fa")


def test_a_compressed_genome_is_unpacked_once_and_this_is_said(tmp_path, capsys):
    path = tmp_path / "g.fa.gz"
    path.write_bytes(
        gzip.compress(SMALL_GENOME[:40].encode()) + gzip.compress(SMALL_GENOME[40:].encode())
    )
    assert cut(path) == cut(path) == "GGGGG"
    assert capsys.readouterr().out.count("is compressed: unpacking it") == 1
    assert not list(tmp_path.glob("*.fai"))


def test_a_compressed_genome_that_is_cut_short_is_refused(tmp_path):
    (tmp_path / "g.fa.gz").write_bytes(gzip.compress(SMALL_GENOME.encode())[:-9])
    with pytest.raises(UserError, match="g.fa.gz is gzip that is damaged"):
        cut(tmp_path / "g.fa.gz")


@pytest.mark.parametrize(
    ("known", "asked"),
    [("chr1", "1"), ("1", "chr1"), ("Chr1", "chr1"), ("chrM", "MT"), ("MT", "chrM"), ("M", "MT")],
)
def test_other_forms_of_a_chromosomes_name_are_matched(tmp_path, known, asked, capsys):
    (tmp_path / "g.fa").write_text(f">{known}\nACGT\n>chrUn_1\nTT\n")
    assert cut(tmp_path / "g.fa", asked, start=0, end=4) == "ACGT"
    assert capsys.readouterr().out == f"x.bed: {asked} is {known} of the genome g.fa\n"


def test_a_name_that_could_be_two_chromosomes_is_none(tmp_path):
    (tmp_path / "g.fa").write_text(">chr1\nACGT\n>1\nTTTT\n")
    assert cut(tmp_path / "g.fa", "1", start=0, end=4) == "TTTT"
    with genome.opened(tmp_path / "g.fa", wanted_by="x", setting="G") as bases:
        assert bases.length("CHR1") is None


PEAK = "chr1\t100\t200\tp\t0\t.\t{}\t{}\t{}\t{}\n"


@pytest.mark.parametrize(
    ("columns", "middle"),
    [
        (("5.1", "-1", "-1", "7"), 107),
        (("5", "30", "2", "99"), 199),
        (("5", "30", "2", "-1"), 150),
        (("100", "200", "0", "2"), 150),  # BED's thick part, colour and block count
        (("120", "150", "255,0,0", "2"), 150),
    ],
)
def test_ten_columns_are_narrowpeak_unless_they_are_beds_thick_part(tmp_path, columns, middle):
    for name in ("x.bed", "x.narrowPeak", "x.txt"):
        (interval,) = intervals(tmp_path, PEAK.format(*columns), name)
        assert interval.middle == middle


@pytest.mark.parametrize(
    ("summit", "reason"),
    [("100", "outside the peak"), ("5000", "outside the peak"), ("1.5", "no whole number")],
)
def test_a_summit_that_is_not_in_its_peak_is_a_skip(tmp_path, summit, reason):
    skip, interval = intervals(
        tmp_path, PEAK.format("5", "-1", "-1", summit) + PEAK.format("5", "-1", "-1", "0")
    )
    assert isinstance(skip, Skip) and reason in skip.reason and skip.key == "x.bed:1 chr1"
    assert interval.middle == 100


def test_a_line_of_column_names_is_no_interval(tmp_path):
    assert len(intervals(tmp_path, "#a\nchrom\tchromStart\tchromEnd\nchr1\t1\t2\n")) == 1
