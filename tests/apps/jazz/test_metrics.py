"""Note scores by hand."""

import numpy as np

from seqapps.apps.jazz import metrics, preprocess
from seqapps.apps.jazz.frontend import VALUES
from seqapps.apps.jazz.preprocess import REQUEST
from tests.apps.jazz.test_evaluate import oracle, response, uniform


def test_a_short_answer_is_a_uniform_one_for_the_notes_left(truth):
    said = response(truth, oracle)
    other = {name: values[::-1] for name, values in said.items()}
    found = metrics.note_scores(truth, other, row=1)["nll"]
    assert found.shape == (64,)
    np.testing.assert_allclose(found[32:], np.log(VALUES))


def test_a_note_is_new_until_the_run_that_ends_there_was_played_before(truth):
    new = metrics.note_scores(truth, response(truth, uniform), row=1)["new"]
    # Bars of the made-up tune repeat every three notes with other orders; its second half
    # is the first again but for the order within bars, so most runs were there before.
    assert new[:4].all()
    assert not new.all()
    value = preprocess.values({name: truth[name][1] for name in REQUEST}).tolist()
    for place in range(4, 64):
        run = value[place - 4 : place + 1]
        before = [value[n - 4 : n + 1] for n in range(4, place)]
        assert new[place] == (run not in before)
