"""Speech of the adventure game Flight of the Amazon Queen, read from its one file `queen.1c`.

The file begins with a table of the files it holds: `QTBL`, version (6 bytes), 2 bytes, how sounds
are packed, their number, and for each a name (12 bytes), a bundle, an offset and a size. Numbers
are big-endian. Texts lie in dialogues (*.DOG), in scenes (*.CUT) and, for what the hero says of
things, in QUEEN2.JAS. A `*` in a text ends a piece of it, and the two signs behind say how the
figure on the screen moves. Each spoken piece is an MP3 of 11,025 Hz, named after the place of its
text and the piece's number in base 16.
"""

import re
import struct
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from seqapps.config import UserError

MAGIC, PACKED_AT, COUNT_AT, TABLE_AT, ENTRY = b"QTBL", 12, 13, 15, ">12sBII"
MP3 = 1
HEADER_BYTES = 20
"""What dialogues and scenes begin with, before their numbers."""

LEVEL_BYTES = 96
"""A level of a dialogue: six choices of four numbers, each with two bytes before it."""

HERO, REMARKS, FIRST_REMARK = "joe", "QUEEN2.JAS", 41
MOVE = re.compile(r"\*(?:XY.{11}|..)", re.DOTALL)


class Piece(NamedTuple):
    """A spoken piece: `name` of its sound, who says it, its text and the bytes of its MP3."""

    name: str
    speaker: str
    text: str
    sound: bytes


def pieces(content: bytes) -> Iterator[Piece]:
    """The spoken pieces of `queen.1c`, by name; a name that stands for two texts is left out.

    Raises:
        UserError: the file does not have the layout that is expected.
    """
    files = _files(content)
    texts: defaultdict[str, set[tuple[str, str]]] = defaultdict(set)
    for name, body in files.items():
        stem, _, kind = name.rpartition(".")
        reader = {"DOG": _dialogue, "CUT": _scene}.get(kind)
        for prefix, speaker, text in reader(stem, body[HEADER_BYTES:]) if reader else ():
            _cut(texts, prefix, speaker=speaker, text=text)
    remarks = files.get(REMARKS, b"").decode("cp437").split("\r\n")
    for number, text in enumerate(remarks, start=FIRST_REMARK):
        _cut(texts, f"JOE{number:04d}", speaker=HERO, text=text)
    for name, candidates in sorted(texts.items()):
        if len(candidates) == 1 and name in files:
            [(speaker, text)] = candidates
            yield Piece(name.removesuffix(".SB"), speaker, text, files[name])


def _files(content: bytes) -> dict[str, bytes]:
    if content[:4] != MAGIC or content[PACKED_AT] != MP3:
        raise UserError(f"queen.1c begins with {content[:TABLE_AT]!r}, wanted QTBL and MP3 sounds")
    (count,) = struct.unpack_from(">H", content, COUNT_AT)
    files = {}
    for number in range(count):
        at = TABLE_AT + number * struct.calcsize(ENTRY)
        name, _, offset, size = struct.unpack_from(ENTRY, content, at)
        files[name.rstrip(b"\0").decode()] = content[offset : offset + size]
    return files


def _dialogue(stem: str, body: bytes) -> Iterator[tuple[str, str, str]]:
    levels, _, key, hero_count, person_count = struct.unpack_from(">5h", body)
    person_at, _, again_at = struct.unpack_from(">3H", body, 22)
    hero_at = 32 + abs(levels) * LEVEL_BYTES
    person = stem.rstrip("0123456789").lower()
    for letter, speaker, at, count in (
        ("J", HERO, hero_at, hero_count),
        ("P", person, person_at, person_count),
    ):
        for _ in range(count):
            (number,) = struct.unpack_from(">2xH", body, at)
            text, at = _string(body, at + 4, align=4)
            yield f"{key:2d}{number:4X}{letter}", speaker, text
    (without,) = struct.unpack_from(">2xH", body, hero_at)
    if not without:
        yield f"{key:2d}SSSSJ", HERO, _string(body, hero_at + 4)[0]
    text, at = _string(body, again_at)
    yield f"{key:2d}XXXXP", person, text
    yield f"{key:2d}XXXXJ", HERO, _string(body, at)[0]


def _scene(stem: str, body: bytes) -> Iterator[tuple[str, str, str]]:
    count, at = struct.unpack_from(">2xh4xH", body)
    _, at = _string(body, at)
    for number in range(1, abs(count) + 1):
        text, at = _string(body, at)
        yield f"{stem:_<5}{number:02d}", "scene", text


def _string(body: bytes, at: int, *, align: int = 2) -> tuple[str, int]:
    """The string at `at`, and where the next one lies."""
    length = body[at]
    if not length:
        return "", at + 1
    end = at + 1 + length
    return body[at + 1 : end].split(b"\0")[0].decode("cp437"), -(-end // align) * align


def _cut(texts: dict[str, set[tuple[str, str]]], prefix: str, *, speaker: str, text: str) -> None:
    for number, piece in enumerate(MOVE.split(text), start=1):
        if piece.strip(" 0"):
            texts[f"{prefix}{number:X}.SB".replace(" ", "0")].add((speaker, piece.strip()))
