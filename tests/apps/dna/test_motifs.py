"""Motifs: recovery, comparison and families."""

from dataclasses import replace

import numpy as np
import pytest

from seqapps.apps.dna import baselines, motifs
from tests.apps.dna.test_evaluate import library


def planted(count=12, word="GACAGAAC", length=40, seed=0):
    """One-hot sequences that hold a word once, on either strand, and effects that say so."""
    rng = np.random.default_rng(seed)
    texts, starts = [], []
    for number in range(count):
        here = word if number % 2 else word.translate(str.maketrans("ACGT", "TGCA"))[::-1]
        start = int(rng.integers(0, length - 7))
        text = "".join(rng.choice(list("ACGT"), length))
        texts.append(text[:start] + here + text[start + len(word) :])
        starts.append(start)
    bases = baselines.one_hot(baselines.codes(texts, length))
    effect = rng.normal(scale=0.01, size=bases.shape) * (1 - bases)
    for row, start in enumerate(starts):
        effect[row, start : start + len(word)] -= 2 * (1 - bases[row, start : start + len(word)])
    return bases, effect


def test_a_planted_word_is_recovered_whatever_its_place_and_strand():
    found = motifs.recover(*planted())
    letters = "".join("ACGT"[i] for i in found.frequencies.argmax(axis=0))
    assert letters in ("GACAGAAC", "GTTCTGTC")
    assert (found.frequencies.max(axis=0) > 0.9).all()
    np.testing.assert_allclose(found.contribution.sum(axis=1), 2, atol=0.1)


@pytest.mark.parametrize("turn", [False, True])
@pytest.mark.parametrize("cut", [slice(0, 8), slice(2, 8), slice(0, 6)])
def test_the_nearest_matrix_is_found_on_either_strand_and_laid_where_it_fits(turn, cut):
    known = library()
    wanted = motifs.frequencies(known["MA1.1"]["matrix"])
    frequencies = wanted[::-1, ::-1] if turn else wanted
    motif = motifs.Motif(frequencies[:, cut], np.ones((cut.stop - cut.start, 4)))
    match = motifs.nearest(motif, known)
    assert (match.id, match.name) == ("MA1.1", "POU5F1")
    assert match.q < 0.01
    assert match.start == -cut.start
    np.testing.assert_allclose(match.frequencies, frequencies)


def test_a_match_is_in_the_family_by_family_or_name_and_only_if_significant():
    families = "POU domain factors::SOX-related factors"
    match = motifs.Match("MA1.1", "Pou5f1::Sox2", families, 1e-3, 0, np.ones((4, 2)))
    assert motifs.in_family("oct4", match) is True
    assert motifs.in_family("oct4", replace(match, q=0.2)) is False
    assert motifs.in_family("mafk", match) is False
    assert motifs.in_family("ctcf", replace(match, name="CTCFL")) is True
    assert motifs.in_family("my_factor", match) is None
