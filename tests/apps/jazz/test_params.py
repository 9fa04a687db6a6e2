"""Tables that cannot work are refused."""

import pytest
from pydantic import ValidationError

from seqapps.apps.jazz.params import Predict, Train
from tests.apps.jazz.conftest import TABLE


@pytest.mark.parametrize(
    ("key", "value"),
    [("cell", "transformer"), ("window_notes", 7), ("transpose_semitones", 7), ("dropout", 1.0)],
)
def test_a_value_outside_its_range_is_refused(key, value):
    with pytest.raises(ValidationError, match=key):
        Train(**TABLE | {key: value})


@pytest.mark.parametrize("meter", ["4", "four/4", "4/4/4"])
def test_a_meter_is_two_numbers(meter):
    with pytest.raises(ValidationError, match="meter"):
        Predict(meter=meter)
