"""The files of the adventure game Drascula: its table of texts, and its clips."""

import io
import struct
import wave
from collections.abc import Iterator

from seqapps.config import UserError

TABLES = ("", "D", "B", "BJ", "E", "I", "L", "P", "T", "VB")
LANGUAGES = {"en": 0, "es": 1}
MAGIC, TEXTS_AT, COLUMNS = b"DRASCULA", 7253, 6
RATE_HZ, EDGE_BYTES = 11025, 32


def texts(table: bytes) -> dict[tuple[str, int], dict[str, str]]:
    """(prefix, number) -> language -> text, from `drascula.dat`.

    Raises:
        UserError: the file does not have the layout that is expected.
    """
    if table[:8] != MAGIC:
        raise UserError(f"drascula.dat begins with {table[:8]!r}, wanted {MAGIC!r}")
    by_line: dict[tuple[str, int], dict[str, str]] = {}
    at = TEXTS_AT
    for prefix in TABLES:
        (count,) = struct.unpack_from(">H", table, at)
        at += 2
        for column in range(COLUMNS):
            (size,) = struct.unpack_from(">H", table, at)
            block = table[at + 2 : at + 2 + size]
            at += 2 + size
            for language, wanted in LANGUAGES.items():
                if column == wanted:
                    for number, text in enumerate(_block(block, count)):
                        by_line.setdefault((prefix, number), {})[language] = text
    return by_line


def _block(block: bytes, count: int) -> Iterator[str]:
    """The texts of one language: the two bytes before a text say how far the next one lies."""
    yield ""
    at = 4
    for _ in range(1, count):
        (step,) = struct.unpack_from(">H", block, at - 2)
        at += step
        yield block[at : block.index(b"\0", at)].decode("cp850")


def wav(raw: bytes) -> bytes:
    """A WAV file of a clip: 8-bit samples between two edges that hold no sound."""
    body = raw[EDGE_BYTES:-EDGE_BYTES]
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(RATE_HZ)
        file.writeframes(body)
    return buffer.getvalue()
