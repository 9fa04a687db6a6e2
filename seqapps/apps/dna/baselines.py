"""Baselines: GC content, k-mers, JASPAR matrices and a gapped k-mer SVM.

Each answers as the network does, one column per factor. The rivals of the headline learn a factor
from its own rows (its sites against their shuffles), on which they do best; `kmer_peaks` also sees
the sites of the other factors, each kind of row with the same weight in all, and `gkm_svm_peaks`
sees nothing but sites.

Axis letters: N sequences, W window in bp, K columns of features, F factors.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import numpy as np
import scipy.sparse as sparse
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from seqapps.app import Baseline, Columns, Evaluation
from seqapps.apps.dna import motifs, preprocess, sequences
from seqapps.apps.dna.model import CODES, UNKNOWN_BASE
from seqapps.apps.dna.params import Params
from seqapps.artifacts.columns import take
from seqapps.kit import metrics, progress

TRAIN_ROWS = 100_000
"""The rivals learn from at most this many rows, so that memory does not grow with the data."""

MATRIX_ROWS, MATRICES = 400, 20
"""All JASPAR matrices are compared on so many rows of each class, the best of them on all rows."""

GAPPED_BP, GAPPED_KNOWN = 10, 6
"""gkm-SVM's: 6 known bases in words of 10 (Ghandi et al., PLoS Comput Biol 10:e1003711, 2014)."""

ROWS_AT_ONCE = 500

Features = Any  # array or sparse matrix (N, K)


def answers(evaluation: Evaluation[Params]) -> dict[str, Baseline]:
    """Each baseline with its answer to the test rows, {"probability": float32 (N, F)}."""
    table = evaluation.params.evaluate
    fold = evaluation.folds[-1]
    window = preprocess.facts(evaluation.assets(fold))["window_bp"]
    train = rows(evaluation.records("train", fold), window, seed=table.seed)
    test = codes(evaluation.truth["sequence"], window)
    train_features, asked = (
        kmer_counts(train["bases"], table.kmer_bp),
        kmer_counts(test, table.kmer_bp),
    )
    by_name = {
        "gc": one_by_one(gc(train["bases"]), gc(test), train=train, with_others=True),
        "kmer": one_by_one(train_features, asked, train=train),
        "kmer_peaks": one_by_one(train_features, asked, train=train, with_others=True),
    }
    if motifs.jaspar(evaluation.raw):
        by_name["pwm"] = best_matrices(evaluation, train, test)
    learnt_from: dict[str, int | None] = dict.fromkeys(by_name, len(train["factor"]))
    if table.gkm_svm_rows:
        some = thinned(train, table.gkm_svm_rows)
        by_name["gkm_svm"] = gapped_kmer_svm(some, test)
        learnt_from["gkm_svm"] = len(some["factor"])
        by_name["gkm_svm_peaks"] = gapped_kmer_svm(take(some, some["site"]), test)
        learnt_from["gkm_svm_peaks"] = None
    return {
        name: Baseline({"probability": answer.astype(np.float32)}, learnt_from[name])
        for name, answer in by_name.items()
    }


def rows(records: Any, window: int, *, seed: int) -> Columns:
    """At most `TRAIN_ROWS` of the records, evenly drawn: bases (N, W), labels (N, F), factor."""
    rng = np.random.default_rng(seed)
    kept: list[dict[str, Any]] = []
    for number, record in enumerate(records):
        slot = number if number < TRAIN_ROWS else int(rng.integers(number + 1))
        if slot < TRAIN_ROWS:
            kept[slot : slot + 1] = [record]
    return {
        "bases": codes([record["sequence"] for record in kept], window),
        "labels": np.stack([record["labels"] for record in kept]),
        "factor": np.array([record["factor"] for record in kept]),
        "site": np.array([record["kind"] == b"site" for record in kept]),
    }


def codes(texts: Any, window: int) -> np.ndarray:
    """The middle `window` bases of each text: int32 (N, W), A 0, C 1, G 2, T 3, N 4."""
    raw = [text.encode() if isinstance(text, str) else text for text in texts]
    middles = b"".join(sequences.crop(text, window) for text in raw)
    return CODES[np.frombuffer(middles, np.uint8)].reshape(len(raw), window)


