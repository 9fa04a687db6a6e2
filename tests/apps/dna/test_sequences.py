import gzip
import random
from collections import Counter

import pytest

from seqapps.apps.dna import sequences
from seqapps.config import UserError


def dinucleotides(sequence):
    return Counter(zip(sequence, sequence[1:], strict=False))


@pytest.mark.parametrize("seed", range(20))
def test_shuffle_keeps_dinucleotide_counts_and_both_ends(seed):
    rng = random.Random(seed)
    sequence = "".join(rng.choices("ACGT", weights=(5, 1, 2, 3), k=101))
    shuffled = sequences.shuffle(sequence, rng)
    assert dinucleotides(shuffled) == dinucleotides(sequence)
    assert (shuffled[0], shuffled[-1]) == (sequence[0], sequence[-1])
    assert shuffled != sequence


def test_shuffle_draws_every_arrangement_equally_often():
    # ACAGA and AGACA hold the same four dinucleotides; there is no third such sequence.
    drawn = Counter(sequences.shuffle("ACAGA", random.Random(seed)) for seed in range(1000))
    assert set(drawn) == {"ACAGA", "AGACA"}
    assert abs(drawn["ACAGA"] - 500) < 80


def test_shuffle_gives_repeated_transitions_their_multiplicity():
    # 6 orders of the steps AA, AA, AC, CA... : AAACAA's A-runs (3 + 2) can be cut in 4 ways.
    drawn = Counter(sequences.shuffle("AAACAA", random.Random(seed)) for seed in range(2000))
    assert set(drawn) == {"ACAAAA", "AACAAA", "AAACAA", "AAAACA"}
    assert all(abs(count - 500) < 100 for count in drawn.values())


def test_shuffle_is_the_same_for_the_same_seed():
    once, again = (sequences.shuffle("ACGTTGCAACGGTCA", random.Random(3)) for _ in range(2))
    assert once == again


def test_shuffle_leaves_unknown_bases_where_they_are():
    sequence = "NNACGTACGATNNNTTGACATGAN"
    shuffled = sequences.shuffle(sequence, random.Random(1))
    assert [base == "N" for base in shuffled] == [base == "N" for base in sequence]
    assert dinucleotides(shuffled) == dinucleotides(sequence)


def test_shuffle_of_a_long_run_ends_soon():
    sequence = "A" * 500 + "C" * 500 + "G" * 500 + "T" * 500
    assert dinucleotides(sequences.shuffle(sequence, random.Random(0))) == dinucleotides(sequence)


@pytest.mark.parametrize("sequence", ["", "A", "AC", "AAAA"])
def test_shuffle_returns_what_has_one_arrangement(sequence):
    assert sequences.shuffle(sequence, random.Random(0)) == sequence


def test_strand_free_is_the_same_for_both_strands():
    assert sequences.strand_free("TTGCA") == sequences.strand_free("TGCAA") == "TGCAA"


def test_clean_reads_ambiguity_codes_as_unknown_and_keeps_foreign_letters():
    assert sequences.clean("acRyN") == "ACNNN"
    assert sequences.clean("ACJu") == "ACJT"
    assert sequences.clean("acß") == "acß"  # not "ACSS", whose S is an ambiguity code


def test_the_first_foreign_letter_is_named_with_its_place():
    assert sequences.foreign("ACJL") == "'J' at place 3"
    assert sequences.foreign("ACN") == ""


def test_crop_takes_the_middle():
    assert sequences.crop("ACGTA", 3) == "CGT"
    assert sequences.crop("ACGTAC", 3) == "CGT"
    assert sequences.crop(sequences.crop("ACGTACGTAC", 8), 3) == sequences.crop("ACGTACGTAC", 3)


def test_fasta_joins_lines_and_cuts_long_records(tmp_path):
    path = tmp_path / "x.fa"
    path.write_text(">one a b\r\nACG\r\nTAC\r\n\r\n>two\nGG\n")
    assert list(sequences.fasta(path, piece_bp=4)) == [
        ("one a b", 0, "ACGT", False),
        ("one a b", 4, "AC", True),
        ("two", 0, "GG", True),
    ]


def test_fasta_reads_one_line_longer_than_a_piece(tmp_path, monkeypatch):
    monkeypatch.setattr(sequences, "PIECE_BP", 5)
    path = tmp_path / "x.fa"
    path.write_text(">a\n" + "ACGTACGTACGT" + "\n>b\nTT")
    pieces = list(sequences.fasta(path, piece_bp=100))
    assert [(p.header, p.sequence) for p in pieces] == [("a", "ACGTACGTACGT"), ("b", "TT")]


def test_gzip_is_known_by_its_bytes_not_its_name(tmp_path):
    path = tmp_path / "x.fa"
    path.write_bytes(gzip.compress(b">a\nACGT\n"))
    assert [piece.sequence for piece in sequences.fasta(path, piece_bp=100)] == ["ACGT"]


def test_truncated_gzip_is_named_with_its_last_line(tmp_path):
    path = tmp_path / "x.fa.gz"
    text = "".join(f">r{i}\n{i % 7 * 'ACGTTGCA'}\n" for i in range(3000))
    path.write_bytes(gzip.compress(text.encode())[:-200])
    with pytest.raises(UserError, match=r"x\.fa\.gz is gzip that is damaged"):
        list(sequences.fasta(path, piece_bp=100))


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), (b"\n\n", "is empty"), (b"ACGT\n", "line 1 is 'ACGT'; wanted FASTA")],
)
def test_what_is_not_fasta_is_refused(tmp_path, content, words):
    path = tmp_path / "x.fa"
    path.write_bytes(content)
    with pytest.raises(UserError, match=words):
        list(sequences.fasta(path, piece_bp=100))


def test_a_header_longer_than_a_piece_is_no_sequence(tmp_path, monkeypatch):
    monkeypatch.setattr(sequences, "PIECE_BP", 5)
    path = tmp_path / "x.fa"
    path.write_text(">a ACGTACGTACGT\nTT\n")
    assert [piece.sequence for piece in sequences.fasta(path, piece_bp=100)] == ["TT"]


def test_bytes_that_are_no_text_are_escaped(tmp_path):
    path = tmp_path / "x.fa"
    path.write_bytes(b">caf\xe9 \xce\xb2\nAC\xffT\n")
    (piece,) = sequences.fasta(path, piece_bp=100)
    assert (piece.header, piece.sequence) == ("caf\\xe9 β", "AC\\xffT")
    assert sequences.refusal(sequences.clean(piece.sequence), 2) is not None


def test_zero_bytes_are_refused(tmp_path):
    (tmp_path / "x.fa").write_bytes(b">a\nA\0C\n")
    with pytest.raises(UserError, match="x.fa line 2 holds zero bytes"):
        list(sequences.fasta(tmp_path / "x.fa", piece_bp=100))


def test_a_folder_or_missing_file_is_refused(tmp_path):
    for path in (tmp_path, tmp_path / "none.fa"):
        with pytest.raises(UserError, match="cannot be read"):
            list(sequences.lines(path))
