import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from seqapps.apps.dna import export, model
from seqapps.pipeline import export as exporting
from tests.apps.dna.test_model import Tables

WINDOW, FACTORS = 20, 2


@pytest.fixture(scope="module")
def assets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("assets")
    facts = {"factors": ["a", "b"], "window_bp": WINDOW, "kmer_bp": 2, "kmer_stride_bp": 1}
    (folder / "assets.json").write_text(json.dumps(facts))
    np.save(folder / "embedding.npy", np.ones((17, 3), np.float32))
    return folder


@pytest.fixture(scope="module")
def exported(assets, tmp_path_factory):
    """The endpoints of a small untrained network, written and loaded again."""
    net = model.build(Tables(), assets)
    folder = tmp_path_factory.mktemp("model") / "1"
    exporting.write(net, export.endpoints(None, net, assets), folder)
    exporting.check_core_ops(folder)
    owner = tf.saved_model.load(str(folder))
    return SimpleNamespace(owner=owner, folder=folder, net=net, **owner.signatures)


def text(length, seed=0, letters="ACGT"):
    return "".join(np.random.default_rng(seed).choice(list(letters), length))


def ask(exported, *texts):
    return exported.serving_default(sequence=tf.constant(texts))["probability"].numpy()


def effect(exported, *texts):
    return exported.mutagenesis(sequence=tf.constant(texts))["effect"].numpy()


def logits(exported, *texts):
    chances = ask(exported, *texts).astype(float)
    return np.log(chances / (1 - chances))


def turned(sequence):
    return sequence.translate(str.maketrans("ACGT", "TGCA"))[::-1]


def test_a_sequence_as_long_as_the_window_is_one_window(exported):
    one = text(WINDOW)
    logit = exported.net({"bases": model.encode(tf.constant([one]))})
    np.testing.assert_allclose(ask(exported, one), tf.sigmoid(logit), atol=1e-6)


def test_a_batch_of_ragged_lengths_is_answered_as_one_by_one(exported):
    texts = [text(length, length) for length in (20, 47, 21, 20, 33)]
    together = ask(exported, *texts)
    alone = np.concatenate([ask(exported, one) for one in texts])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_a_longer_sequence_gets_the_maximum_over_its_windows(exported):
    long = text(33)
    starts = [0, 5, 10, 13]  # a quarter of a window apart; the last ends with the sequence
    each = ask(exported, *(long[start : start + WINDOW] for start in starts))
    np.testing.assert_allclose(ask(exported, long)[0], each.max(axis=0), atol=1e-6)


def test_the_windows_of_a_row_cover_it_to_its_end():
    row, start, bases = export.windows(tf.constant([text(33), text(20)]), WINDOW)
    assert row.numpy().tolist() == [0, 0, 0, 0, 1]
    assert start.numpy().tolist() == [0, 5, 10, 13, 0]
    assert bases.shape == (5, WINDOW)


def test_both_strands_get_the_same_answer(exported):
    one = text(WINDOW)
    np.testing.assert_allclose(ask(exported, one), ask(exported, turned(one)), atol=1e-6)


def test_lower_case_and_upper_case_are_alike(exported):
    one = text(30)
    np.testing.assert_array_equal(ask(exported, one.lower()), ask(exported, one))


def test_n_and_any_foreign_letter_are_alike(exported):
    one = text(24)
    answers = ask(exported, one[:9] + "N" + one[10:], one[:9] + "x" + one[10:])
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-7)
    assert np.isfinite(ask(exported, "N" * WINDOW)).all()


def test_a_sequence_shorter_than_the_window_is_refused_in_words(exported):
    with pytest.raises(tf.errors.InvalidArgumentError, match="window of 20 bp; send at least 20"):
        ask(exported, text(30), text(19))


def test_no_sequences_get_no_answers(exported):
    none = tf.constant([], tf.string)
    assert exported.serving_default(sequence=none)["probability"].shape == (0, FACTORS)
    assert exported.mutagenesis(sequence=none)["effect"].shape[0] == 0


def test_more_windows_than_fit_at_once_give_the_same_answers():
    bases = tf.reshape(tf.range(7 * 3), [7, 3])
    seen = []

    def total(part):
        seen.append(part.shape)
        return tf.cast(tf.reduce_sum(part, axis=1, keepdims=True), tf.float32)

    found = export.in_chunks(total, bases, 2).numpy()[:, 0]
    assert found.tolist() == bases.numpy().sum(axis=1).tolist()
    assert {shape[0] for shape in seen} == {2}


@pytest.mark.parametrize("length", [WINDOW, 33])
def test_an_effect_is_the_difference_of_two_answers(exported, length):
    one = text(length, seed=length)
    found = effect(exported, one)[0]
    for place in (0, 7, length - 1):
        changed = [one[:place] + base + one[place + 1 :] for base in "ACGT"]
        wanted = logits(exported, *changed) - logits(exported, one)
        np.testing.assert_allclose(found[place], wanted, atol=2e-5)


def test_the_base_that_stands_there_has_exactly_no_effect(exported):
    one = text(33)
    found = effect(exported, one)[0]
    assert (found[np.arange(33), ["ACGT".index(base) for base in one]] == 0).all()
    assert np.abs(found).max() > 1e-4


def test_effects_of_ragged_rows_are_those_of_each_row_and_zero_beyond_its_end(exported):
    texts = [text(33), text(20, 1)]
    together = effect(exported, *texts)
    assert together.shape == (2, 33, 4, FACTORS)
    np.testing.assert_allclose(together[1, :20], effect(exported, texts[1])[0], atol=1e-6)
    assert not together[1, 20:].any()


def test_an_n_has_an_effect_for_every_base(exported):
    one = text(WINDOW)
    found = effect(exported, one[:10] + "N" + one[11:])[0, 10]
    assert (found != 0).any(axis=1).all()


def test_substitutions_are_ordered_by_place_then_base():
    found = export.substitutions(tf.constant([0, 4])).numpy().tolist()
    assert found == [[0, 4], [1, 4], [2, 4], [3, 4], [0, 0], [0, 1], [0, 2], [0, 3]]


LONELY = """
import sys
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
answer = model.signatures["serving_default"](sequence=tf.constant([sys.argv[2]]))
assert "seqapps" not in sys.modules
print(answer["probability"].numpy().tolist())
"""


def test_the_model_answers_where_there_is_only_tensorflow(exported, tmp_path):
    one = text(25)
    command = [sys.executable, "-c", LONELY, str(exported.folder), one]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    np.testing.assert_allclose(found, ask(exported, one), atol=1e-6)
