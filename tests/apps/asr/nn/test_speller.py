"""The decoder with attention: losses, looks, and texts that CTC can align."""

import numpy as np
import pytest
import tensorflow as tf

from seqapps import config
from seqapps.apps.asr import export, model
from seqapps.apps.asr.data import audio
from seqapps.apps.asr.decode import alignment
from seqapps.apps.asr.nn.speller import Speller
from seqapps.artifacts.saved_model import SavedModel
from seqapps.pipeline import export as exporting
from tests.apps.asr.conftest import noisy, parameters

LETTERS = 3


@pytest.fixture
def table():
    tf.keras.utils.set_random_seed(3)
    return parameters(train={"kind": "las", "units": 6}).train


def code(*counts, seed=0):
    values = np.random.default_rng(seed).normal(size=(len(counts), max(counts), 12))
    return tf.constant(values.astype(np.float32)), tf.constant(counts)


def test_the_loss_is_the_mean_cross_entropy_of_letters_and_ends(table):
    logits = np.zeros((2, 3, 4), np.float32)
    logits[0, 0, 1] = 5.0
    labels, counts = np.array([[1, 0], [2, -1]]), np.array([2, 1])
    found = Speller(table, LETTERS).loss(tf.constant(logits), labels, counts)
    sure = np.log(1 + 3 * np.exp(-5.0))
    np.testing.assert_allclose(found, (sure + 4 * np.log(4)) / 5, rtol=1e-5)


def test_a_letter_knows_the_letters_before_it_and_not_its_own(table):
    speller = Speller(table, LETTERS)
    heard = code(5)
    one = speller(tf.constant([[0, 1, 2]]), *heard).numpy()
    other = speller(tf.constant([[0, 2, 2]]), *heard).numpy()
    np.testing.assert_allclose(one[:, :2], other[:, :2], atol=1e-6)
    assert np.abs(one[:, 2:] - other[:, 2:]).min(axis=-1).max() > 1e-4


def test_what_is_spelt_is_the_most_probable_next_letter_of_the_trained_pass(table):
    speller = Speller(table, LETTERS)
    heard = code(9, 4)
    speller(tf.constant([[0]] * 2), *heard)
    speller.out.bias.assign([0.3, 0.2, 0.1, -2.0])  # an untrained one might end at once
    labels, weights = speller.spell(*heard)
    assert max(labels.counts) > 1
    logits = speller(labels.values, *heard).numpy()
    for row, count in enumerate(labels.counts.numpy()):
        assert (
            logits[row, :count].argmax(-1).tolist() == labels.values[row, :count].numpy().tolist()
        )
    np.testing.assert_allclose(weights.numpy().sum(-1), 1, rtol=1e-5)
    assert not weights.numpy()[1, :, 4:].any()


def test_a_row_spells_the_same_alone_as_beside_a_longer_one(table):
    speller = Speller(table, LETTERS)
    both, counts = code(4, 9)
    speller(tf.constant([[0]] * 2), both, counts)
    together, _ = speller.spell(both, counts)
    alone, _ = speller.spell(both[:1, :4], counts[:1])
    count = alone.counts[0]
    assert together.counts[0] == count
    assert (together.values[0, :count] == alone.values[0, :count]).numpy().all()


@pytest.mark.parametrize("letter, longest", [(0, 3), (1, 3)])
def test_no_text_is_longer_than_ctc_could_align(table, letter, longest):
    speller = Speller(table, LETTERS)
    heard = code(5)
    speller(tf.constant([[0]]), *heard)
    speller.out.kernel.assign(tf.zeros_like(speller.out.kernel))
    speller.out.bias.assign(tf.one_hot(letter, LETTERS + 1))  # the same letter for ever
    labels, _ = speller.spell(*heard)
    assert labels.counts.numpy().tolist() == [longest]
    path = alignment.align(tf.math.log(tf.fill([1, 5, 4], 0.25)), heard[1], labels=labels)
    np.testing.assert_allclose(path.log_probability, 5 * np.log(0.25), rtol=1e-5)


def test_the_exported_speller_answers_with_its_own_text_and_looks(fitted, tmp_path):
    params = config.upto(parameters(train={"kind": "las"}), "evaluate")
    tf.keras.utils.set_random_seed(5)
    network = model.build(params, fitted)
    network.speller.out.bias.assign(tf.one_hot([4], 29)[0])
    exporting.write(network, export.endpoints(params, network, fitted), tmp_path / "1")
    exporting.check_core_ops(tmp_path / "1")
    saved = SavedModel(tmp_path / "1")
    wavs = np.array([audio.wav(noisy(seconds, seed=2), 8000) for seconds in (0.9, 0.5)], object)
    answer = saved.endpoint("serving_default").in_batches({"wav": wavs}, 2)
    looks = saved.endpoint("attention")({"wav": wavs})
    assert [text.decode() for text in looks["text"]] == list(answer["text"])
    assert any(answer["text"])