def one_hot(bases: np.ndarray) -> np.ndarray:
    """float32 (N, W, 4); N is four zeros."""
    return np.eye(5, 4, dtype=np.float32)[bases]


def gc(bases: np.ndarray) -> np.ndarray:
    """The share of C and G, (N, 1)."""
    return np.isin(bases, (1, 2)).mean(axis=1, keepdims=True)


def kmer_counts(bases: np.ndarray, k: int) -> Features:
    """Counts of k-mers, a k-mer and its reverse complement as one; rows of length 1: (N, 4**k)."""
    words, known = _words(bases, range(k), k)
    other = _words(3 - bases, range(k - 1, -1, -1), k)[0]
    return _unit_rows(_counted(np.where(known, np.minimum(words, other), 4**k), 4**k))


def gapped_kmer_counts(bases: np.ndarray, length: int, *, known: int) -> Features:
    """Gapped k-mer counts (N, K) of both strands, as rows of length 1.

    Their inner products are the gapped k-mer kernel of Ghandi et al. 2014. A choice of places and
    its mirror image count the same words on opposite strands, so one of the two stands for both.
    """
    choices = Counter(min(c, _mirrored(c, length)) for c in combinations(range(length), known))
    other = np.where(bases == UNKNOWN_BASE, UNKNOWN_BASE, 3 - bases)[:, ::-1]
    size, columns = 4**known, []
    for number, choice in enumerate(choices):
        for strand in (bases, other):
            words, certain = _words(strand, choice, length)
            columns.append(np.where(certain, number * size + words, len(choices) * size))
    counts = _counted(np.concatenate(columns, axis=1), len(choices) * size)
    twice = np.sqrt(np.fromiter(choices.values(), np.float32)).repeat(size)
    return _unit_rows(counts @ sparse.diags(twice))


def one_by_one(
    train_features: Features, asked: Features, *, train: Columns, with_others: bool = False
) -> np.ndarray:
    """Logistic regression per factor: probabilities (N, F) for the features `asked`.

    Args:
        train_features: features (N, K) of the train rows.
        asked: features (N, K) of the rows to answer.
        train: columns of `rows`.
        with_others: learn from the sites of other factors too.
    """
    answers = []
    for factor in _factors(train, "logistic regression"):
        weight = _weights(train, factor, with_others=with_others)
        chosen = np.flatnonzero(weight)
        bound = train["labels"][chosen, factor] > 0
        fit = LogisticRegression(max_iter=1000).fit(train_features[chosen], bound, weight[chosen])
        answers.append(fit.predict_proba(asked)[:, 1])
    return np.stack(answers, axis=1)


def best_matrices(evaluation: Evaluation[Params], train: Columns, test: np.ndarray) -> np.ndarray:
    """Probabilities (N, F) of the JASPAR matrix with the best train AUROC, calibrated there."""
    known = motifs.jaspar(evaluation.raw).values()
    matrices = [motifs.log_odds(entry["matrix"]) for entry in known]
    matrices = [matrix for matrix in matrices if matrix.shape[1] <= test.shape[1]]
    answers = []
    for factor in _factors(train, "JASPAR matrices"):
        some, bound = _own_rows(train, factor, most=MATRIX_ROWS)
        hits = motifs.best_hits(one_hot(some), matrices)
        areas = [metrics.auroc(bound, column) for column in hits.T]
        likely = [matrices[n] for n in np.argsort(-np.array(areas), kind="stable")[:MATRICES]]
        bases, bound = _own_rows(train, factor, most=len(train["factor"]))
        hits = motifs.best_hits(one_hot(bases), likely)
        best = int(np.argmax(np.array([metrics.auroc(bound, column) for column in hits.T])))
        fit = LogisticRegression().fit(hits[:, [best]], bound)
        asked = motifs.best_hits(one_hot(test), [likely[best]])
        answers.append(fit.predict_proba(asked)[:, 1])
    return np.stack(answers, axis=1)


def thinned(train: Columns, most: int) -> Columns:
    """At most `most` rows of each factor's sites and of its other rows, evenly drawn."""
    kinds = [
        np.flatnonzero((train["factor"] == factor) & (train["site"] == site))
        for factor in np.unique(train["factor"])
        for site in (True, False)
    ]
    chosen = [
        kind[np.linspace(0, len(kind) - 1, min(most, len(kind))).astype(int)] for kind in kinds
    ]
    return take(train, np.sort(np.concatenate(chosen)))


