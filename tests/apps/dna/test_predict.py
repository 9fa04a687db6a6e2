import bz2
import csv
import gzip
import math
from types import SimpleNamespace

import numpy as np
import pytest

from seqapps.app import Skip, UserFile
from seqapps.apps.dna import predict, sequences
from seqapps.apps.dna.params import Predict
from seqapps.config import UserError
from tests.apps.dna.conftest import CHR1


def options(**table):
    return SimpleNamespace(predict=Predict(genome="genome.fa", **table))


def asked(home, name, content, **table):
    """The requests for a file with this content."""
    path = home / name.replace("/", "-")
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(predict.requests(options(**table), home, UserFile(path, name)))


def places(entries):
    return [(meta["record"], meta["start"], meta["end"], r["sequence"]) for meta, r in entries]


def answer(probabilities, starts=(0, 1), strands=(1, -1)):
    """One row of the endpoint's answer."""
    return {
        "probability": np.array(probabilities, np.float32),
        "best_start": np.array(starts, np.int32),
        "best_strand": np.array(strands, np.int32),
        "per_window": np.array(probabilities, np.float32) / 2,
        "factors": np.array([b"x", b"y"], object),
    }


def answered(home, entries, probabilities, **table):
    rows = [(meta, answer(p)) for (meta, _), p in zip(entries, probabilities, strict=True)]
    return predict.render(options(**table), home, iter(rows), home / "out")


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
        Skip("letters other than A, C, G, T, U, N", "q.fa p:0-12, 'L' at place 3"),
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
    [
        ((19, 21), CHR1[15:25]),
        ((0, 2), "NNNN" + CHR1[:6]),
        ((39, 40), CHR1[34:] + "NNNN"),
    ],
)
def test_a_bed_interval_shorter_than_the_window_is_widened_about_its_middle(home, interval, window):
    ((_, start, end, sequence),) = places(asked(home, "q.bed", "chr1\t{}\t{}\n".format(*interval)))
    assert (start, end) == interval
    assert sequence == window


@pytest.mark.parametrize("name", ["q.bed", "ENCFF001.bed.gz", "peaks.txt"])
def test_a_short_peak_is_widened_about_its_summit_whatever_the_files_name(home, name):
    line = b"chr1\t10\t18\tp\t900\t.\t5.2\t-1\t-1\t6\n"
    content = gzip.compress(line) if name.endswith("gz") else line
    assert places(asked(home, name, content)) == [("chr1", 10, 18, CHR1[11:21])]


def test_rows_that_are_no_bed_lines_are_skips_after_a_line_that_is(home):
    entries = asked(home, "q.bed", "chr1\t0\t20\nchr1\tx\t9\nchr1\t10\t20\n")
    assert [isinstance(entry, Skip) for entry in entries] == [False, True, False]
    assert entries[1].key == "q.bed:2 chr1"


def test_bed_intervals_outside_the_genome_are_skips(home):
    entries = asked(home, "q.bed", "chr9\t0\t20\nchr2\t0\t20\n")
    assert entries == [
        Skip("chromosome missing from the genome", "q.bed:1 chr9"),
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
        ("q.txt", "ACGT", "begins with 'ACGT'; wanted FASTA"),
        ("q.txt", "", "begins with ''; wanted FASTA"),
        ("q.fa", "ACGT", "line 1 is 'ACGT'; wanted FASTA"),
        ("q.fa", b">a\nAC\0GT\n", "line 2 holds zero bytes"),
        ("q.fa", b"\x43\x27\x41\x1a\0\0\0\0", "q.fa is 2bit; .* twoBitToFa"),
        ("q.fa.fai", "chr1\t40\t6\t40\t41\n", "is the index of a FASTA file"),
        ("q.seq", "FoldID\tEventID\tseq\tBound\n", "DeepBind's sites; wanted FASTA"),
        ("x/q.fa.gz", gzip.compress(b">a\nACGTACGTAC\n" * 99, mtime=0)[:-9], "^x/q.fa.gz is gzip"),
    ],
)
def test_a_bad_file_is_named_with_what_was_wanted(home, name, content, words):
    with pytest.raises(UserError, match=words):
        asked(home, name, content)


@pytest.mark.parametrize("name", ["q.bed", "q.vcf"])
def test_places_need_a_genome(home, name):
    (home / name).write_text("chr1\t16\t20\tC\tA\n")
    with pytest.raises(UserError, match="GENOME="):
        file = UserFile(home / name, name)
        list(predict.requests(SimpleNamespace(predict=Predict()), home, file))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("q.txt", ">a\nACGTACGUAC\n"),
        ("q.fa", ">a\r\nacgt\r\nacgtac\r\n"),
        ("q.vcf", ">a\rACGTACGTAC\r"),
        ("q.fa.bz2", bz2.compress(b">a\nACGTACGTAC\n")),
        ("q.fa", "\ufeff>a\nACGTACGTAC\n".encode()),
        ("q.fa", ">a\nACGTACGTAC\n".encode("utf-16")),
    ],
)
def test_fasta_is_known_by_its_content(home, name, content):
    assert places(asked(home, name, content)) == [("a", 0, 10, "ACGTACGTAC")]


