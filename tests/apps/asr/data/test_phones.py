"""Pronunciations of the dictionary and of the rules."""

import pytest
import tensorflow as tf

from seqapps.apps.asr.data import normaliser, phones


def test_a_word_the_dictionary_lacks_is_one_phone(tmp_path):
    phones.save(["it's", "me", "zzyzx"], "en", tmp_path)
    said = phones.Pronounced(tmp_path, "en").of(tf.constant(["it's zzyzx me"]))[0].numpy()
    found = [phones.NAMES["en"][number] for number in said]
    assert found == ["IH", "T", "S", phones.UNKNOWN, "M", "IY"]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("quiero", "kiero"),
        ("churros", "CuRos"),
        ("hacer", "azer"),
        ("guerra", "geRa"),
        ("gente", "jente"),
        ("llave", "Yabe"),
        ("muy", "mui"),
        ("ayer", "aYer"),
        ("examen", "eksamen"),
        ("rey", "Rei"),
    ],
)
def test_spanish_is_read_by_its_rules(word, said):
    assert phones.spoken(word) == " ".join(said)


def test_every_spanish_letter_becomes_phones_that_have_a_class(tmp_path):
    words = [
        before + letter + "a" for letter in normaliser.LETTERS["es"][1:] for before in ("", "a")
    ]
    phones.save(words, "es", tmp_path)
    pronounced = phones.Pronounced(tmp_path, "es")
    assert pronounced.of(tf.constant([" ".join(words)])).flat_values.numpy().min() >= 0


@pytest.mark.parametrize("word", ["h", "zarzuela"])  # silent, and not among the train lines
def test_a_word_always_has_a_sound(tmp_path, word):
    phones.save(["h"], "es", tmp_path)
    (said,) = phones.Pronounced(tmp_path, "es").of(tf.constant([word]))[0].numpy()
    assert phones.NAMES["es"][said] == phones.UNKNOWN
