"""Predict: a user's FASTA, BED or VCF -> requests; answers -> CSV, and files for a genome browser.

Everything streams: a chromosome passes in windows, a VCF variant by variant. Positions in the
output count from 0 (BED's convention), but a variant's `pos` from 1 (VCF's).

Axis letters: F factors.
"""

import csv
import math
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from seqapps.app import Meta, Record, Skip, UserFile
from seqapps.apps.dna import formats, genome, preprocess, sequences, tracks, variants
from seqapps.apps.dna.params import Params
from seqapps.config import UserError

WHOLE_BP = 2000
"""Records up to this long are asked about as a whole, longer ones window by window."""

LOGIT_LIMIT = 1e-6
"""Probabilities are kept this far from 0 and 1: float32 has no finite logit much closer."""

Request = tuple[Meta, Record] | Skip


class Answer(NamedTuple):
    """The endpoint's answer to a request, one value per factor."""

    probability: list[float]
    best_start: list[int]
    best_strand: list[int]
    per_window: list[float]


def requests(params: Params, assets: Path, file: UserFile | None) -> Iterator[Request]:
    """`(meta, {"sequence": str})` for each window of a file, or a Skip with its reason.

    FASTA records and BED intervals of up to 2,000 bp are one request, longer ones a request per
    window (`stride_bp` apart, the last one ending with the record); a BED interval shorter
    than the window is widened about its middle, with N beyond the chromosome's ends. A variant is
    two requests, `ref` then `alt`.

    Args:
        params: `predict.genome` (a FASTA, for BED and VCF) and `predict.stride_bp`.
        assets: the exported model's folder with `assets.json`, which says the window.
        file: FASTA, BED, narrowPeak or VCF, plain or compressed, known by its content.

    Raises:
        UserError: the file is empty, broken or of no known kind.
    """
    assert file is not None  # no option holds an input
    readers = {"fasta": _from_fasta, "bed": _from_bed, "vcf": variants.requests}
    format = formats.of(file)
    if format not in readers:
        raise UserError(f"{file.name} lists DeepBind's sites; wanted FASTA, BED or VCF")
    window_bp = preprocess.facts(assets)["window_bp"]
    yield from readers[format](file, window_bp, params.predict)


def render(
    params: Params, assets: Path, rows: Iterable[tuple[Meta, Record]], out: Path
) -> list[Path]:
    """Writes the answers into `out` as they come and returns the files written.

    `sequences.csv`: file, record, name (of a BED line), start, end; for each factor `p_<factor>`,
    the place in the record where the best window begins (below 0 beyond a chromosome's end) and its
    strand (`start_`, `strand_`), and the mean over windows (`per_window_`). `variants.csv`: file,
    chrom, pos, id, ref, alt, ref_match (whether the genome has `ref` there) and `p_ref_`, `p_alt_`,
    `effect_<factor>` (difference of logits, alt - ref). `<file>.<factor>.bed` with 1000 p as score,
    for whatever lies on a genome (BED input, and the windows of long records). With
    `predict.track`, tracks (see `tracks`).

    A variant of which only one allele was answered is left out.

    Args:
        params: `predict.track` and `predict.stride_bp`.
        assets: the exported model's folder with `assets.json`.
        rows: each request's meta and answer, arrays (F,), in request order.
        out: an empty folder.

    Raises:
        UserError: the exported model gives no best window, because it is of an earlier version.
    """
    factors = preprocess.facts(assets)["factors"]
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        tables = stack.enter_context(Tables(out, factors, params.predict))
        reference: tuple[Meta, Answer] | None = None
        for meta, record in rows:
            answer = _answer(record)
            if meta["kind"] == "sequence":
                tables.sequence(meta, answer)
            elif meta["allele"] == "ref":
                reference = meta, answer
            elif reference and _of_one_variant(reference[0], meta):
                tables.variant(meta, reference[1].probability, probabilities=answer.probability)
    return tables.written


