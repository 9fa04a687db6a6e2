import json
import math
from pathlib import Path

import numpy as np
import pytest

from seqapps.apps.captioning import metrics

PUBLISHED = json.loads((Path(__file__).parent / "published.json").read_text())
ROWS = PUBLISHED["rows"]
SAID = [row["candidate"] for row in ROWS]
REFERENCES = [tuple(row["references"]) for row in ROWS]
KEYS = [str(n) for n in range(len(ROWS))]


def test_bleu_is_pycocoevalcaps():
    assert metrics.bleu(SAID, REFERENCES) == pytest.approx(PUBLISHED["bleu"], abs=1e-6)


def test_rouge_l_is_pycocoevalcaps_on_every_row_and_in_the_mean():
    rows = [metrics.rouge_l([s], [r]) for s, r in zip(SAID, REFERENCES, strict=True)]
    assert rows == pytest.approx(PUBLISHED["rouge_l_rows"], abs=1e-6)
    assert metrics.rouge_l(SAID, REFERENCES) == pytest.approx(PUBLISHED["rouge_l"], abs=1e-6)


def test_cider_d_is_pycocoevalcaps_on_every_row_and_in_the_mean():
    rows = metrics.cider_d(SAID, REFERENCES, keys=KEYS)
    assert rows == pytest.approx(PUBLISHED["cider_d_rows"], abs=1e-6)
    assert rows.mean() == pytest.approx(PUBLISHED["cider_d"], abs=1e-6)


def test_the_stored_values_are_what_pycocoevalcap_gives_where_it_is_installed():
    bleu = pytest.importorskip("pycocoevalcap.bleu.bleu")
    cider = pytest.importorskip("pycocoevalcap.cider.cider")
    truth, said = dict(enumerate(map(list, REFERENCES))), {n: [s] for n, s in enumerate(SAID)}
    assert bleu.Bleu(4).compute_score(truth, said, verbose=0)[0] == pytest.approx(PUBLISHED["bleu"])
    assert cider.Cider().compute_score(truth, said)[0] == pytest.approx(PUBLISHED["cider_d"])


def test_bleu_by_hand():
    # "red with a star" against "red with a cross": 3 of 4 words, 2 of 3 pairs, 1 of 2 triples.
    values = metrics.bleu(["red with a star"], [("red with a cross",)])
    assert values[:3] == pytest.approx(
        [3 / 4, (3 / 4 * 2 / 3) ** (1 / 2), (3 / 4 * 2 / 3 * 1 / 2) ** (1 / 3)], rel=1e-6
    )
    assert values[3] < 1e-3


def test_a_short_candidate_pays_for_its_brevity():
    assert metrics.bleu(["red"], [("red star here",)])[0] == pytest.approx(
        math.exp(1 - 3), rel=1e-6
    )


def test_a_picture_drawn_twice_does_not_make_its_words_more_common():
    once = metrics.cider_d(["red star", "x"], [("red star",), ("blue",)], keys=["a", "b"])
    twice = metrics.cider_d(
        ["red star", "red star", "x"], [("red star",)] * 2 + [("blue",)], keys=["a", "a", "b"]
    )
    assert twice == pytest.approx(np.array([once[0], once[0], once[1]]))
