from types import SimpleNamespace

import numpy as np
import pytest

from seqapps import training
from seqapps.jazz import distance, evaluate, model, ngrams, preprocess, rivals, samples, tunes
from seqapps.jazz.front import VALUES
from seqapps.jazz.ngrams import NGram
from seqapps.jazz.preprocess import REQUEST
from tests.jazz.conftest import made_up, params


@pytest.fixture
def truth():
    found = [tunes.arrange(made_up(name, repeats=n)) for name, n in (("a", 1), ("b", 2))]
    columns = {}
    for name in REQUEST:
        columns[name] = np.empty(2, object)
        columns[name][:] = [tune.columns()[name] for tune in found]
    return columns | {
        "key": np.array(["a", "b"], object),
        "group": np.array(["a", "b"], object),
        "fold": np.array(["one", "one"], object),
    }


def response(truth, table_of):
    rows = []
    for row in range(2):
        columns = {name: truth[name][row] for name in REQUEST}
        rows.append(rivals.answer(columns, table_of(preprocess.values(columns))))
    return rivals._stacked(rows)


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


def test_a_short_answer_is_a_uniform_one_for_the_notes_left(truth):
    said = response(truth, oracle)
    other = {name: values[::-1] for name, values in said.items()}
    found = evaluate.judged(truth, other, 1)["nll"]
    assert found.shape == (64,)
    np.testing.assert_allclose(found[32:], np.log(VALUES))


def test_a_note_is_new_until_the_run_that_ends_there_was_played_before(truth):
    new = evaluate.judged(truth, response(truth, uniform), 1)["new"]
    # Bars of the made-up tune repeat every three notes with other orders; its second half
    # is the first again but for the order within bars, so most runs were there before.
    assert new[:4].all()
    assert not new.all()
    value = preprocess.values({name: truth[name][1] for name in REQUEST}).tolist()
    for place in range(4, 64):
        run = value[place - 4 : place + 1]
        before = [value[n - 4 : n + 1] for n in range(4, place)]
        assert new[place] == (run not in before)


def test_a_chart_is_cut_with_its_bar_lines():
    columns = tunes.arrange(made_up(meter=(3, 4))).columns() | {"pickup": np.float32(1)}
    cut = samples.cut(columns, 5, 6)
    assert len(cut["bass"]) == 6
    # Bar lines at 1, 4, 7, 10: two quarters after the cut.
    assert cut["pickup"] == 2
    assert samples.cut(columns, 4, 6)["pickup"] == 0


def test_a_line_as_it_sounds_is_played_in_c_over_its_chart_in_c():
    tune = tunes.arrange(made_up(up=5))
    columns = tune.columns()
    line = np.stack([columns["pitch"], np.rint(columns["duration"] * 12)])
    chart = samples.cut(columns, 0, 32)
    found = samples._played(chart, np.pad(line, [[0, 0], [0, 3]]))
    plain = tunes.arrange(made_up()).columns()
    np.testing.assert_array_equal(found.values, preprocess.values(plain))
    np.testing.assert_array_equal(found.chords, plain["chords"])


def test_the_mean_over_tunes_has_an_interval_about_it():
    params = SimpleNamespace(evaluate=SimpleNamespace(bootstrap_samples=200, seed=0))
    values = {"x": np.array([1.0, 2.0, 3.0, 4.0])}
    found = samples.summary(SimpleNamespace(params=params), values, np.array(list("abcd")))
    assert found["x.mean"] == 2.5
    assert 1 <= found["x.low95"] < 2.5 < found["x.high95"] <= 4


def test_both_nets_gradients_are_taken_over_the_tunes_windows(truth, assets, monkeypatch):
    asked = []

    def load(app, table, folder, weights):
        asked.append((table.train.cell, table.train.memory, table.train.epochs))
        return model.build(table, folder)

    monkeypatch.setattr(training, "fit", lambda *_, **__: None)
    monkeypatch.setattr(training, "load", load)
    evaluation = SimpleNamespace(
        params=params(), folds=("one",), truth=truth, assets=lambda fold: assets
    )
    found = distance.norms(evaluation, 3)
    assert asked == [("rnn", False, 3), ("lstm", False, 3)]
    for values in found.values():
        # The first test tune has 32 notes: one window of those.
        assert values.shape == (32,)
        assert values[0] == 1 and values[-1] > 0
