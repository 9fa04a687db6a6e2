"""Damaged copies of small files: each is answered right, or left out by name.

`python -m tests.apps.dna.test_mutations 10000` tries more of them.
"""

import random
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from seqapps.app import Skip, UserFile
from seqapps.apps.dna import genome, ingest, predict, sequences
from seqapps.apps.dna.params import Ingest, Predict
from seqapps.config import UserError
from tests.mutations import mutated

COUNT = 300
RNG = random.Random(5)
CHROMOSOMES = {
    f"chr{number}": "".join(RNG.choices("ACGTacgtN", weights=[9] * 4 + [3] * 4 + [1], k=length))
    for number, length in (("1", 500), ("2", 333), ("X", 61))
}
BARE = {name.lower().removeprefix("chr"): bases for name, bases in CHROMOSOMES.items()}
GENOME = "".join(
    f">{name} note\n" + "".join(f"{bases[at : at + 60]}\n" for at in range(0, len(bases), 60))
    for name, bases in CHROMOSOMES.items()
)
RECORDS = {f"r{number}": "".join(RNG.choices("ACGT", k=25 + number)) for number in range(20)}
FASTA = "".join(f">{name} é\n{bases[:20]}\n{bases[20:]}\n" for name, bases in RECORDS.items())
PLACES = [(RNG.choice(["chr1", "chr2"]), RNG.randrange(300)) for _ in range(30)]
BED = "".join(f"{c}\t{at}\t{at + 25}\tpeak{at}\n" for c, at in PLACES)
PEAKS = "".join(f"{c}\t{at}\t{at + 25}\tp\t0\t.\t1.5\t2\t3\t{at % 25}\n" for c, at in PLACES)
VCF = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\n" + "".join(
    f"{c}\t{at + 1}\trs{at}\t{CHROMOSOMES[c][at].upper()}\tT,AC\t.\n" for c, at in PLACES
)
SEQ = "FoldID\tEventID\tseq\tBound\n" + "".join(
    f"A\t{name}\t{bases}\t1\n" for name, bases in RECORDS.items()
)
WINDOW = 20


def bases(chromosome: str, start: int, *, end: int) -> str:
    """The bases of `[start, end)`, N beyond the chromosome's ends."""
    whole = BARE[chromosome.lower().removeprefix("chr")]
    letters = (whole[at] if 0 <= at < len(whole) else "N" for at in range(start, end))
    return sequences.clean("".join(letters))


def check(meta: dict, sequence: str) -> None:
    """Asserts that a request holds the bases of the place that its row names."""
    assert set(sequence) <= set("ACGTN")
    if meta["kind"] == "variant":
        at, half = meta["pos"] - 1, WINDOW // 2
        right = bases(meta["chrom"], at + len(meta["ref"]), end=at + len(meta["ref"]) + WINDOW)
        left = bases(meta["chrom"], at - half, end=at)
        assert sequence == sequences.clean(left + meta[meta["allele"]] + right)[:WINDOW]
    elif meta["on_genome"] and meta["file"] != "q.fa":
        origin = meta["origin"]
        assert sequence == bases(meta["record"], origin, end=origin + len(sequence))
        assert origin <= meta["start"] and meta["end"] <= origin + len(sequence)


