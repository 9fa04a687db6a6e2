import json
import sqlite3
from types import SimpleNamespace

import pytest

from seqapps.apps.dna import ingest
from seqapps.apps.dna.params import Ingest
from seqapps.config import UserError


@pytest.fixture
def packages(offline, monkeypatch):
    """Packages whose FASTA members hold 20 records; gives the set of those that are missing."""
    missing: set[str] = set()

    def package(client, *, name, version, filename, sha256):
        if name in missing:
            raise UserError(f"{client} could not fetch {name}")
        return offline / filename

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


def run(offline, **table):
    return ingest.ingest(SimpleNamespace(ingest=Ingest(**table)), offline / "out")


def user(offline, *paths, **table):
    return run(offline, source="user", files={"tf": paths}, **table)


def written(offline, name="tf.fa"):
    return (offline / "out" / name).read_text().splitlines()


def test_packages_give_each_factor_its_members_in_order_as_they_are(offline, packages):
    counts = run(offline, factors=("oct4", "ctcf"))
    assert counts["sites of oct4"] == 40
    assert counts["sites of ctcf"] == 20
    assert written(offline, "oct4.fa")[:2] == [">janggu/resources/sample.fa:0", "ACgtN"]
    assert written(offline, "oct4.fa")[40] == ">janggu/resources/sample_test.fa:0"
    assert json.loads((offline / "out/factors.json").read_text()) == ["oct4", "ctcf"]


def test_manifest_says_where_each_file_came_from(offline, packages):
    run(offline, factors=("ctcf",))
    files = json.loads((offline / "out/manifest.json").read_text())["files"]
    assert [entry["file"] for entry in files] == ["ctcf.fa", "jaspar.json"]
    assert files[0]["source"]["package"] == "gimmemotifs"
    assert files[0]["licence"] == "MIT"
    assert files[0]["sha256"] == ingest.fetch.digest(offline / "out/ctcf.fa")
    assert "genome build" in files[0]["not_known"]


def test_a_missing_optional_package_costs_its_factors_only(offline, packages, capsys):
    packages.add("gimmemotifs")
    counts = run(offline, factors=("ctcf", "oct4", "tap73", "mafk"))
    assert counts["packages missing"] == 1
    assert json.loads((offline / "out/factors.json").read_text()) == ["oct4", "mafk"]
    assert "without the factors of gimmemotifs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("gone", "factors"),
    [("janggu", ("oct4", "ctcf")), ("gimmemotifs", ("ctcf",)), ("pyjaspar", ("oct4",))],
)
def test_a_missing_needed_package_is_an_error(offline, packages, gone, factors):
    packages.add(gone)
    with pytest.raises(UserError, match=f"could not fetch {gone}"):
        run(offline, factors=factors)


def test_the_limit_takes_evenly_spaced_records(offline, packages):
    counts = run(offline, factors=("ctcf",), sites_per_factor=10)
    numbers = [int(line.rpartition(":")[2]) for line in written(offline, "ctcf.fa")[::2]]
    assert counts["sites of ctcf"] == 10
    assert numbers == [1, 3, 5, 7, 9, 11, 13, 15, 17, 19]


def test_a_limit_above_the_number_of_records_keeps_them_all(offline, packages):
    assert run(offline, factors=("ctcf",), sites_per_factor=500)["sites of ctcf"] == 20


def test_a_users_fasta_is_taken_as_it_is_and_offline(offline, capsys):
    (offline / "x.fa").write_text(">a first\nACgt\nNN\n>a first\nACgt\nNN\n")
    counts = user(offline, "x.fa")
    assert written(offline) == [">a first", "ACgtNN", ">a first", "ACgtNN"]
    assert counts == {"sites of tf": 2, "motifs": 0}
    assert "without JASPAR" in capsys.readouterr().out


def test_user_without_files_says_what_to_give(offline):
    with pytest.raises(UserError, match="ingest.files"):
        run(offline, source="user")
