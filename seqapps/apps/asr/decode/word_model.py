"""A bigram model of words that a graph can ask with two searches in sorted arrays.

Counts of the train lines are laid over general English as pseudo-counts (MacKay & Peto 1995):
P(w) = (n(w) + K G(w)) / (N + K) and P(w | v) = (n(v, w) + k G(w | v)) / (n(v) + k), where G is the
general model, whose pairs PocketSphinx's wheel holds; Spanish has general words, and no pairs. Only
pairs that either model knows are kept; for another one P(w | v) = b(v) P(w).

Axis letters: W words, M pairs of words, B batch, K beams, H beginnings of biasing words.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from seqapps.apps.asr.decode import sphinx_lm

PRIME = 1_000_003
"""Texts are known by a polynomial hash of their letters modulo 2^64, the empty one by 0."""

WORD_PRIOR, PAIR_PRIOR = 20_000.0, 100.0
"""K and k: how many seen words the general model counts for."""

UNKNOWN = np.log(1e-2)
"""Of a word that neither model knows: added to what the model of characters says of its letters."""

RAREST_PAIR = np.log(1e-7)
"""General pairs whose words follow each other less often than this are left to the back-off."""

BEGINNING = "<s>"


class General(NamedTuple):
    """Natural logarithms: of words, of what a word leaves to unknown pairs, and of pairs."""

    words: dict[str, float]
    backoff: dict[str, float]
    pairs: dict[tuple[str, str], float]


@dataclass(frozen=True)
class WordModel:
    """Words are numbered in the order of their hashes; W is an unknown one, W + 1 the beginning.

    `hashes` int64 (W,) sorted, `log_prob` float32 (W + 1,), `backoff` float32 (W + 2,), `pairs`
    int64 (M,) sorted: (number of the word before) (W + 1) + number of the word; `pair_log_prob`
    float32 (M,).
    """

    hashes: np.ndarray
    log_prob: np.ndarray
    backoff: np.ndarray
    pairs: np.ndarray
    pair_log_prob: np.ndarray

    @property
    def beginning(self) -> int:
        """The number of what stands before the first word."""
        return len(self.hashes) + 1

    def read(self, before: tf.Tensor, hashes: tf.Tensor, *, char_lm_score: tf.Tensor):
        """Log-probability float32 (B, K) of words after others, and their numbers int32 (B, K).

        Args:
            before: int32 (B, K), numbers of the words before.
            hashes: int64 (B, K) of the words.
            char_lm_score: float32 (B, K), log-probability of their letters in the character model,
                which is all there is for an unknown word.
        """
        index, known = found_in(self.hashes, hashes)
        number = tf.where(known, index, len(self.hashes))
        alone = tf.gather(self.backoff, before) + tf.gather(self.log_prob, number)
        alone += tf.where(known, 0.0, char_lm_score)
        pair = tf.cast(before, tf.int64) * (len(self.hashes) + 1) + tf.cast(number, tf.int64)
        index, known = found_in(self.pairs, pair)
        return tf.where(known, tf.gather(self.pair_log_prob, index), alone), number

    def save(self, path: Path) -> None:
        """Writes the arrays as npz."""
        np.savez_compressed(path, **vars(self))


def load(path: Path) -> WordModel:
    """The model that `save` wrote."""
    with np.load(path) as saved:
        return WordModel(**saved)


def fit(texts: Iterable[str], letters: str, general: General) -> WordModel:
    """The model of normalised texts over a general one, whose unspellable words are left out."""
    lines = [[BEGINNING, *text.split()] for text in texts]
    alone = {word for line in lines for word in line[1:]}
    words = [w for w in {*alone, *general.words} if w and set(w) <= set(letters)]
    hash_of = dict(zip(words, hashes_of(words, letters).tolist(), strict=True))
    words.sort(key=lambda word: hash_of[word])
    model = laid_over(general, lines, words=words)
    number = {word: index for index, word in enumerate(words)} | {BEGINNING: len(words) + 1}
    keys = [number[a] * (len(words) + 1) + number[b] for a, b in model.pairs]
    order = np.argsort(np.array(keys, np.int64))
    return WordModel(
        hashes=np.array([hash_of[word] for word in words], np.int64),
        log_prob=np.array([*(model.words[word] for word in words), UNKNOWN], np.float32),
        backoff=np.array(
            [*(model.backoff[word] for word in words), 0.0, model.backoff[BEGINNING]], np.float32
        ),
        pairs=np.array(keys, np.int64)[order],
        pair_log_prob=np.array([*model.pairs.values()], np.float32)[order],
    )


def laid_over(general: General, lines: list[list[str]], *, words: Iterable[str]) -> General:
    """The model of some words: counts of lines, each from `BEGINNING` on, over the general one."""
    alone = Counter(word for line in lines for word in line[1:])
    before = Counter(word for line in lines for word in line[:-1])
    together = Counter(pair for line in lines for pair in zip(line[:-1], line[1:], strict=True))
    prior = WORD_PRIOR if general.words else 0.0
    total = sum(alone.values()) + prior
    known = {*words, BEGINNING}

    def log_prob(word: str) -> float:
        general_weight = prior * np.exp(general.words[word]) if word in general.words else 0.0
        return np.log((alone[word] + general_weight) / total)

    def left(word: str) -> float:
        return np.log(PAIR_PRIOR / (before[word] + PAIR_PRIOR)) + general.backoff.get(word, 0.0)

    def pair_log_prob(pair: tuple[str, str]) -> float:
        first, word = pair
        other = general.backoff.get(first, 0.0) + log_prob(word)
        general_weight = PAIR_PRIOR * np.exp(general.pairs.get(pair, other))
        return np.log((together[pair] + general_weight) / (before[first] + PAIR_PRIOR))

    pairs = {*together, *general.pairs}
    pairs = [pair for pair in pairs if {*pair} <= known and pair[1] != BEGINNING]
    return General(
        {word: log_prob(word) for word in known if word != BEGINNING},
        {word: left(word) for word in known},
        {pair: pair_log_prob(pair) for pair in pairs},
    )


def general(language: str, words: Mapping[str, float]) -> General:
    """General English or Spanish: word weights and bigrams beside the train lines.

    Args:
        language: for English, words and pairs come from PocketSphinx's model.
        words: for others, words -> how often they count.
    """
    if language != "en" or not words:
        total = sum(words.values())
        return General({word: np.log(count / total) for word, count in words.items()}, {}, {})
    bigrams = sphinx_lm.read()
    often = bigrams.log_prob[bigrams.before] + bigrams.pair_log_prob > RAREST_PAIR
    often |= bigrams.before == bigrams.words.index(BEGINNING)
    columns = (bigrams.before[often], bigrams.word[often], bigrams.pair_log_prob[often])
    return General(
        dict(zip(bigrams.words, bigrams.log_prob.tolist(), strict=True)),
        dict(zip(bigrams.words, bigrams.backoff.tolist(), strict=True)),
        {
            (bigrams.words[before], bigrams.words[word]): log_prob
            for before, word, log_prob in zip(*(c.tolist() for c in columns), strict=True)
        },
    )


def hot_hashes(words: tf.Tensor, letters: str) -> tuple[tf.Tensor, tf.Tensor]:
    """`begun`, `whole` int64 (B, H) of strings (B,) of normalised words separated by spaces."""
    signs = tf.strings.unicode_split(tf.strings.join([words, " "]), "UTF-8")
    signs = signs.to_tensor(default_value=" ")
    known = signs[:, :, None] == tf.constant(list(letters))
    begun = begun_words(tf.argmax(known, axis=-1), signs == " ")
    last = tf.pad((signs == " ")[:, 1:], [[0, 0], [0, 1]], constant_values=True)
    return begun, tf.where(last, begun, tf.zeros_like(begun))


def begun_words(letters: tf.Tensor, space: tf.Tensor) -> tf.Tensor:
    """The hash int64 (B, U) of the word begun, after each of the letters int64 (B, U).

    It is 0 where `space`, bool (B, U).
    """

    def add(before: tf.Tensor, now: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        letter, is_space = now
        return tf.where(is_space, tf.zeros_like(before), before * PRIME + letter + 1)

    nothing = tf.zeros([tf.shape(letters)[0]], tf.int64)
    grown = tf.scan(add, (tf.transpose(letters), tf.transpose(space)), nothing)
    return tf.transpose(grown)


def hashes_of(words: list[str], letters: str) -> np.ndarray:
    """Hashes int64 (M,) of M words, as the search makes them letter by letter."""
    hashes = []
    for word in words:
        value = 0
        for letter in word:
            value = (value * PRIME + letters.index(letter) + 1) % 2**64
        hashes.append(value - 2**64 if value >= 2**63 else value)
    return np.array(hashes, np.int64)


def found_in(ordered: np.ndarray, wanted: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Insertion points int32 of int64 (B, K) in sorted int64 (M,), and bool: present there."""
    values = tf.constant(ordered)
    index = tf.searchsorted(values, tf.reshape(wanted, [-1]))
    index = tf.reshape(tf.minimum(index, len(ordered) - 1), tf.shape(wanted))
    return index, tf.gather(values, index) == wanted