def example_input(row: Record, out: Path) -> str:
    """The sequence of a request, as FASTA."""
    del out
    return f">example\n{row['sequence']}\n"


class Tables:
    """Output files, made when their first row comes."""

    def __init__(self, out: Path, factors: list[str], options: Any):
        self._out, self._factors, self._options = out, factors, options
        self._open_tables, self._open_browser = ExitStack(), ExitStack()
        self._tables: dict[Path, Any] = {}
        self._browser: tracks.Browser | None = None
        self._browsed: list[tracks.Browser] = []
        self._file = ""

    def __enter__(self) -> "Tables":
        return self

    def __exit__(self, *error: Any) -> None:
        self._open_tables.close()
        self._open_browser.__exit__(*error)

    @property
    def written(self) -> list[Path]:
        """The files, whole once the tables are closed."""
        return [*self._tables, *(path for one in self._browsed for path in one.written)]

    def sequence(self, meta: Meta, answer: Answer) -> None:
        """A row of `sequences.csv`, and of the files for a browser if the sequence has a place."""
        header = ["file", "record", "name", "start", "end"]
        row = [meta[column] for column in header]
        strands = ["+" if strand > 0 else "-" for strand in answer.best_strand]
        starts = [meta["origin"] + start for start in answer.best_start]
        columns = {
            "p": map(_short, answer.probability),
            "start": starts,
            "strand": strands,
            "per_window": map(_short, answer.per_window),
        }
        for name, cells in columns.items():
            header += [f"{name}_{factor}" for factor in self._factors]
            row += cells
        self._csv("sequences.csv", header).writerow(row)
        if meta["on_genome"]:
            browser, location = self._browser_of(meta["file"]), _location(meta)
            browser.score(location, answer.probability, strands=strands)
            if meta["scan"]:
                browser.window(location, answer.probability)

    def variant(self, meta: Meta, reference: list[float], *, probabilities: list[float]) -> None:
        """A row of `variants.csv`."""
        header = list(variants.COLUMNS)
        row = [meta[column] for column in variants.COLUMNS]
        for name, before, after in zip(self._factors, reference, probabilities, strict=True):
            header += [f"p_ref_{name}", f"p_alt_{name}", f"effect_{name}"]
            row += [_short(before), _short(after), _short(logit(after) - logit(before))]
        self._csv("variants.csv", header).writerow(row)

    def _csv(self, name: str, header: list[str]) -> Any:
        path = self._out / name
        if path not in self._tables:
            file = self._open_tables.enter_context(path.open("w", newline="", encoding="utf-8"))
            self._tables[path] = csv.writer(file)
            self._tables[path].writerow(header)
        return self._tables[path]

    def _browser_of(self, file: str) -> tracks.Browser:
        """The open files of one user's file; those of the file before are closed."""
        if self._browser is None or file != self._file:
            self._open_browser.close()
            stride_bp = self._options.stride_bp if self._options.track else None
            browser = tracks.Browser(self._out, file, factors=self._factors, stride_bp=stride_bp)
            self._browser, self._file = self._open_browser.enter_context(browser), file
            self._browsed.append(browser)
        return self._browser


def logit(probability: float) -> float:
    """log(p / (1 - p)), finite for every p in [0, 1]."""
    probability = min(max(probability, LOGIT_LIMIT), 1 - LOGIT_LIMIT)
    return math.log(probability / (1 - probability))


def _answer(record: Record) -> Answer:
    if "best_start" not in record:
        raise UserError(
            "the exported dna model is of an earlier version, which gives no best window: make dna"
        )
    return Answer(*([value.item() for value in record[name]] for name in Answer._fields))


def _of_one_variant(one: Meta, other: Meta) -> bool:
    return (one["file"], one["number"]) == (other["file"], other["number"])


def _location(meta: Meta) -> tuple[str, int, int]:
    """Chromosome, start and end, for a browser."""
    return meta["record"], meta["start"], meta["end"]


