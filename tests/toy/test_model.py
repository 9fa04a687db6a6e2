import numpy as np
import pytest
import tensorflow as tf

from tests.toy.export import endpoints
from tests.toy.model import Mean, feed

STEPS = np.array([[1.0, 2.0, 3.0, 0.0]], np.float32)


def batch(steps, length):
    return {"steps": tf.constant(steps), "length": tf.constant(length, tf.int64)}


def test_numbers_after_the_end_do_not_count():
    model = Mean(4, 0.5)
    noisy = STEPS.copy()
    noisy[0, 3] = 99.0
    answer = model(batch(STEPS, [3])).numpy()
    assert answer.shape == (1,)
    assert model(batch(noisy, [3])).numpy() == pytest.approx(answer)
    assert model(batch(noisy, [4])).numpy() != pytest.approx(answer)


def test_only_training_sees_noise():
    record = batch(STEPS[0], 4) | {"target": tf.constant(1.5)}
    seed = tf.constant([1, 2])
    assert feed(None, None, False)(record, seed)["steps"].numpy().tolist() == STEPS[0].tolist()
    assert feed(None, None, True)(record, seed)["steps"].numpy().tolist() != STEPS[0].tolist()


def test_the_endpoint_answers_as_the_model_does():
    model = Mean(4, 0.5)
    function, signature = endpoints(None, model, None)["serving_default"]
    assert [spec.name for spec in signature] == ["steps", "length"]
    given = batch(STEPS, [3])
    assert function(**given)["mean"].numpy() == pytest.approx(model(given).numpy())
