"""Preprocess: sites become labelled windows, beside negatives with the same dinucleotides.

Split: by chromosome where the header has a place (`chr1:15710957-15711157`); else by the sequence
itself, hashed into 1000 buckets (0-199 test, 200-299 validation, the rest train), both strands
alike. A split the user made (`split=train`, `split=test` in the header) wins for test. Shuffles
stay with their source.

Left out, and counted: what cannot be used (see `sequences.refusal`), a sequence the factor already
has, and sites shared between factors (same sequence, or middles less than 200 bp apart): from both,
for one factor's label would be wrong on either.

Axis letters: F factors, K k-mers.
"""

import heapq
import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from seqapps.app import Item, Record, Skip
from seqapps.apps.dna import sequences, sites
from seqapps.apps.dna.params import Params, Preprocess
from seqapps.apps.dna.sites import Site
from seqapps.config import UserError

BUCKETS, TEST_BUCKETS, VALIDATION_BUCKETS = 1000, 200, 100
EMBEDDED_SEQUENCES = 20_000


def index(params: Params, raw: Path) -> Iterator[Item | Skip]:
    """Each site, its shuffles and each given negative, in file order and bounded memory.

    `where` is `(kind, factor index, factor name, middle of the sequence)`: for train
    `window_bp + 2 * jitter_bp` long if the site is, else `window_bp`.

    Raises:
        UserError: a factor has no usable site in one of the splits.
    """
    table = params.preprocess
    counts: Counter[tuple[str, str]] = Counter()
    for entry in sites.usable(raw, table.window_bp):
        if isinstance(entry, Skip):
            counts["", entry.reason] += 1
            yield entry
            continue
        split, group = _place(table, entry)
        counts[entry.factor, split] += not entry.negative
        yield from _items(table, entry, split=split, group=group)
    _require(table, raw, counts)


def assets(params: Params, items: Iterable[Item], out: Path) -> None:
    """Writes `assets.json` (factors, window, k-mers) and `embedding.npy` from the train sites.

    `embedding.npy` is float32 (K + 1, embedding_dim), fitted with word2vec on the k-mers of at most
    20,000 sites; row 0 stands for a k-mer with N, row 1 + n for k-mer n in base 4 (A0 C1 G2 T3).
    """
    table = params.preprocess
    names: dict[int, str] = {}
    chosen = heapq.nsmallest(
        EMBEDDED_SEQUENCES,
        ((sequences.number(item.key), item.where[3]) for item in _sites(items, names)),
    )
    facts = {
        "factors": [names[number] for number in sorted(names)],
        "window_bp": table.window_bp,
        "kmer_bp": table.kmer_bp,
        "kmer_stride_bp": table.kmer_stride_bp,
    }
    (out / "assets.json").write_text(json.dumps(facts, indent=1) + "\n")
    np.save(out / "embedding.npy", _embedding(table, [sequence for _, sequence in chosen]))


def example(params: Params, assets: Path, item: Item) -> Record | Skip:
    """One record: `sequence` (ACGTN), `labels` float32 (F,) with -1 = unknown, `kind`, `factor`.

    A site is 1 for its factor and, for the others, 0 or -1 as `other_peaks` says; a shuffle is 0
    for all; a given negative is 0 for its factor and -1 for the others.
    """
    table = params.preprocess
    kind, factor, _, sequence = item.where
    if kind == "shuffle":
        source, rng = sequence, random.Random(sequences.number(f"{table.seed}/{item.key}"))
        sequence = sequences.shuffle(source, rng)
        if sequence == source:
            return Skip("its only shuffle is itself", item.key)
    others = {"site": -(table.other_peaks == "unknown"), "shuffle": 0, "given": -1}
    labels = np.full(len(facts(assets)["factors"]), others[kind], np.float32)
    labels[factor] = kind == "site"
    return {"sequence": sequence, "labels": labels, "kind": kind, "factor": factor}


