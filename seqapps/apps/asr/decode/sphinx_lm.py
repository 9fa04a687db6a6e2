"""The general English that PocketSphinx's wheel holds: its bigrams of words, read from the file.

Its library answers single questions (`NGramModel.prob`) and cannot list what it knows, so the file
is read here. All numbers are little-endian. After the line "Trie Language Model" and the order, 3,
in one byte: how many n-grams of each order (uint32), 1 for values of 16 bits (uint32), a table of
2^16 floats for each of the bigrams' log-probabilities, their back-offs and the trigrams'
log-probabilities; a record of each word and one more (float log-probability, float back-off, uint32
first bigram); then the bigrams as packed bits: the word before, back-off, log-probability, first
trigram; then the trigrams; the length of what follows (uint32), and the words, each closed by a
zero byte. The bigrams of a record are those that end with its word.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from pocketsphinx import get_model_path

MAGIC = b"Trie Language Model\x03"
VALUES = 1 << 16
VALUE_BITS = 16
UNIT = np.float32(np.log(1.0001))
"""Chances are kept as logarithms to this base."""

RECORD = np.dtype([("log_prob", "<f4"), ("backoff", "<f4"), ("first", "<u4")])


class Bigrams(NamedTuple):
    """Natural logarithms, float32: `log_prob`, `backoff` (W,) of `words`; `pair_log_prob` (M,).

    `before` and `word` int64 (M,) number the words of each pair.
    """

    words: list[str]
    log_prob: np.ndarray
    backoff: np.ndarray
    before: np.ndarray
    word: np.ndarray
    pair_log_prob: np.ndarray


def read() -> Bigrams:
    """The bigrams of the US English model.

    Raises:
        ValueError: the file does not begin as this module says.
    """
    content = Path(get_model_path("en-us/en-us.lm.bin")).read_bytes()
    if not content.startswith(MAGIC):
        raise ValueError("en-us.lm.bin: not a trie of trigrams")
    at = len(MAGIC)
    count, pair_count, triple_count, kind = np.frombuffer(content, "<u4", 4, at)
    if kind != 1:
        raise ValueError("en-us.lm.bin: values are not of 16 bits")
    tables = np.frombuffer(content, "<f4", 3 * VALUES, at + 16)
    at += 16 + tables.nbytes
    records = np.frombuffer(content, RECORD, count + 1, at)
    at += records.nbytes
    word_bits, next_bits = int(count).bit_length(), int(triple_count).bit_length()
    bits = word_bits + 2 * VALUE_BITS + next_bits
    used = int(records["first"][-1])  # a few places at the end are empty
    start = 8 * at + bits * np.arange(used, dtype=np.int64)
    packed = np.frombuffer(content, np.uint8)
    before = _field(packed, start, width=word_bits)
    value = _field(packed, start + word_bits + VALUE_BITS, width=VALUE_BITS)
    at += _size(pair_count, bits) + _size(triple_count, word_bits + VALUE_BITS) + 4
    return Bigrams(
        words=content[at:-1].decode().split("\0"),
        log_prob=UNIT * records["log_prob"][:-1],
        backoff=UNIT * records["backoff"][:-1],
        before=before,
        word=np.repeat(np.arange(count), np.diff(records["first"].astype(np.int64))),
        pair_log_prob=UNIT * tables[:VALUES][value],
    )


def _size(entries: int, bits: int) -> int:
    """Bytes of a packed table: one entry more than it holds, and eight bytes to read across."""
    return (int(entries + 1) * bits + 7) // 8 + 8


def _field(packed: np.ndarray, start: np.ndarray, *, width: int) -> np.ndarray:
    """Numbers int64 of `width` <= 24 bits that begin at bits `start`."""
    first = start >> 3
    whole = sum(packed[first + byte].astype(np.int64) << (8 * byte) for byte in range(4))
    return (whole >> (start & 7)) & ((1 << width) - 1)
