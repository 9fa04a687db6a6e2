"""What MLflow runs inside a registered model: the SavedModel, asked as our server asks it.

MLflow copies this file into the model, beside the SavedModel and the few modules it needs, so a
registered model answers without this project. With `tracking` the only module that knows MLflow.
"""

import warnings
from pathlib import Path
from typing import Any

import mlflow.models
import mlflow.pyfunc
import pandas as pd

from seqapps import served, wire

warnings.filterwarnings("ignore", ".*Add type hints to the `predict` method")


class Registered(mlflow.pyfunc.PythonModel):
    """The endpoint `serving_default` of an exported SavedModel as MLflow's `pyfunc`."""

    def load_context(self, context: Any) -> None:
        """Loads the SavedModel."""
        self.model = served.SavedModel(Path(context.artifacts["model"]))

    # Of type hints, which it asks for, MLflow would make a schema, and refuse a table or a dict.
    def predict(self, context, model_input, params=None):
        """The answers, a row for each row sent: columns as a dict or a table, or a list of rows.

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
            columns = wire.columns_of(list(model_input), endpoint.inputs)
        return wire.rows_of(endpoint(columns))


mlflow.models.set_model(Registered())
