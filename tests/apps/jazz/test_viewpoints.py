"""The mixture of viewpoints: shares of one, weights by what came, nothing of the future."""

import numpy as np
import pytest

from seqapps.apps.jazz import ngrams, viewpoints
from seqapps.apps.jazz.frontend import LONGEST
from seqapps.apps.jazz.viewpoints import Mixture, Note

A, B, C = (pitch * LONGEST + 5 for pitch in (40, 42, 44))


def tune(values, *, place=0, earlier=(None,) * 5):
    """Notes without a chart: all at one place and over one chord."""
    line = np.array(values)
    return [
        Note(
            int(value),
            {
                "line": ngrams.preceding(line[:index], viewpoints.ORDER),
                "place": [(), (place,)],
                "chord": [(), (0, 0)],
                "ahead": [(), (0,)],
            },
            earlier,
        )
        for index, value in enumerate(line)
    ]


def test_the_probabilities_share_one_and_are_those_by_which_notes_are_judged():
    mixture = Mixture([tune([A, B, C, A, B])], 0.01)
    for note in tune([A, B, A, C, B, A]):
        table = mixture.probabilities(note)
        assert table.sum() == pytest.approx(1)
        assert mixture.learn(note) == pytest.approx(table[note.value])
        np.testing.assert_allclose(mixture.weights.sum(axis=1), 1)


def test_a_repeat_is_believed_once_it_has_come_true():
    mixture = Mixture([tune([A, B, C] * 4)], 0.01)
    rng = np.random.default_rng(0)
    line = rng.choice([A, B, C], 40)
    notes = [
        note._replace(earlier=(note.value, None, None, None, None)) for note in tune(line.tolist())
    ]
    judged = [mixture.learn(note) for note in notes]
    assert np.mean(judged[-10:]) > 0.8 > 0.6 > np.mean(judged[:3])


def test_what_comes_later_changes_nothing_that_was_judged_before():
    mixtures = [Mixture([tune([A, B, C] * 4)], 0.01) for _ in range(2)]
    one, other = tune([A, B, A, B, C, C, C]), tune([A, B, A, B, A, A, A])
    tables = [viewpoints.predicted(line, m) for line, m in zip((one, other), mixtures, strict=True)]
    np.testing.assert_array_equal(tables[0][:4], tables[1][:4])
    assert not np.allclose(tables[0][5:], tables[1][5:])


def test_a_new_tune_begins_without_the_last_one():
    mixture = viewpoints.fitted([tune([A, B, C, A])], [tune([C, B, A, C])])
    assert all(not counts.after for counts in mixture.tune.values())
    assert mixture.share in viewpoints.SHARES
    assert mixture.all["line"].after[()].total() == 8
