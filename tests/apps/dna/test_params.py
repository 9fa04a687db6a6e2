"""Parameters of dna."""

import pytest

from seqapps import config
from seqapps.apps.dna.params import Ingest, Train
from tests.apps.dna.test_model import SMALL


def test_factors_are_labelled_in_the_listed_order_and_a_users_in_the_order_of_his_files():
    asked = Ingest(factors=("tap73", "oct4"))
    assert asked.names == ("oct4", "tap73")
    own = Ingest(source="user", files={"tal1": "t.fa", "gata1": "g.fa"})
    assert own.names == ("tal1", "gata1")


def test_train_table_refuses_an_unknown_kind():
    with pytest.raises(ValueError, match="kind"):
        Train(**SMALL | {"kind": "transformer"})
    assert issubclass(Train, config.Train)