def gapped_kmer_svm(train: Columns, test: np.ndarray) -> np.ndarray:
    """gkm-SVM per factor: probabilities (N, F).

    It learns a factor from its own rows, or, where `train` holds nothing but sites, from its sites
    against the others'. A linear SVM on explicit counts, which is the same machine as one on the
    kernel and much faster to ask; its margins go through a logistic function as they are.

    Args:
        train: columns of `rows`.
        test: bases (N, W).
    """
    only_sites = bool(train["site"].all())
    counts = _gapped(train["bases"]) if only_sites else None  # alike for all factors
    fits = []
    for factor in _factors(train, "gapped k-mer SVM"):
        chosen = np.flatnonzero(_weights(train, factor, with_others=only_sites))
        features = _gapped(train["bases"][chosen]) if counts is None else counts[chosen]
        bound = train["labels"][chosen, factor] > 0
        fit = LinearSVC(loss="hinge", max_iter=20_000, random_state=0, class_weight="balanced")
        fits.append(fit.fit(features, bound))
    parts = range(0, len(test), ROWS_AT_ONCE)
    margins = []
    for start in progress.over(parts, what="dna gapped k-mer SVM", unit="parts", total=len(parts)):
        features = _gapped(test[start : start + ROWS_AT_ONCE])
        margins.append([fit.decision_function(features) for fit in fits])
    return 1 / (1 + np.exp(-np.concatenate(margins, axis=1).T))


def _gapped(bases: np.ndarray) -> Features:
    """The gapped k-mer counts (N, K), made for some rows at a time to save memory."""
    parts = [bases[at : at + ROWS_AT_ONCE] for at in range(0, len(bases), ROWS_AT_ONCE)]
    counts = [gapped_kmer_counts(part, GAPPED_BP, known=GAPPED_KNOWN) for part in parts]
    return sparse.vstack(counts, format="csr")


def _factors(train: Columns, what: str) -> Iterator[int]:
    """The factors of the labels (N, F), with the progress of a baseline's loop over them."""
    count = train["labels"].shape[1]
    return progress.over(range(count), what=f"dna {what}", unit="factors", total=count)


def _weights(train: Columns, factor: int, *, with_others: bool) -> np.ndarray:
    """Weight (N,) of each train row for a factor; 0 leaves it out."""
    known = train["labels"][:, factor] >= 0
    of_factor = known & (train["factor"] == factor)
    others = known & ~of_factor & train["site"] & with_others
    return of_factor / max(of_factor.mean(), 1e-12) + others / max(others.mean(), 1e-12)


def _own_rows(train: Columns, factor: int, *, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Bases (N, W) and labels bool (N,) of at most `most` of a factor's own rows per class."""
    known = train["labels"][:, factor] >= 0
    own_rows = thinned(take(train, (train["factor"] == factor) & known), most)
    return own_rows["bases"], own_rows["labels"][:, factor] > 0


def _words(bases: np.ndarray, places: Any, length: int) -> tuple[np.ndarray, np.ndarray]:
    """The words at `places` of each window of `length`, in base 4, and which have no N."""
    count = bases.shape[1] - length + 1
    letters = np.stack([bases[:, slot : slot + count] for slot in places])
    powers = 4 ** np.arange(len(letters))[::-1]
    known = ((letters >= 0) & (letters < UNKNOWN_BASE)).all(axis=0)
    return np.tensordot(powers, letters, axes=1), known


def _mirrored(places: tuple[int, ...], length: int) -> tuple[int, ...]:
    return tuple(sorted(length - 1 - slot for slot in places))


def _counted(words: np.ndarray, size: int) -> Features:
    """Counts (N, size) of the words of each row; `size` itself is no word."""
    count, width = words.shape
    ends = np.arange(0, words.size + 1, width)
    ones = np.ones(words.size, np.float32)
    counts = sparse.csr_matrix((ones, words.ravel(), ends), shape=(count, size + 1))
    counts.sum_duplicates()
    return counts[:, :size]


def _unit_rows(counts: Features) -> Features:
    length = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1))).ravel()
    return sparse.diags((1 / np.maximum(length, 1e-12)).astype(np.float32)) @ counts