def _from_fasta(file: UserFile, window_bp: int, options: Any) -> Iterator[Request]:
    pieces = sequences.fasta(file.path, piece_bp=sequences.PIECE_BP, name=file.name)
    for piece in pieces:
        meta = _meta(file, record=sequences.first_word(piece.header), on_genome=False)
        if piece.last and len(piece.sequence) <= max(WHOLE_BP, window_bp):
            end = len(piece.sequence)
            yield _request(meta | {"end": end}, piece.sequence, window_bp)
        else:
            texts = _rest(piece, pieces)
            yield from _scan(meta, 0, texts=texts, window_bp=window_bp, stride_bp=options.stride_bp)


def _from_bed(file: UserFile, window_bp: int, options: Any) -> Iterator[Request]:
    with genome.opened(options.genome, wanted_by=file.name, setting="GENOME=") as bases:
        for entry in genome.bed(file):
            if isinstance(entry, Skip):
                yield entry
            elif reason := bases.refusal(entry):
                yield Skip(reason, entry.key)
            else:
                yield from _interval(
                    bases, entry, file=file, window_bp=window_bp, stride_bp=options.stride_bp
                )


def _interval(
    bases: genome.Genome,
    interval: genome.Interval,
    *,
    file: UserFile,
    window_bp: int,
    stride_bp: int,
) -> Iterator[Request]:
    chromosome, start, end = interval[:3]
    meta = _meta(file, record=chromosome, name=interval.name, on_genome=True)
    if end - start <= max(WHOLE_BP, window_bp):
        ends = _widened(interval, window_bp)
        sequence = bases.cut(chromosome, ends[0], end=ends[1])
        yield _request(meta | {"start": start, "end": end, "origin": ends[0]}, sequence, window_bp)
    else:
        yield from _scan(
            meta, start, texts=_stretches(bases, interval), window_bp=window_bp, stride_bp=stride_bp
        )


def _meta(file: UserFile, *, record: str, on_genome: bool, name: str = "") -> Meta:
    """The meta of a sequence that is a whole record; "origin" is its first base.

    "start" and "end" are the places asked about, which a short interval's sequence goes beyond.
    """
    return {
        "kind": "sequence",
        "file": file.name,
        "record": record,
        "name": name,
        "start": 0,
        "end": 0,
        "origin": 0,
        "on_genome": on_genome,
        "scan": False,
    }


def _scan(
    meta: Meta, origin: int, *, texts: Iterable[str], window_bp: int, stride_bp: int
) -> Iterator[Request]:
    for start, window in windows(texts, window_bp, stride=stride_bp):
        begin = origin + start
        location = {"start": begin, "end": begin + window_bp, "origin": begin}
        yield _request(meta | location | {"on_genome": True, "scan": True}, window, window_bp)


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
        letter = sequences.foreign(sequence)
        key = f"{meta['file']} {meta['record']}:{meta['start']}-{meta['end']}"
        return Skip(reason, f"{key}, {letter}" if letter else key)
    return meta, {"sequence": sequence}


def _rest(piece: sequences.Piece, pieces: Iterator[sequences.Piece]) -> Iterator[str]:
    """The texts of a record whose first piece has been taken from `pieces`."""
    yield piece.sequence
    while not piece.last:
        piece = next(pieces)
        yield piece.sequence


def _widened(interval: genome.Interval, window_bp: int) -> tuple[int, int]:
    """The interval's ends, or those of a window about its middle if it is shorter."""
    if interval.end - interval.start >= window_bp:
        return interval.start, interval.end
    start = interval.middle - window_bp // 2
    return start, start + window_bp


def _stretches(bases: genome.Genome, interval: genome.Interval) -> Iterator[str]:
    for start in range(interval.start, interval.end, sequences.PIECE_BP):
        end = min(start + sequences.PIECE_BP, interval.end)
        yield bases.cut(interval.chromosome, start, end=end)


def _short(value: float) -> str:
    return f"{value:.6g}"
