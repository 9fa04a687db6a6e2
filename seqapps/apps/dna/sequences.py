"""Sequences: read in bounded memory, cleaned, hashed, cropped and shuffled.

A sequence is a `str`; a base is one of A, C, G, T, or N where it is not known.
"""

import gzip
import hashlib
import random
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TextIO, TypeVar

from seqapps.config import UserError

PIECE_BP = 1 << 20
"""At most this many characters of a line or record are held at once."""

COMPLEMENT = str.maketrans("ACGT", "TGCA")
AMBIGUOUS = str.maketrans("RYSWKMBDHV", "N" * 10)  # IUPAC codes that stand for several bases
BASES = re.compile("[ACGTN]*")
GZIP_MAGIC = b"\x1f\x8b"

Text = TypeVar("Text", str, bytes)


class Piece(NamedTuple):
    """Part of a FASTA record: `start` is its offset in bp, `last` says that the record ends."""

    header: str
    start: int
    sequence: str
    last: bool


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Each `(line number from 1, text)` of a plain or gzip file, without the line's end.

    A line longer than `PIECE_BP` comes in several parts of the same number.

    Raises:
        UserError: the file is missing, unreadable, or its gzip stream is broken.
    """
    number, whole = 0, True
    try:
        with _open(path) as file:
            while text := file.readline(PIECE_BP):
                number += whole
                whole = text.endswith("\n")
                yield number, text.rstrip()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(
            f"{path}: the gzip stream breaks after line {number} ({error}); the file was cut short "
            "or damaged: copy it again"
        ) from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; give a file that can") from None


def rows(path: Path) -> Iterator[tuple[int, str]]:
    """Each `(line number, text)` that is not blank, cut off at `PIECE_BP` characters.

    A VCF of many samples has longer lines, but nothing that is read here lies so far out.
    """
    last = 0
    for number, text in lines(path):
        if text and number > last:
            yield number, text
        last = number


def fasta(path: Path, *, piece_bp: int) -> Iterator[Piece]:
    """The records of a plain or gzip FASTA file; one longer than `piece_bp` in several pieces.

    Raises:
        UserError: the file is empty, or does not begin with a `>` line.
    """
    header, start, held = None, 0, ""
    for number, text in lines(path):
        if text.startswith(">"):
            if header is not None:
                yield Piece(header, start, held, True)
            header, start, held = text[1:].strip(), 0, ""
            continue
        if header is None:
            _expect_blank(path, number, text)
            continue
        held += text
        while len(held) > piece_bp:
            yield Piece(header, start, held[:piece_bp], False)
            start, held = start + piece_bp, held[piece_bp:]
    if header is None:
        raise UserError(f"{path} is empty; wanted FASTA: a line '>name', then its sequence")
    yield Piece(header, start, held, True)


def clean(text: str) -> str:
    """The sequence in upper case, IUPAC codes for several bases as N; other letters stay."""
    text = text.upper()
    return text if BASES.fullmatch(text) else text.translate(AMBIGUOUS)


def refusal(sequence: str, window_bp: int) -> str | None:
    """Why a cleaned sequence cannot be used with a window of `window_bp`, or None if it can."""
    if not BASES.fullmatch(sequence):
        return "letters other than A, C, G, T, N"
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


def is_gzip(path: Path) -> bool:
    """True if the file's first bytes are gzip's."""
    with path.open("rb") as file:
        return file.read(2) == GZIP_MAGIC


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


def _open(path: Path) -> TextIO:
    # Latin-1 reads any byte, so that a binary file is refused by its letters and not by a codec.
    if is_gzip(path):
        return gzip.open(path, "rt", encoding="latin-1")  # pyright: ignore[reportReturnType] "rt" gives text
    return path.open(encoding="latin-1")


def _expect_blank(path: Path, number: int, text: str) -> None:
    if text:
        raise UserError(
            f"{path} line {number} is {text[:40]!r}; wanted FASTA, whose records begin with a line "
            "'>name'"
        )
