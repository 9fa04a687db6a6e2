"""Predict: a user's FASTA, BED or VCF -> requests; answers -> CSV, and BED for a genome browser.

Everything streams: a chromosome passes in windows, a VCF variant by variant. Positions in the
output count from 0 (BED's convention), but a variant's `pos` from 1 (VCF's).

Axis letters: F factors.
"""

import csv
import math
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from seqapps.app import Meta, Record, Skip
from seqapps.apps.dna import genome, preprocess, sequences, variants
from seqapps.apps.dna.params import Params
from seqapps.config import UserError

WHOLE_BP = 2000
"""Records up to this long are asked about as a whole, longer ones window by window."""

LOGIT_LIMIT = 1e-6
"""Probabilities are kept this far from 0 and 1: float32 has no finite logit much closer."""

FASTA_SUFFIXES = (".fa", ".fasta", ".fna", ".fas")
Request = tuple[Meta, Record] | Skip


def requests(params: Params, assets: Path, paths: list[Path]) -> Iterator[Request]:
    """`(meta, {"sequence": str})` for each window of the files, or a Skip with its reason.

    FASTA records and BED intervals of up to 2,000 bp are one request, longer ones a request per
    window (`stride_bp` apart, the last one ending with the record); a BED interval shorter
    than the window is widened about its middle. A variant is two requests, `ref` then `alt`.

    Args:
        params: `predict.genome` (a FASTA, for BED and VCF) and `predict.stride_bp`.
        assets: the exported model's folder with `assets.json`, which says the window.
        paths: FASTA, BED, narrowPeak or VCF, each plain or gzip.

    Raises:
        UserError: a file is missing, empty, broken or of no known kind.
    """
    window_bp = preprocess.facts(assets)["window_bp"]
    for path, reader in [(path, _reader(path)) for path in paths]:
        yield from reader(path, window_bp, params.predict)


def render(
    params: Params, assets: Path, rows: Iterable[tuple[Meta, Record]], out: Path
) -> list[Path]:
    """Writes the answers into `out` as they come and returns the files written.

    `sequences.csv`: file, record, start, end and `p_<factor>`; `variants.csv`: chrom, pos, id, ref,
    alt, ref_match (whether the genome has `ref` there) and `p_ref_`, `p_alt_`, `effect_<factor>`
    (difference of logits, alt - ref); `<factor>.bed` with 1000 p as score, for whatever lies on a
    genome (BED input, and the windows of long records).

    Args:
        params: not read.
        assets: the exported model's folder with `assets.json`.
        rows: each request's meta and answer, `{"probability": float32 (F,)}`, in request order.
        out: a folder.
    """
    del params
    factors = preprocess.facts(assets)["factors"]
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        tables = Tables(out, factors, stack)
        reference: list[float] = []
        for meta, answer in rows:
            probabilities = [float(p) for p in answer["probability"]]
            if meta["kind"] == "sequence":
                tables.sequence(meta, probabilities)
            elif meta["allele"] == "ref":
                reference = probabilities
            else:
                tables.variant(meta, reference, probabilities=probabilities)
    return tables.written


def example_input(row: Record, out: Path) -> str:
    """The sequence of a request, as FASTA."""
    del out
    return f">example\n{row['sequence']}\n"


class Tables:
    """Open output files, made when their first row comes."""

    def __init__(self, out: Path, factors: list[str], stack: ExitStack):
        self.written: list[Path] = []
        self._out, self._factors, self._stack = out, factors, stack
        self._writers: dict[str, Any] = {}

    def sequence(self, meta: Meta, probabilities: list[float]) -> None:
        """A row of `sequences.csv`, and of each factor's BED if the sequence has a place."""
        location = [meta["record"], meta["start"], meta["end"]]
        header = ["file", "record", "start", "end", *(f"p_{name}" for name in self._factors)]
        self._csv("sequences.csv", header).writerow(
            [meta["file"], *location, *map(_short, probabilities)]
        )
        if meta["on_genome"]:
            for name, probability in zip(self._factors, probabilities, strict=True):
                self._bed(f"{name}.bed").writerow([*location, name, round(1000 * probability), "."])

    def variant(self, meta: Meta, reference: list[float], *, probabilities: list[float]) -> None:
        """A row of `variants.csv`."""
        header = list(variants.COLUMNS)
        row = [meta[column] for column in variants.COLUMNS]
        for name, before, after in zip(self._factors, reference, probabilities, strict=True):
            header += [f"p_ref_{name}", f"p_alt_{name}", f"effect_{name}"]
            row += [_short(before), _short(after), _short(logit(after) - logit(before))]
        self._csv("variants.csv", header).writerow(row)

    def _csv(self, name: str, header: list[str]) -> Any:
        if name not in self._writers:
            self._writers[name] = csv.writer(self._open(name))
            self._writers[name].writerow(header)
        return self._writers[name]

    def _bed(self, name: str) -> Any:
        if name not in self._writers:
            self._writers[name] = csv.writer(self._open(name), "excel-tab", lineterminator="\n")
        return self._writers[name]

    def _open(self, name: str) -> Any:
        self.written.append(self._out / name)
        return self._stack.enter_context((self._out / name).open("w", newline=""))


