"""Fixtures of decode."""

import numpy as np
import pytest
import tensorflow as tf

LETTERS = " ab"


BLANK = len(LETTERS)


@pytest.fixture(scope="module")
def random_utterances():
    values = np.random.default_rng(3).normal(size=(12, 6, BLANK + 1)).astype(np.float32) * 1.5
    return tf.nn.log_softmax(values).numpy()
