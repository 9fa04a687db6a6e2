"""Tables that cannot work are refused."""

import pytest

from seqapps.apps.captioning.params import Ingest


def test_only_flags_are_drawn_again():
    with pytest.raises(ValueError, match='set source = "flags"'):
        Ingest(source="tuxpaint", extra_train_images=("svg_country_flags",))