def logit(probability: float) -> float:
    """log(p / (1 - p)), finite for every p in [0, 1]."""
    probability = min(max(probability, LOGIT_LIMIT), 1 - LOGIT_LIMIT)
    return math.log(probability / (1 - probability))


def _reader(path: Path) -> Any:
    if not path.exists():
        raise UserError(f"{path} does not exist; give a FASTA, BED or VCF file that does")
    name = path.name.lower().removesuffix(".gz")
    if genome.is_bed(path):
        return _from_bed
    if name.endswith(".vcf"):
        return variants.requests
    if name.endswith(FASTA_SUFFIXES):
        return _from_fasta
    raise UserError(
        f"{path} has no known ending; wanted {', '.join(FASTA_SUFFIXES)}, .bed, .narrowPeak or "
        ".vcf, each with or without .gz"
    )


def _from_fasta(path: Path, window_bp: int, options: Any) -> Iterator[Request]:
    pieces = sequences.fasta(path, piece_bp=sequences.PIECE_BP)
    for piece in pieces:
        record = sequences.first_word(piece.header)
        meta = {"kind": "sequence", "file": path.name, "record": record, "on_genome": False}
        if piece.last and len(piece.sequence) <= max(WHOLE_BP, window_bp):
            end = len(piece.sequence)
            yield _request(meta | {"start": 0, "end": end}, piece.sequence, window_bp)
        else:
            texts = _rest(piece, pieces)
            yield from _scan(meta, 0, texts=texts, window_bp=window_bp, stride_bp=options.stride_bp)


def _from_bed(path: Path, window_bp: int, options: Any) -> Iterator[Request]:
    with genome.opened(options.genome, wanted_by=path, setting="GENOME=") as bases:
        for interval in genome.bed(path):
            if reason := bases.refusal(interval):
                yield Skip(reason, interval.key)
            else:
                yield from _interval(
                    bases,
                    interval,
                    file=path.name,
                    window_bp=window_bp,
                    stride_bp=options.stride_bp,
                )


def _interval(
    bases: genome.Genome, interval: genome.Interval, *, file: str, window_bp: int, stride_bp: int
) -> Iterator[Request]:
    chromosome, start, end = interval[:3]
    meta = {"kind": "sequence", "file": file, "record": chromosome, "on_genome": True}
    if end - start <= max(WHOLE_BP, window_bp):
        ends = _widened(bases, interval, window_bp)
        sequence = bases.cut(chromosome, ends[0], end=ends[1])
        yield _request(meta | {"start": start, "end": end}, sequence, window_bp)
    else:
        yield from _scan(
            meta, start, texts=_stretches(bases, interval), window_bp=window_bp, stride_bp=stride_bp
        )


def _scan(
    meta: Meta, origin: int, *, texts: Iterable[str], window_bp: int, stride_bp: int
) -> Iterator[Request]:
    for start, window in windows(texts, window_bp, stride=stride_bp):
        location = {"start": origin + start, "end": origin + start + window_bp, "on_genome": True}
        yield _request(meta | location, window, window_bp)


def windows(texts: Iterable[str], width: int, *, stride: int) -> Iterator[tuple[int, str]]:
    """Each `(start, window)` of the text that `texts` make together; the last ends where it ends.

    `windows(["ACG", "TAC"], 3, 2)` gives (0, "ACG"), (2, "GTA"), (3, "TAC").
    """
    held, start, due = "", 0, 0
    for text in texts:
        held += text
        while due + width <= start + len(held):
            yield due, held[due - start : due - start + width]
            due += stride
        passed = max(0, min(due - start, len(held) - width))
        held, start = held[passed:], start + passed
    end = start + len(held)
    if due - stride + width < end >= width:
        yield end - width, held[-width:]


def _request(meta: Meta, text: str, window_bp: int) -> Request:
    sequence = sequences.clean(text)
    if reason := sequences.refusal(sequence, window_bp):
        return Skip(reason, f"{meta['file']} {meta['record']}:{meta['start']}-{meta['end']}")
    return meta, {"sequence": sequence}


def _rest(piece: sequences.Piece, pieces: Iterator[sequences.Piece]) -> Iterator[str]:
    """The texts of a record whose first piece has been taken from `pieces`."""
    yield piece.sequence
    while not piece.last:
        piece = next(pieces)
        yield piece.sequence


def _widened(bases: genome.Genome, interval: genome.Interval, window_bp: int) -> tuple[int, int]:
    """The interval's ends, or a window about its middle if it is shorter, inside the chromosome."""
    if interval.end - interval.start >= window_bp:
        return interval.start, interval.end
    last = (bases.length(interval.chromosome) or 0) - window_bp
    start = max(0, min(interval.middle - window_bp // 2, last))
    return start, start + window_bp


def _stretches(bases: genome.Genome, interval: genome.Interval) -> Iterator[str]:
    for start in range(interval.start, interval.end, sequences.PIECE_BP):
        end = min(start + sequences.PIECE_BP, interval.end)
        yield bases.cut(interval.chromosome, start, end=end)


def _short(value: float) -> str:
    return f"{value:.6g}"