def facts(assets: Path) -> dict[str, Any]:
    """Content of `assets.json`, read once for as long as the file stays the same."""
    path = assets / "assets.json"
    return _facts(path, path.stat().st_mtime_ns)


def kmer_number(kmer: str) -> int:
    """The embedding row of a k-mer of A, C, G, T; `kmer_number("CA")` is 1 + 4."""
    return 1 + int(kmer.translate(str.maketrans("ACGT", "0123")), 4)


def _place(table: Preprocess, site: Site) -> tuple[str, str]:
    """The site's (split, leak group)."""
    if site.chromosome:
        group = site.chromosome
        test = group in table.test_chromosomes
        validation = group in table.validation_chromosomes
    else:
        bucket = sequences.number(sequences.strand_free(site.sequence)) % BUCKETS
        group = f"bucket-{bucket}"
        test = bucket < TEST_BUCKETS
        validation = not test and bucket < TEST_BUCKETS + VALIDATION_BUCKETS
    if site.split:
        test, group = site.split == "test", f"own-{site.split}-{group}"
    return "test" if test else "validation" if validation else "train", group


def _items(table: Preprocess, site: Site, *, split: Any, group: str) -> Iterator[Item]:
    width = table.window_bp + 2 * table.jitter_bp
    if split != "train" or len(site.sequence) < width:
        width = table.window_bp
    where = (site.number, site.factor, sequences.crop(site.sequence, width))
    if site.negative:
        yield Item(site.key, split, group, ("given", *where))
        return
    yield Item(site.key, split, group, ("site", *where))
    for n in range(table.shuffles_per_site):
        yield Item(f"{site.key}/shuffle-{n}", split, group, ("shuffle", *where))


def _require(table: Preprocess, raw: Path, totals: Counter[tuple[str, str]]) -> None:
    skips = ", ".join(f"{count} {reason}" for (name, reason), count in totals.items() if not name)
    for factor in sites.factors(raw):
        counts = {split: totals[factor, split] for split in ("train", "validation", "test")}
        if not all(counts.values()):
            raise UserError(
                f"factor '{factor}' has {counts} sites (left out of all: {skips or 'none'}); "
                "each split needs some: give more sites, or other preprocess.test_chromosomes "
                f"(now {', '.join(table.test_chromosomes)}) and validation_chromosomes "
                f"(now {', '.join(table.validation_chromosomes)})"
            )


def _sites(items: Iterable[Item], names: dict[int, str]) -> Iterator[Item]:
    """The sites among `items`; their factors' names are put into `names`."""
    for item in items:
        kind, number, factor, _ = item.where
        if kind == "site":
            names[number] = factor
            yield item


def _embedding(table: Preprocess, texts: list[str]) -> np.ndarray:
    # gensim takes a second to import, which the processes that only call `example` need not wait.
    from gensim.models import Word2Vec

    model = Word2Vec(
        [sentence for text in texts for sentence in _sentences(table, text)],
        vector_size=table.embedding_dim,
        min_count=1,
        seed=table.seed,
        workers=1,  # more would make the result depend on timing
        hashfxn=sequences.number,
    )
    rows = np.zeros((4**table.kmer_bp + 1, table.embedding_dim), np.float32)
    for kmer, row in model.wv.key_to_index.items():
        rows[kmer_number(str(kmer))] = model.wv.vectors[row]
    return rows


def _sentences(table: Preprocess, text: str) -> Iterator[list[str]]:
    """The k-mers of a sequence, one sentence per phase of the stride, those with N left out."""
    kmers = [text[i : i + table.kmer_bp] for i in range(len(text) - table.kmer_bp + 1)]
    for phase in range(table.kmer_stride_bp):
        yield [kmer for kmer in kmers[phase :: table.kmer_stride_bp] if "N" not in kmer]


@lru_cache(maxsize=8)
def _facts(path: Path, changed: int) -> dict[str, Any]:
    return json.loads(path.read_text())
