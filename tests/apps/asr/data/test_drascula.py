"""Drascula's table of lines: hand-made bytes and refusals."""

import struct

import pytest

from seqapps.apps.asr.data import drascula
from seqapps.config import UserError


def drascula_block(texts):
    """A block as the game has it: the two bytes before a text say how far the next one lies."""
    block = struct.pack(">HH", 0, 4) + b"\0\0"
    for text in texts:
        raw = text.encode("cp850") + b"\0"
        block += struct.pack(">H", len(raw) + 2) + raw
    return block


def drascula_table(tables):
    """`drascula.dat` with texts: one (EN, ES) pair of lists for each prefix."""
    out = drascula.MAGIC.ljust(drascula.TEXTS_AT, b"\0")
    for english, spanish in tables:
        out += struct.pack(">H", len(english) + 1)
        for column in range(drascula.COLUMNS):
            block = drascula_block([english, spanish][column]) if column < 2 else b""
            out += struct.pack(">H", len(block)) + block
    return out


def test_drasculas_table_gives_each_line_in_both_languages():
    tables = [(["HELLO", "BYE"], ["HOLA", "ADIÓS"])] + [(["X"], ["Y"])] * 9
    texts = drascula.texts(drascula_table(tables))
    assert texts["", 0] == {"en": "", "es": ""}
    assert texts["", 1] == {"en": "HELLO", "es": "HOLA"}
    assert texts["", 2] == {"en": "BYE", "es": "ADIÓS"}
    assert texts["VB", 1] == {"en": "X", "es": "Y"}


def test_another_file_under_drasculas_name_is_refused():
    with pytest.raises(UserError, match="DRASCULA"):
        drascula.texts(b"NOT IT".ljust(9000, b"\0"))
