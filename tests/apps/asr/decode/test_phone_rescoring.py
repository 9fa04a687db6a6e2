"""Texts judged by their phones, against chances worked out by hand."""

import numpy as np
import pytest
import tensorflow as tf

from seqapps.apps.asr.data import normaliser, phones
from seqapps.apps.asr.decode.phone_rescoring import PhoneRescorer
from seqapps.apps.asr.nn.labels import NONE, Labels

LETTERS = normaliser.LETTERS["en"]


def labels(*texts):
    rows = tf.ragged.constant([[LETTERS.index(letter) for letter in text] for text in texts])
    return Labels(rows.to_tensor(NONE), tf.cast(rows.row_lengths(), tf.int32))


@pytest.fixture
def judge(tmp_path):
    phones.save(["see", "sea", "me", "i"], "en", tmp_path)
    return PhoneRescorer(tmp_path, "en", letters=LETTERS)


def test_texts_become_phones_word_by_word(judge):
    found = judge.of(labels("see me", "", "i zzyzx", " sea  i ")).to_list()
    said = [" ".join(phones.NAMES["en"][number] for number in row) for row in found]
    assert said == ["S IY M IY", "", f"AY {phones.UNKNOWN}", "S IY AY"]


def test_a_text_is_judged_by_its_phones_and_by_as_many_steps_as_it_has(judge):
    count = len(phones.NAMES["en"]) + 1
    chances = np.full((2, 3, count), 1e-9, np.float32)
    s, i, blank = phones.NAMES["en"].index("S"), phones.NAMES["en"].index("IY"), count - 1
    chances[:, 0, [s, blank]] = 0.7, 0.3
    chances[:, 1, [i, blank]] = 0.6, 0.4
    chances[:, 2, [i, blank]] = 0.5, 0.5
    texts = labels("see", "sea", "", "see", "sea", "i see me")
    opinion = judge.score(texts, tf.math.log(chances), tf.constant([3, 2])).numpy()
    whole = 0.7 * (0.6 * 0.5 + 0.6 * 0.5 + 0.4 * 0.5)  # "IY" in both steps, the first, the second
    expected = [whole, whole, 0.3 * 0.4 * 0.5, 0.7 * 0.6, 0.7 * 0.6, 0.0]
    np.testing.assert_allclose(np.exp(opinion), expected, rtol=1e-4, atol=1e-12)


def test_texts_without_a_word_are_judged_by_blanks(judge):
    count = len(phones.NAMES["en"]) + 1
    even = tf.fill([1, 3, count], -float(np.log(count)))
    opinion = judge.score(labels("", " "), even, tf.constant([2]))
    np.testing.assert_allclose(opinion, [-2 * np.log(count)] * 2, rtol=1e-5)
