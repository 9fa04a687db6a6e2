import pytest

from seqapps.apps.asr.decode import language_model


def test_frequent_words_count_more_and_sum_to_their_weight():
    words = language_model.general_words("en", 0.5)
    assert words["the"] > words["house"] > 0
    assert sum(words.values()) == pytest.approx(5000)
    assert language_model.general_words("en", 0.0) == {}


def test_general_words_are_in_the_alphabet():
    words = language_model.general_words("es", 1.0)
    assert "año" in words and "mas" in words and "más" not in words
