"""Matrices of JASPAR."""

from seqapps.apps.dna import jaspar
from tests.apps.dna.test_ingest import database


def test_jaspar_takes_the_latest_core_vertebrate_version():
    assert jaspar.matrices(database()) == {
        "MA0001.10": {
            "name": "NEW",
            "family": "POU::SOX",
            "matrix": [[1.0, 5.0], [2.0, 6.0], [3.0, 7.0], [4.0, 8.0]],
        }
    }
