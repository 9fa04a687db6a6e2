"""Sequences: read in bounded memory, cleaned, hashed, cropped and shuffled.

A sequence is a `str`; a base is one of A, C, G, T, or N where it is not known.
"""

import hashlib
import io
import random
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO, NamedTuple, TypeVar, cast

from seqapps.config import UserError
from seqapps.kit import files

PIECE_BP = 1 << 20
"""At most this many characters of a line or record are held at once."""

COMPLEMENT = str.maketrans("ACGT", "TGCA")
AMBIGUOUS = "RYSWKMBDHV"
"""IUPAC codes that stand for several bases."""

CLEANED = str.maketrans("U" + AMBIGUOUS, "T" + "N" * len(AMBIGUOUS))
BASES = re.compile("[ACGTN]*")

Text = TypeVar("Text", str, bytes)


class Piece(NamedTuple):
    """Part of a FASTA record: `start` is its offset in bp, `last` says that the record ends."""

    header: str
    start: int
    sequence: str
    last: bool


def lines(path: Path, *, name: str = "") -> Iterator[tuple[int, str]]:
    r"""Each `(line number from 1, text)` of a text file, plain or compressed, without line ends.

    A line longer than `PIECE_BP` comes in several parts of the same number. The text is UTF-8, or
    UTF-16 if the file says so; a byte that is neither comes as its escape, such as `\xe9`.

    Args:
        path: the file.
        name: the file's name in messages, if not its path.

    Raises:
        UserError: the file is missing, unreadable, damaged, or holds zero bytes and so is no text.
    """
    name = name or path.as_posix()
    number, whole = 0, True
    with files.opened(path, name=name) as stream, _decoded(stream, path, name) as text_stream:
        while text := text_stream.readline(PIECE_BP):
            number += whole
            whole = text.endswith("\n")
            if "\0" in text:
                raise UserError(f"{name} line {number} holds zero bytes; wanted a text file")
            yield number, text.rstrip()


def rows(path: Path, *, name: str = "") -> Iterator[tuple[int, str]]:
    """Each `(line number, text)` that is not blank, cut off at `PIECE_BP` characters.

    A VCF of many samples has longer lines, but nothing that is read here lies so far out.
    """
    last = 0
    for number, text in lines(path, name=name):
        if text and number > last:
            yield number, text
        last = number


def fasta(path: Path, *, piece_bp: int, name: str = "") -> Iterator[Piece]:
    """The records of a FASTA file, plain or compressed; one longer than `piece_bp` in pieces.

    Raises:
        UserError: the file is empty, or does not begin with a `>` line.
    """
    header, header_line, start, held = None, 0, 0, ""
    for number, text in lines(path, name=name):
        if header is not None and number == header_line:
            continue  # the rest of a header longer than a piece
        if text.startswith(">"):
            if header is not None:
                yield Piece(header, start, held, True)
            header, header_line, start, held = text[1:].strip(), number, 0, ""
            continue
        if header is None:
            _expect_blank(name or path.as_posix(), number, text=text)
            continue
        held += text
        while len(held) > piece_bp:
            yield Piece(header, start, held[:piece_bp], False)
            start, held = start + piece_bp, held[piece_bp:]
    if header is None:
        raise UserError(
            f"{name or path.as_posix()} is empty; wanted FASTA: a line '>name', then its sequence"
        )
    yield Piece(header, start, held, True)


def clean(text: str) -> str:
    """The sequence in upper case, U as T, IUPAC codes for several bases as N; other letters stay.

    >>> clean("acRuJ")
    'ACNTJ'
    """
    if text.isascii():  # the upper case of "ß" would be two bases
        text = text.upper()
    return text if BASES.fullmatch(text) else text.translate(CLEANED)


def foreign(sequence: str) -> str:
    """The first letter of a cleaned sequence that is no base, and its place; "" if all are.

    >>> foreign("ACJT")
    "'J' at place 3"
    """
    start = cast(re.Match, BASES.match(sequence)).end()
    return "" if start == len(sequence) else f"{sequence[start]!r} at place {start + 1}"


