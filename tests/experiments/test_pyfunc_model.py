"""The predictor that MLflow loads, in every form in which rows are sent."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from seqapps.artifacts.json_codec import BadRequest

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own, when it is imported


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    """A predictor of `doubled` = 2 * `value`."""
    from seqapps.experiments.pyfunc_model import SavedModelPredictor

    folder = tmp_path_factory.mktemp("model") / "1"
    spec = tf.TensorSpec([None], tf.float32, name="value")
    doubled = tf.function(lambda value: {"doubled": 2 * value}, input_signature=[spec])
    signature = doubled.get_concrete_function()
    tf.saved_model.save(tf.Module(), str(folder), signatures={"serving_default": signature})
    predictor = SavedModelPredictor()
    predictor.load_context(SimpleNamespace(artifacts={"model": str(folder)}))
    return predictor


@pytest.mark.parametrize(
    "rows",
    [
        pd.DataFrame({"value": [1.0, 2.5]}),
        {"value": np.array([1.0, 2.5], np.float32)},
        [{"value": 1.0}, {"value": 2.5}],
        [1.0, 2.5],
    ],
    ids=["table", "columns", "rows", "values"],
)
def test_every_form_of_the_same_rows_is_answered_alike(predictor, rows):
    assert predictor.predict(None, rows) == [2.0, 5.0]


def test_what_does_not_fit_is_refused(predictor):
    with pytest.raises(BadRequest, match="value"):
        predictor.predict(None, {"other": [1.0]})