def ask(folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    path.write_bytes(content)
    params = SimpleNamespace(predict=Predict(genome=folder / "genome.fa"))
    try:
        for entry in predict.requests(params, folder, UserFile(path, name)):
            if not isinstance(entry, Skip):
                check(entry[0], entry[1]["sequence"])
    except UserError as error:
        assert str(error)


def list_sites(folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    path.write_bytes(content)
    table = Ingest(source="user", genome=folder / "genome.fa", bed_bp=20)
    try:
        list(ingest._lines(path, table, ingest.Listing()))
    except UserError as error:
        assert str(error)


def index_genome(folder: Path, name: str, content: bytes) -> None:
    """Whatever its index says, a genome gives its own bases."""
    (folder / "indexed.fa").write_text(GENOME)
    (folder / "indexed.fa.fai").write_bytes(content)
    with genome.opened(folder / "indexed.fa", wanted_by=name, setting="GENOME=") as found:
        for chromosome in CHROMOSOMES:
            cut = sequences.clean(found.cut(chromosome, 55, end=75))
            assert cut == bases(chromosome, 55, end=75)


def records(content: bytes) -> dict[str, str]:
    """The bases of each record of a plain FASTA by name."""
    parts = [part.partition(b"\n") for part in b"\n".join([b"", content]).split(b"\n>")[1:]]
    return {
        head.split()[0].decode(): tail.replace(b"\n", b"").decode()
        for head, _, tail in parts
        if head.split()
    }


def cut_genome(folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    path.write_bytes(content)
    try:
        with genome.opened(path, wanted_by="x.bed", setting="GENOME=") as found:
            for chromosome in CHROMOSOMES:
                cut = found.cut(chromosome, -5, end=90)
                if content.isascii() and b"\r" not in content and chromosome in records(content):
                    known = records(content)[chromosome][:90]
                    assert cut == ("N" * 5 + known).ljust(95, "N")
                assert len(cut) == 95
    except UserError as error:
        assert str(error)


FAI = "chr1\t500\t11\t60\t61\nchr2\t333\t531\t60\t61\nchrX\t61\t881\t60\t61\n"
READERS = {
    "fasta": (ask, "q.fa", FASTA),
    "bed": (ask, "q.bed", BED),
    "peaks": (ask, "q.txt", PEAKS),
    "vcf": (ask, "q.vcf", VCF),
    "sites in fasta": (list_sites, "s.fa", FASTA),
    "sites in bed": (list_sites, "s.bed", PEAKS),
    "sites in seq": (list_sites, "s.seq", SEQ),
    "index": (index_genome, "g.fai", FAI),
    "genome": (cut_genome, "g.fa", GENOME),
}


def try_all(folder: Path, reader: str, count: int) -> None:
    """Lets a reader read `count` damaged copies of its file."""
    function, name, content = READERS[reader]
    (folder / "genome.fa").write_text(GENOME)
    (folder / "assets.json").write_text('{"factors": ["x"], "window_bp": 20}')
    rng = random.Random(reader)
    function(folder, name, content.encode())
    for number in range(count):
        damaged = mutated(content.encode(), rng)
        try:
            function(folder, name, damaged)
        except Exception as error:
            raise AssertionError(f"{reader} {number}: {error!r} of {damaged[:3000]!r}") from error


@pytest.mark.parametrize("reader", READERS)
def test_a_damaged_file_is_answered_right_or_left_out_by_name(tmp_path, reader):
    try_all(tmp_path, reader, COUNT)


def test_the_other_records_of_a_damaged_fasta_keep_their_sequences(tmp_path):
    (tmp_path / "assets.json").write_text('{"factors": ["x"], "window_bp": 20}')
    rng = random.Random(1)
    for _ in range(COUNT):
        at = rng.randrange(len(FASTA))
        path = tmp_path / "q.fa"
        path.write_text(FASTA[:at] + chr(rng.randrange(32, 127)) + FASTA[at + 1 :])
        params = SimpleNamespace(predict=Predict())
        try:
            entries = list(predict.requests(params, tmp_path, UserFile(path, "q.fa")))
        except UserError:
            assert at == 0
            continue
        entries = [entry for entry in entries if not isinstance(entry, Skip)]
        right = [m["record"] for m, r in entries if RECORDS.get(m["record"]) == r["sequence"]]
        assert len(right) >= len(RECORDS) - 2


if __name__ == "__main__":
    for name in sys.argv[2:] or READERS:
        with tempfile.TemporaryDirectory() as scratch:
            try_all(Path(scratch), name, int(sys.argv[1]))
        print(name, "ok", file=sys.stderr)