def test_utf_16_is_said(home, capsys):
    asked(home, "q.fa", ">a\nACGTACGTAC\n".encode("utf-16"))
    assert "q.fa is read as UTF-16" in capsys.readouterr().out


def test_sequences_become_csv_rows(home):
    entries = asked(home, "x/q.fa", ">a\nACGTACGTACGT\n")
    (path,) = answered(home, entries, [[0.25, 0.5]])
    assert table(path) == [
        {
            "file": "x/q.fa",
            "record": "a",
            "name": "",
            "start": "0",
            "end": "12",
            "p_x": "0.25",
            "p_y": "0.5",
            "start_x": "0",
            "start_y": "1",
            "strand_x": "+",
            "strand_y": "-",
            "per_window_x": "0.125",
            "per_window_y": "0.25",
        }
    ]


def test_the_best_windows_place_counts_in_the_record(home, monkeypatch):
    monkeypatch.setattr(predict, "WHOLE_BP", 20)
    bed = "chr1\t10\t25\tpeak one\nchr1\t39\t40\tlast\nchr1\t5\t36\n"
    entries = asked(home, "q.bed", bed, stride_bp=40)
    (csv_path, *_) = answered(home, entries, [[0.1, 0.1]] * len(entries))
    assert [(row["name"], row["start"], row["start_y"]) for row in table(csv_path)] == [
        ("peak one", "10", "11"),
        ("last", "39", "35"),  # the window is 34 to 44, beyond the chromosome's end
        ("", "5", "6"),
        ("", "26", "27"),
    ]


def test_places_on_a_genome_also_become_bed_scores(home):
    entries = asked(home, "x/q.bed", "chr1\t10\t20\nchr1\t12\t22\n")
    entries += asked(home, "y/q.bed", "chr1\t0\t20\n")
    written = answered(home, entries, [[0.25, 0.5], [0.0, 1.0], [0.5, 0.5]])
    names = ["x~q.bed.x.bed", "x~q.bed.y.bed", "y~q.bed.x.bed", "y~q.bed.y.bed"]
    assert [path.name for path in written] == ["sequences.csv", *names]
    assert written[2].read_text() == "chr1\t10\t20\ty\t500\t-\nchr1\t12\t22\ty\t1000\t-\n"


def test_long_records_become_tracks_if_they_are_wanted(home, monkeypatch):
    monkeypatch.setattr(predict, "WHOLE_BP", 20)
    entries = asked(home, "q.fa", f">chrA\n{CHR1[:33]}\n", stride_bp=7)
    values = [[n / 10, 1] for n in range(len(entries))]
    written = answered(home, entries, values, stride_bp=7, track=True)
    (graph,) = [path for path in written if path.name == "q.fa.x.bedgraph"]
    assert [line.split("\t") for line in graph.read_text().splitlines()] == [
        ["chrA", "1", "8", "0"],
        ["chrA", "8", "15", "0.1"],
        ["chrA", "15", "22", "0.2"],
        ["chrA", "22", "29", "0.3"],
        ["chrA", "29", "31", "0.4"],
    ]
    assert not [path for path in answered(home, entries, values) if "bedgraph" in path.name]


def test_an_allele_without_its_other_is_left_out(home):
    entries = variant(home, "chr1\t16\trs1\tC\tT,A")
    rows = [(meta, answer([n / 10, 0.5])) for n, (meta, _) in enumerate(entries, start=1)]
    rows = [rows[0], rows[3]]  # the first ALT and the second REF are missing
    assert predict.render(options(), home, iter(rows), home / "out") == []
    (path,) = predict.render(options(), home, iter([rows[0], *_rows(entries[2:])]), home / "out")
    (row,) = table(path)
    assert (row["alt"], row["p_ref_x"], row["p_alt_x"]) == ("A", "0.5", "0.25")


def _rows(entries):
    values = [[0.5, 0.5], [0.25, 0.5]]
    return [(meta, answer(p)) for (meta, _), p in zip(entries, values, strict=True)]


def test_an_exported_model_of_before_is_named(home):
    ((meta, _),) = asked(home, "q.fa", ">a\nACGTACGTACGT\n")
    rows = [(meta, {"probability": np.ones(2, np.float32)})]
    with pytest.raises(UserError, match="earlier version"):
        predict.render(options(), home, iter(rows), home / "out")


def test_a_variants_effect_is_the_difference_of_logits(home):
    entries = variant(home, "chr1\t16\trs1\tC\tT")
    (path,) = answered(home, entries, [[0.5, 0.8], [0.75, 0.2]])
    (row,) = table(path)
    assert {k: row[k] for k in ("file", "chrom", "pos", "id", "ref", "alt", "ref_match")} == {
        "file": "v.vcf",
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
