"""Tables that cannot work are refused."""

import pytest

from seqapps.apps.finance.params import Preprocess
from seqapps.config import UserError
from tests.apps.finance.conftest import SPLIT, TRAIN
from tests.apps.finance.test_protocol import BAO


def test_a_leaking_network_needs_leaking_windows():
    from seqapps.apps.finance.params import Params

    tables = {
        "ingest": {},
        "preprocess": SPLIT | {"leaky_windows": False},
        "train": TRAIN | {"compare": ["lstm/full_leaky"]},
        "evaluate": {},
    }
    with pytest.raises(UserError, match="leaky_windows = true"):
        Params.model_validate(tables)


def test_a_first_day_inside_a_month_is_refused():
    import pytest

    with pytest.raises(ValueError, match="first of a month"):
        Preprocess(**BAO | {"test_from": "2010-10-04"})
