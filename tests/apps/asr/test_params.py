"""Tables that cannot work are refused."""

import pytest

from seqapps.config import UserError
from tests.apps.asr.conftest import parameters


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"source": "user"}, "ingest.folder"),
        ({"corpora": ["tuxpaint"]}, "spoken in Spanish"),
        ({"extra_train_corpora": ["amazon_queen"], "language": "es"}, "amazon_queen is English"),
    ],
)
def test_a_table_that_cannot_work_is_refused(table, message):
    with pytest.raises(UserError, match=message):
        parameters(ingest=table)
