import pytest
from pydantic import ValidationError

from tests.toy.params import Ingest, Train


def test_impossible_values_are_refused():
    with pytest.raises(ValidationError):
        Ingest(sequences=0)
    with pytest.raises(ValidationError, match="dropout"):
        Train(
            seed=1, epochs=1, batch_size=1, learning_rate=0.1, clip_norm=1, patience_epochs=1,
            units=1, dropout=1.0,
        )  # fmt: skip
