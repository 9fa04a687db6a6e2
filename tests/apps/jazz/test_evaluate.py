import numpy as np
import pytest

from seqapps.apps.jazz import baselines, evaluate, ngrams, preprocess
from seqapps.apps.jazz.frontend import VALUES
from seqapps.apps.jazz.ngrams import NGram
from seqapps.apps.jazz.preprocess import REQUEST
from seqapps.artifacts.columns import from_rows


def response(truth, table_of):
    rows = []
    for row in range(2):
        columns = {name: truth[name][row] for name in REQUEST}
        rows.append(baselines.answer(columns, table_of(preprocess.values(columns))))
    return from_rows(rows)


def uniform(line):
    return ngrams.predicted(line, NGram([], 0))


def oracle(line):
    table = np.full((len(line), VALUES), np.log(0.1 / (VALUES - 1)), np.float32)
    table[np.arange(len(line)), line] = np.log(0.9)
    return table


def test_a_uniform_guess_has_the_perplexity_of_the_alphabet(truth):
    found = evaluate.score(None, truth, response(truth, uniform))
    assert found["perplexity"] == pytest.approx(VALUES, rel=1e-4)
    assert found["nll_per_note"] == pytest.approx(np.log(VALUES), rel=1e-4)
    # The made-up tunes are all quavers: two notes a quarter.
    assert found["nll_per_quarter"] == pytest.approx(2 * np.log(VALUES), rel=1e-4)
    assert found["pitch_perplexity"] == pytest.approx(66, rel=1e-4)
    assert (found["pitch_top1"], found["pitch_top5"]) == (0, 0)


def test_an_oracle_that_is_sure_to_nine_tenths_is_scored_so(truth):
    found = evaluate.score(None, truth, response(truth, oracle))
    assert found["perplexity"] == pytest.approx(1 / 0.9, rel=1e-3)
    assert (found["top1"], found["top5"], found["pitch_top1"]) == (1, 1, 1)