def refusal(sequence: str, window_bp: int) -> str | None:
    """Why a cleaned sequence cannot be used with a window of `window_bp`, or None if it can."""
    if not BASES.fullmatch(sequence):
        return "letters other than A, C, G, T, U, N"
    if len(sequence) < window_bp:
        return f"shorter than the window of {window_bp} bp"
    if 2 * sequence.count("N") > len(sequence):
        return "more than half of it is N"
    return None


def first_word(header: str) -> str:
    """The record's name: what stands before the first space or tab of its header."""
    return header.split(maxsplit=1)[0] if header else ""


def strand_free(sequence: str) -> str:
    """The sequence or its reverse complement, whichever is first in the alphabet."""
    return min(sequence, sequence.translate(COMPLEMENT)[::-1])


def number(text: str) -> int:
    """A 64-bit hash of `text`: the same in every process and on every machine."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def crop(sequence: Text, width: int) -> Text:
    """The middle `width` bases, as str or bytes; `crop("ACGTA", 3)` is "CGT"."""
    start = (len(sequence) - width) // 2
    return sequence[start : start + width]


def shuffle(sequence: str, rng: random.Random) -> str:
    """A random sequence with exactly the dinucleotides of `sequence`, each equally likely.

    Runs of N stay where they are and what lies between them is shuffled on its own; each part keeps
    its first and last base. An Euler walk (Altschul & Erickson, Mol Biol Evol 2:526, 1985) whose
    last exits are drawn with Wilson's algorithm (Propp & Wilson, J Algorithms 27:170, 1998).
    """
    parts: Iterable[str] = re.findall("N+|[^N]+", sequence)
    return "".join(part if part[0] == "N" else _euler_walk(part, rng) for part in parts)


def _euler_walk(sequence: str, rng: random.Random) -> str:
    followers: dict[str, list[str]] = {}
    for base, follower in zip(sequence, sequence[1:], strict=False):
        followers.setdefault(base, []).append(follower)
    exits = _last_exits(followers, sequence[-1], rng)
    for base, order in followers.items():
        if base in exits:
            order.remove(exits[base])
        order.sort(key=lambda _: rng.random())
        order += exits.get(base, "")
    moves = {base: iter(order) for base, order in followers.items()}
    walk = [sequence[0]]
    for _ in range(len(sequence) - 1):
        walk.append(next(moves[walk[-1]]))
    return "".join(walk)


def _last_exits(followers: dict[str, list[str]], root: str, rng: random.Random) -> dict[str, str]:
    """The base by which the walk leaves each base for the last time: a random tree towards root."""
    exits: dict[str, str] = {}
    rooted = {root}
    for base in followers:
        here = base
        while here not in rooted:
            exits[here] = rng.choice(followers[here])
            here = exits[here]
        here = base
        while here not in rooted:
            rooted.add(here)
            here = exits[here]
    return exits


def _decoded(stream: IO[bytes], path: Path, name: str) -> io.TextIOWrapper:
    stat = path.stat()
    encoding = _encoding(path, name, (stat.st_size, stat.st_mtime_ns))
    return io.TextIOWrapper(cast(io.BufferedReader, stream), encoding, "backslashreplace")


@lru_cache(maxsize=64)
def _encoding(path: Path, name: str, stamp: tuple[int, int]) -> str:
    """The file's encoding by its first bytes; said, once, if it is not UTF-8."""
    del stamp
    with files.opened(path, name=name) as stream:
        encoding = files.decoded(stream.read(files.GUESSED_BYTES)).encoding
    if not encoding.startswith(("utf-16", "utf-32")):
        return "utf-8-sig"
    print(f"{name} is read as {encoding.upper()}")
    return encoding


def _expect_blank(name: str, number: int, *, text: str) -> None:
    if text:
        raise UserError(
            f"{name} line {number} is {text[:40]!r}; wanted FASTA, whose records begin with a line "
            "'>name'"
        )
