import gzip
import json
import sqlite3
from types import SimpleNamespace

import pytest

from seqapps.app import UserError
from seqapps.dna import ingest, jaspar
from seqapps.dna.params import Ingest

GENOME = ">chr1 first\nACGTACGTAC\nGGGGGCCCCC\nACGTACGTAC\n>chr2\nTTTTTTTTTT\nAAAAA\n"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A folder to stand in; no package can be fetched."""

    def offline(client, name, version, **_):
        raise UserError(f"{client} could not fetch {name} {version}")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ingest.fetch, "package", offline)
    (tmp_path / "genome.fa").write_text(GENOME)
    (tmp_path / "out").mkdir()
    return tmp_path


@pytest.fixture
def packages(home, monkeypatch):
    """Packages whose FASTA members hold 20 records; gives the set of those that are missing."""
    missing: set[str] = set()

    def package(client, name, version, *, filename, sha256):
        if name in missing:
            raise UserError(f"{client} could not fetch {name}")
        return home / filename

    def member(archive, name):
        if name == ingest.JASPAR:
            return database()
        return "".join(f">{name}:{i}\nACgtN\n" for i in range(20)).encode()

    monkeypatch.setattr(ingest.fetch, "package", package)
    monkeypatch.setattr(ingest.fetch, "member", member)
    return missing


def database():
    with sqlite3.connect(":memory:") as connection:
        connection.executescript("""
            CREATE TABLE MATRIX (ID, COLLECTION, BASE_ID, VERSION INTEGER, NAME);
            CREATE TABLE MATRIX_ANNOTATION (ID, TAG, VAL);
            CREATE TABLE MATRIX_DATA (ID, row, col, val);
            INSERT INTO MATRIX VALUES (1, 'CORE', 'MA0001', 9, 'OLD'),
                (2, 'CORE', 'MA0001', 10, 'NEW'), (3, 'CORE', 'MA0002', 1, 'PLANT'),
                (4, 'UNVALIDATED', 'UN0001', 1, 'MAYBE'), (5, 'UNVALIDATED', 'MA0001', 11, 'X');
            INSERT INTO MATRIX_ANNOTATION VALUES (1, 'tax_group', 'vertebrates'),
                (2, 'tax_group', 'vertebrates'), (3, 'tax_group', 'plants'),
                (4, 'tax_group', 'vertebrates'), (2, 'family', 'SOX'), (2, 'family', 'POU');
            INSERT INTO MATRIX_DATA VALUES (2, 'A', 2, 5.0), (2, 'A', 1, 1.0), (2, 'C', 1, 2.0),
                (2, 'C', 2, 6.0), (2, 'G', 1, 3.0), (2, 'G', 2, 7.0), (2, 'T', 1, 4.0),
                (2, 'T', 2, 8.0);
        """)
        return connection.serialize()


def run(home, **table):
    return ingest.ingest(SimpleNamespace(ingest=Ingest(**table)), home / "out")


def user(home, *paths, **table):
    return run(home, source="user", files={"tf": paths}, **table)


def written(home, name="tf.fa"):
    return (home / "out" / name).read_text().splitlines()


def test_packages_give_each_factor_its_members_in_order_as_they_are(home, packages):
    counts = run(home, factors=("oct4", "ctcf"))
    assert counts["sites of oct4"] == 40
    assert counts["sites of ctcf"] == 20
    assert written(home, "oct4.fa")[:2] == [">janggu/resources/sample.fa:0", "ACgtN"]
    assert written(home, "oct4.fa")[40] == ">janggu/resources/sample_test.fa:0"
    assert json.loads((home / "out/factors.json").read_text()) == ["oct4", "ctcf"]


def test_manifest_says_where_each_file_came_from(home, packages):
    run(home, factors=("ctcf",))
    files = json.loads((home / "out/manifest.json").read_text())["files"]
    assert [entry["file"] for entry in files] == ["ctcf.fa", "jaspar.json"]
    assert files[0]["source"]["package"] == "gimmemotifs"
    assert files[0]["licence"] == "MIT"
    assert files[0]["sha256"] == ingest.fetch.digest(home / "out/ctcf.fa")
    assert "genome build" in files[0]["not_known"]


def test_a_missing_optional_package_costs_its_factors_only(home, packages, capsys):
    packages.add("gimmemotifs")
    counts = run(home, factors=("ctcf", "oct4", "tap73", "mafk"))
    assert counts["packages missing"] == 1
    assert json.loads((home / "out/factors.json").read_text()) == ["oct4", "mafk"]
    assert "without the factors of gimmemotifs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("gone", "factors"),
    [("janggu", ("oct4", "ctcf")), ("gimmemotifs", ("ctcf",)), ("pyjaspar", ("oct4",))],
)
def test_a_missing_needed_package_is_an_error(home, packages, gone, factors):
    packages.add(gone)
    with pytest.raises(UserError, match=f"could not fetch {gone}"):
        run(home, factors=factors)


def test_the_limit_takes_evenly_spaced_records(home, packages):
    counts = run(home, factors=("ctcf",), sites_per_factor=10)
    numbers = [int(line.rpartition(":")[2]) for line in written(home, "ctcf.fa")[::2]]
    assert counts["sites of ctcf"] == 10
    assert numbers == [1, 3, 5, 7, 9, 11, 13, 15, 17, 19]


def test_a_limit_above_the_number_of_records_keeps_them_all(home, packages):
    assert run(home, factors=("ctcf",), sites_per_factor=500)["sites of ctcf"] == 20


def test_jaspar_takes_the_latest_core_vertebrate_version():
    assert jaspar.matrices(database()) == {
        "MA0001.10": {
            "name": "NEW",
            "family": "POU::SOX",
            "matrix": [[1.0, 5.0], [2.0, 6.0], [3.0, 7.0], [4.0, 8.0]],
        }
    }


def test_a_users_fasta_is_taken_as_it_is_and_offline(home, capsys):
    (home / "x.fa").write_text(">a first\nACgt\nNN\n>a first\nACgt\nNN\n")
    counts = user(home, "x.fa")
    assert written(home) == [">a first", "ACgtNN", ">a first", "ACgtNN"]
    assert counts == {"sites of tf": 2, "motifs": 0}
    assert "without JASPAR" in capsys.readouterr().out


def test_several_files_and_gzip_make_one_factor(home):
    (home / "x.fa").write_text(">a\nAC")
    (home / "y.fa.gz").write_bytes(gzip.compress(b">b\nGT\n"))
    user(home, "x.fa", "y.fa.gz")
    assert written(home) == [">a", "AC", ">b", "GT"]


def test_bed_cuts_around_the_middle_counting_from_zero(home):
    (home / "x.bed").write_text("# c\ntrack name=x\nchr1\t8\t12\n\nchr1\t4\t25\tpeak1\t7\n")
    user(home, "x.bed", genome="genome.fa", bed_bp=20)
    # Middle 10: [0, 20). Middle 14: [4, 24).
    assert written(home) == [
        ">chr1:0-20",
        "ACGTACGTACGGGGGCCCCC",
        ">chr1:4-24 peak1",
        "ACGTACGGGGGCCCCCACGT",
    ]


def test_narrowpeak_cuts_around_the_summit(home):
    row = "chr1\t2\t30\tp\t0\t.\t1\t-1\t-1\t"
    (home / "x.narrowPeak").write_text(f"{row}10\n{row}-1\n")
    user(home, "x.narrowPeak", genome="genome.fa", bed_bp=20)
    assert written(home)[::2] == [">chr1:2-22 p", ">chr1:6-26 p"]


def test_column_ten_of_a_bed12_is_not_a_summit(home):
    (home / "x.bed").write_text("chr1\t5\t25\tp\t0\t.\t5\t25\t0\t2\n")
    user(home, "x.bed", genome="genome.fa", bed_bp=20)
    assert written(home)[0] == ">chr1:5-25 p"


def test_intervals_outside_the_genome_are_counted_and_named(home, capsys):
    bed = "chr1\t0\t20\nchr9\t0\t20\nchr2\t0\t16\nchr1\t20\t10\nchr1\t-3\t10\n"
    (home / "x.bed").write_text(bed)
    counts = user(home, "x.bed", genome="genome.fa", bed_bp=20)
    assert counts["sites of tf"] == 1
    assert counts["skipped: chromosome missing from the genome"] == 1
    assert counts["skipped: coordinates outside the chromosome"] == 3
    assert "x.bed:2 chr9" in capsys.readouterr().out
    left_out = json.loads((home / "out/manifest.json").read_text())["left_out"]
    assert left_out["chromosome missing from the genome"] == ["x.bed:2 chr9"]


def test_a_bed_that_fits_no_chromosome_names_those_the_genome_has(home):
    (home / "x.bed").write_text("1\t0\t20\n")
    with pytest.raises(UserError, match="x.bed lies in genome .*chr1, chr2"):
        user(home, "x.bed", genome="genome.fa")


def test_deepbind_rows_keep_their_split_and_label(home):
    rows = "FoldID\tEventID\tseq\tBound\nA\tp1\tACGT\t1\nB\tp2\tAAAA\t0\nC\tp3\tCC\t1\n"
    (home / "x.seq.gz").write_bytes(gzip.compress(rows.encode()))
    user(home, "x.seq.gz")
    assert written(home)[::2] == [
        ">p1 bound=1 split=train",
        ">p2 bound=0 split=test",
        ">p3 bound=1 split=train",
    ]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.fa", "", "x.fa is empty"),
        ("x.fa", "hello\n", "line 1 is 'hello'; wanted FASTA"),
        ("x.bed", "", "x.bed is empty; wanted BED"),
        ("x.bed", "chr1 1 2\n", "line 1 .* wanted chromosome, start, end"),
        ("x.bed", "chrom\tstart\tend\n", "line 1 .* wanted chromosome"),
        ("x.seq", "A\tp\tACGT\t1\n", "line 1 .* wanted the columns FoldID"),
        ("x.seq", "FoldID\tEventID\tseq\tBound\nA\tp\tACGT\n", "line 2 .* wanted"),
        ("x.seq", "FoldID\tEventID\tseq\tBound\nA\tp\tACGT\t2\n", "line 2 .* wanted"),
        ("x.seq", "FoldID\tEventID\tseq\tBound\n", "no site of factor 'tf'"),
    ],
)
def test_a_bad_file_is_named_with_what_was_wanted(home, name, content, words):
    (home / name).write_text(content)
    with pytest.raises(UserError, match=words):
        user(home, name, genome="genome.fa")


def test_a_missing_file_is_named(home):
    with pytest.raises(UserError, match=r"none\.fa does not exist"):
        user(home, "none.fa")


def test_user_without_files_says_what_to_give(home):
    with pytest.raises(UserError, match="ingest.files"):
        run(home, source="user")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "begins with ''"),
        (gzip.compress(GENOME.encode()), "gunzip"),
        (b">a\nACGT\n>a\nAC\n", "unique names"),
        (b">a\nAC\nACGT\nACGTA\n", "cannot be indexed"),
    ],
)
def test_a_bad_genome_is_named_with_the_way_out(home, content, words):
    (home / "x.bed").write_text("a\t0\t2\n")
    (home / "bad.fa").write_bytes(content)
    with pytest.raises(UserError, match=f"bad.fa .*{words}"):
        user(home, "x.bed", genome="bad.fa")


def test_bed_without_a_genome_says_which_setting_to_give(home):
    (home / "x.bed").write_text("a\t0\t2\n")
    with pytest.raises(UserError, match="ingest.genome"):
        user(home, "x.bed")


def test_factors_are_labelled_in_the_listed_order_and_a_users_in_the_order_of_his_files():
    asked = Ingest(factors=("tap73", "oct4"))
    assert asked.names == ("oct4", "tap73")
    own = Ingest(source="user", files={"tal1": "t.fa", "gata1": "g.fa"})
    assert own.names == ("tal1", "gata1")
