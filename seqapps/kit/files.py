"""Files that users bring: found, decompressed and decoded in one way for every application.

What a file begins with decides how it is read; its name decides nothing.
"""

import bz2
import codecs
import gzip
import lzma
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from seqapps.app import UserFile
from seqapps.config import UserError

COMPRESSED = {
    b"\x1f\x8b": ("gzip", gzip.open),
    b"BZh": ("bzip2", bz2.open),
    b"\xfd7zXZ\x00": ("xz", lzma.open),
}
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # begins as UTF-16's mark does, so it comes first
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
GUESSED_BYTES, ZERO_SHARE = 1024, 0.3


class Text(NamedTuple):
    r"""Decoded text whose lines end in "\n", and the encoding it was in."""

    text: str
    encoding: str


def listed(paths: Iterable[Path]) -> list[UserFile]:
    """The files of paths and of the folders among them, sorted within a folder, hidden ones not.

    A file is named after its path below the folder; names that would be alike are whole paths.

    Raises:
        UserError: there is no such file or folder, or a folder without a file.
    """
    files: list[UserFile] = []
    for path in paths:
        if not path.exists():
            raise UserError(f"INPUT={path}: no such file or folder")
        if not path.is_dir():
            files.append(UserFile(path, path.name))
            continue
        below = sorted(p.relative_to(path) for p in path.rglob("*") if p.is_file())
        shown = [p for p in below if not any(part.startswith(".") for part in p.parts)]
        if not shown:
            raise UserError(f"INPUT={path}: the folder holds no file")
        files += [UserFile(path / p, p.as_posix()) for p in shown]
    counts = Counter(file.name for file in files)
    return [f if counts[f.name] == 1 else UserFile(f.path, f.path.as_posix()) for f in files]


@contextmanager
def opened(path: Path, *, name: str = "") -> Iterator[IO[bytes]]:
    """The bytes of a file as a stream, decompressed if it begins as gzip, bzip2 or xz does.

    Args:
        path: the file.
        name: the user's word for it in messages (`UserFile.name`), if that is not its path.

    Raises:
        UserError: it may not be read, or its compression is damaged or cut short.
    """
    name = name or path.as_posix()
    try:
        with path.open("rb") as raw:
            begin = raw.read(8)
    except OSError as error:
        raise UserError(f"{name} cannot be read: {error.strerror}") from None
    kind, opener = next(
        (known for magic, known in COMPRESSED.items() if begin.startswith(magic)), ("", open)
    )
    with opener(path, "rb") as stream:
        try:
            yield stream
        except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
            raise _damaged(name, kind) from error
        except OSError as error:
            if kind != "bzip2" or error.errno is not None:
                raise
            raise _damaged(name, kind) from error


def content(path: Path, *, name: str = "") -> bytes:
    """All bytes of a file, decompressed; see `opened`."""
    with opened(path, name=name) as stream:
        return stream.read()


def text(path: Path, *, name: str = "", fallback: str = "cp1252") -> Text:
    """The text of a file, decompressed and decoded; see `opened` and `decoded`.

    Raises:
        UserError: it cannot be read, or it holds zero bytes and so is no text.
    """
    read = decoded(content(path, name=name), fallback=fallback)
    if "\0" in read.text:
        raise UserError(f"{name or path.as_posix()} holds zero bytes; wanted a text file")
    return read


def decoded(content: bytes, *, fallback: str = "cp1252") -> Text:
    r"""The text of bytes: by their mark, else as UTF-8, else as `fallback`; lines end in "\n".

    UTF-16 without a mark is known by its many zero bytes. A byte that the fallback does not know is
    read as Latin-1.

    >>> decoded("señor\r\n".encode("cp1252"))
    Text(text='señor\n', encoding='cp1252')
    """
    for mark, encoding in MARKS.items():
        if content.startswith(mark):
            return Text(_lines(content.decode(encoding, "replace")), encoding)
    begin = content[:GUESSED_BYTES]
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros, others = begin[first::2].count(0), begin[1 - first :: 2].count(0)
        if zeros > ZERO_SHARE * len(begin) / 2 > others:
            return Text(_lines(content.decode(encoding, "replace")), encoding)
    for encoding in ("utf-8", fallback):
        try:
            return Text(_lines(content.decode(encoding)), encoding)
        except UnicodeDecodeError:
            continue
    return Text(_lines(content.decode("latin-1")), "latin-1")


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _damaged(name: str, kind: str) -> UserError:
    return UserError(f"{name} is {kind} that is damaged or cut short; compress it anew")
