"""How words sound: what teaches the network's middle, and has a say in which text was heard.

English letters say little of their sounds, so a network with few hours to learn from learns sounds
sooner from their names. English words are looked up in CMU's pronouncing dictionary, as the wheel
of PocketSphinx holds it; a word's first pronunciation counts. Spanish is read by the rules of its
spelling.

Axis letters: R texts, B recordings, K texts of each, U letters, S steps, P phones.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import tensorflow as tf
from pocketsphinx import get_model_path

from seqapps.asr import ctc, word_model
from seqapps.asr.decoding import NEVER, Labels

UNKNOWN = "?"
"""The sound of a word that is not known or makes none, whatever it is."""

NAMES = {
    "en": (
        "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW "
        f"V W Y Z ZH {UNKNOWN}"
    ).split(),
    "es": [*"CRYabdefgijklmnoprstuzñ", UNKNOWN],
}
"""The phones of each language; a phone's place is its class, the blank's comes after the last.

The Spanish ones are letters of the alphabet, and C as in "mucho", R as in "perro", Y as in "ella".
"""

SPANISH = [
    ("ch", "C"),
    ("ll|y(?=[aeiou])", "Y"),
    ("rr|^r", "R"),
    ("h", ""),
    ("qu(?=[ei])|[kq]|c(?![ei])", "k"),
    ("c(?=[ei])", "z"),
    ("g(?=[ei])", "j"),
    ("gu(?=[ei])", "g"),
    ("v", "b"),
    ("y", "i"),
    ("w", "u"),
    ("x", "ks"),
]
"""Letters -> sounds, one rule after the other; "z" is kept from "s", as in Castilian."""

FILE = "phones.json"


def save(words: Iterable[str], language: str, out: Path) -> None:
    """Writes `phones.json`: each of normalised words -> its phones, separated by spaces."""
    if language == "en":
        said = _looked_up(set(words))
    else:
        said = {word: spoken(word) or UNKNOWN for word in words}
    (out / FILE).write_text(json.dumps(said, ensure_ascii=False, indent=0, sort_keys=True) + "\n")


def spoken(word: str) -> str:
    """The phones of a Spanish word: "quiero churros" is "k i e r o" and "C u R o s"."""
    for letters, sound in SPANISH:
        word = re.sub(letters, sound, word)
    return " ".join(word)


class Pronounced:
    """A normalised text, string () -> its phones, int64 (P,); an unknown word is one `UNKNOWN`."""

    def __init__(self, assets: Path, language: str):
        said, names = json.loads((assets / FILE).read_text()), NAMES[language]
        self.said = _table(list(said), list(said.values()), UNKNOWN)
        self.numbers = _table(names, tf.range(len(names), dtype=tf.int64), -1)

    def of(self, text: tf.Tensor) -> tf.Tensor:
        """See the class."""
        said = self.said.lookup(tf.strings.split(text))
        return self.numbers.lookup(tf.strings.split(tf.strings.reduce_join(said, separator=" ")))


class Judge:
    """How well texts sound like what was heard: log P(their phones) in the phones it named."""

    def __init__(self, assets: Path, language: str, letters: str):
        said, names = json.loads((assets / FILE).read_text()), NAMES[language]
        number = {name: place for place, name in enumerate(names)}
        hashes = word_model.hashes_of(list(said), letters)
        order = np.argsort(hashes)
        self.hashes, self.space = hashes[order], letters.index(" ")
        spoken = [[number[phone] for phone in word.split()] for word in said.values()]
        spoken = [spoken[place] for place in order] + [[number[UNKNOWN]]]
        self.phones = np.array([phone for word in spoken for phone in word], np.int32)
        self.lengths = np.array([len(word) for word in spoken])

    def opinion(self, texts: Labels, sounds: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
        """Log-probabilities float32 (B K,); of a text whose phones do not fit, hardly any.

        Args:
            texts: K for each recording, B K rows.
            sounds: float32 (B, S, P), log-probabilities of phones and a blank.
            steps: int32 (B,).
        """
        spoken = self.of(texts)
        phones = spoken.to_tensor()
        batch = tf.shape(sounds)[0]
        each = tf.shape(phones)[0] // batch
        phones = tf.reshape(phones, [batch, each, tf.shape(phones)[1]])
        counts = tf.reshape(tf.cast(spoken.row_lengths(), tf.int32), [batch, each])

        def of_one(row):
            sounds, steps, phones, counts = row
            heard = tf.tile(sounds[None], [each, 1, 1])
            costs, fits = ctc.costs(heard, tf.fill([each], steps), phones, counts)
            return tf.where(fits, -costs, NEVER)

        given = (sounds, steps, phones, counts)
        return tf.reshape(tf.map_fn(of_one, given, fn_output_signature=tf.float32), [-1])

    def of(self, texts: Labels) -> tf.RaggedTensor:
        """Phones int32 (R, P) of texts, one `UNKNOWN` for each word that is not known."""
        letters = tf.cast(tf.pad(texts.values, [[0, 0], [0, 1]]), tf.int64)
        own = tf.sequence_mask(texts.counts, tf.shape(letters)[1])
        space = ~own | (letters == self.space)
        begun = word_model.begun_words(letters, space)
        ended = space[:, 1:] & (begun[:, :-1] != 0)
        words = tf.ragged.boolean_mask(begun[:, :-1], ended)
        place, known = word_model.found_in(self.hashes, words.flat_values)
        words = words.with_flat_values(tf.where(known, place, len(self.hashes)))
        spoken = tf.RaggedTensor.from_row_lengths(self.phones, self.lengths)
        return tf.gather(spoken, words).merge_dims(1, 2)


def _looked_up(words: set[str]) -> dict[str, str]:
    found = {}
    for line in Path(get_model_path("en-us/cmudict-en-us.dict")).read_text().splitlines():
        word, *said = line.split()
        if word in words:  # a second pronunciation is written "word(2)"
            found[word] = " ".join(said)
    return found


def _table(keys, values, default) -> tf.lookup.StaticHashTable:
    made = tf.lookup.KeyValueTensorInitializer(tf.constant(keys), values)
    return tf.lookup.StaticHashTable(made, default)
