"""Baselines against counts and kernels by hand."""

import numpy as np
from gkmsvm.gram import compute_gram
from gkmsvm.kernels.direct import DirectGkmKernel
from gkmsvm.train import _to_onehot

from seqapps.apps.dna import baselines, motifs


def test_kmer_counts_take_both_strands_as_one():
    bases = baselines.codes(["AACCG", "CGGTT", "AACNG"], 5)
    found = baselines.kmer_counts(bases, 2).toarray()
    # AA AC CC CG once each; the reverse complement has TT GT GG CG, which are the same.
    np.testing.assert_allclose(found[0][[0, 1, 5, 6]], 0.5)
    np.testing.assert_allclose(found[1], found[0])
    # What holds an N is not counted.
    np.testing.assert_allclose(found[2][[0, 1]], np.sqrt(0.5), rtol=1e-6)


def test_gapped_kmer_counts_make_the_kernel_of_gkmsvm():
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("ACGT"), 30)) for _ in range(6)]
    wanted = compute_gram(DirectGkmKernel(6, 4), _to_onehot(texts))
    counts = baselines.gapped_kmer_counts(baselines.codes(texts, 30), 6, known=4)
    np.testing.assert_allclose((counts @ counts.T).toarray(), wanted, atol=1e-5)


def test_rows_are_the_middle_of_at_most_so_many_records(monkeypatch):
    records = [
        {
            "sequence": b"A" + base + b"A",
            "labels": np.array([number], np.float32),
            "factor": 0,
            "kind": b"site",
        }
        for number, base in enumerate((b"A", b"C", b"G", b"T", b"N"))
    ]
    found = baselines.rows(iter(records), 1, seed=0)
    assert found["bases"].ravel().tolist() == [0, 1, 2, 3, 4]
    monkeypatch.setattr(baselines, "TRAIN_ROWS", 3)
    drawn = [baselines.rows(iter(records), 1, seed=s)["labels"].ravel().tolist() for s in range(40)]
    assert {len(one) for one in drawn} == {3}
    assert {number for one in drawn for number in one} == {0, 1, 2, 3, 4}


def test_a_hit_is_the_best_sum_over_places_and_strands():
    matrix = np.array([[1, -1], [0, 5], [0, 0], [-2, 0]], np.float32)  # A then C is worth 6
    bases = baselines.one_hot(baselines.codes(["TTACTT", "GGGTGG", "NNNNNN"], 6))
    # GT is AC on the other strand; an N is worth nothing.
    assert motifs.best_hits(bases, [matrix]).ravel().tolist() == [6, 6, 0]


def test_hits_of_matrices_of_several_lengths_keep_their_order():
    long, short = np.ones((4, 3), np.float32), np.ones((4, 2), np.float32)
    bases = baselines.one_hot(baselines.codes(["ACGT"], 4))
    assert motifs.best_hits(bases, [long, short, long]).tolist() == [[3, 2, 3]]
