"""JASPAR: transcription-factor motifs out of the database's SQLite file."""

import sqlite3
from contextlib import closing
from typing import Any

VERTEBRATE_CORE = """
    SELECT m.ID, m.BASE_ID || '.' || m.VERSION, m.NAME FROM MATRIX m
    JOIN MATRIX_ANNOTATION a ON a.ID = m.ID AND a.TAG = 'tax_group' AND a.VAL = 'vertebrates'
    WHERE m.COLLECTION = 'CORE' AND m.VERSION =
        (SELECT MAX(n.VERSION) FROM MATRIX n WHERE n.BASE_ID = m.BASE_ID AND n.COLLECTION = 'CORE')
    ORDER BY m.BASE_ID
"""


def matrices(database: bytes) -> dict[str, dict[str, Any]]:
    """The latest vertebrate CORE matrices of a JASPAR SQLite file.

    Returns:
        `{"MA0139.2": {"name": "CTCF", "family": "...", "matrix": [[...], [...], [...], [...]]}}`;
        the matrix holds counts, 4 rows (A, C, G, T) by as many columns as the motif is long.
        Families of a complex of factors are joined by "::".
    """
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(database)
        return {
            name: {
                "name": factor,
                "family": "::".join(_family(connection, key)),
                "matrix": _matrix(connection, key),
            }
            for key, name, factor in connection.execute(VERTEBRATE_CORE).fetchall()
        }


def _family(connection: sqlite3.Connection, key: int) -> list[str]:
    query = "SELECT VAL FROM MATRIX_ANNOTATION WHERE ID = ? AND TAG = 'family' ORDER BY VAL"
    return [value for (value,) in connection.execute(query, (key,))]


def _matrix(connection: sqlite3.Connection, key: int) -> list[list[float]]:
    query = "SELECT val FROM MATRIX_DATA WHERE ID = ? AND row = ? ORDER BY col"
    return [[value for (value,) in connection.execute(query, (key, base))] for base in "ACGT"]
