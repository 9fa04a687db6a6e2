"""The `pyfunc` model that MLflow runs: a registered SavedModel, called as by the server.

MLflow copies this file into the model, beside the SavedModel and the few modules it needs, so a
registered model answers without this project. Only this module and `mlflow_store` import MLflow.
"""

from pathlib import Path
from typing import Any

import mlflow.models
import mlflow.pyfunc
import pandas as pd

from seqapps.artifacts import json_codec, saved_model


class SavedModelPredictor:
    """The endpoint `serving_default` of an exported SavedModel, with the methods MLflow calls.

    The methods are not in a subclass of MLflow's class: there MLflow would ask for type hints, and
    derive a schema from them that refuses a table or a dict.
    """

    def load_context(self, context: Any) -> None:
        """Loads the SavedModel."""
        self.model = saved_model.SavedModel(Path(context.artifacts["model"]))

    def predict(self, context, model_input, params=None):
        """The answers, one per row of the input: columns as a dict or DataFrame, or a list of rows.

        Raises:
            BadRequest: the input does not fit the endpoint.
        """
        del context, params
        endpoint = self.model.endpoint(None)
        if isinstance(model_input, pd.DataFrame):
            columns = {str(name): list(values) for name, values in model_input.items()}
        elif isinstance(model_input, dict):
            columns = model_input
        else:
            columns = json_codec.columns_of(list(model_input), endpoint.inputs)
        return json_codec.rows_of(endpoint(columns))


class PyfuncModel(SavedModelPredictor, mlflow.pyfunc.PythonModel):  # pyright: ignore[reportPrivateImportUsage]
    """The predictor as MLflow's `pyfunc`."""


mlflow.models.set_model(PyfuncModel())
