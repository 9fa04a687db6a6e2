"""The bigrams read from the file are those that the library answers with."""

import numpy as np
import pytest
from pocketsphinx import Config, LogMath, NGramModel, get_model_path

from seqapps.apps.asr.decode import sphinx_lm


@pytest.fixture(scope="module")
def bigrams():
    return sphinx_lm.read()


def test_all_words_and_pairs_are_read(bigrams):
    assert len(bigrams.words) == len(set(bigrams.words)) == 72_547
    assert len(bigrams.pair_log_prob) == len(bigrams.before) == len(bigrams.word) == 2_051_541
    assert {"the", "don't", "<s>", "</s>"} <= set(bigrams.words)


def test_chances_are_those_of_the_library(bigrams):
    config, base = Config(), LogMath()
    library = NGramModel(config, base, get_model_path("en-us/en-us.lm.bin"))
    for row in np.random.default_rng(0).integers(0, len(bigrams.before), 500):
        word, before = bigrams.words[bigrams.word[row]], bigrams.words[bigrams.before[row]]
        asked = base.log_to_ln(library.prob([word, before]))
        np.testing.assert_allclose(bigrams.pair_log_prob[row], asked, atol=2e-4)
    for row in np.random.default_rng(0).integers(0, len(bigrams.words), 500):
        asked = base.log_to_ln(library.prob([bigrams.words[row]]))
        np.testing.assert_allclose(bigrams.log_prob[row], asked, atol=2e-4)


def test_a_pair_the_file_lacks_is_backed_off_as_in_the_library(bigrams):
    config, base = Config(), LogMath()
    library = NGramModel(config, base, get_model_path("en-us/en-us.lm.bin"))
    number = {word: place for place, word in enumerate(bigrams.words)}
    for before, word in (("zydeco", "zwick"), ("the", "zych")):
        found = bigrams.backoff[number[before]] + bigrams.log_prob[number[word]]
        asked = base.log_to_ln(library.prob([word, before]))
        np.testing.assert_allclose(found, asked, atol=3e-4)
