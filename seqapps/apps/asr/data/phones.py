"""Pronunciations: phones of words, targets of the middle layers and of phone rescoring.

English letters say little of their sounds, so a network with few hours to learn from learns sounds
sooner from their names. English words are looked up in CMU's pronouncing dictionary, as the wheel
of PocketSphinx holds it; a word's first pronunciation counts. Spanish is read by the rules of its
spelling.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path

import tensorflow as tf
from pocketsphinx import get_model_path

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
        pronunciations = _looked_up(set(words))
    else:
        pronunciations = {word: spoken(word) or UNKNOWN for word in words}
    (out / FILE).write_text(
        json.dumps(pronunciations, ensure_ascii=False, indent=0, sort_keys=True) + "\n"
    )


def spoken(word: str) -> str:
    """The phones of a Spanish word: "quiero churros" is "k i e r o" and "C u R o s"."""
    for letters, sound in SPANISH:
        word = re.sub(letters, sound, word)
    return " ".join(word)


class Pronounced:
    """Normalised texts, string (B,) -> their phones; an unknown word is one `UNKNOWN`."""

    def __init__(self, assets: Path, language: str):
        pronunciations, names = json.loads((assets / FILE).read_text()), NAMES[language]
        self.pronunciations = _table(list(pronunciations), list(pronunciations.values()), UNKNOWN)
        self.numbers = _table(names, tf.range(len(names), dtype=tf.int64), -1)

    def of(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Phones of texts (B,), ragged int64 (B, P)."""
        words = tf.strings.split(texts)
        sounds = tf.strings.split(self.pronunciations.lookup(words.flat_values))
        numbers = sounds.with_flat_values(self.numbers.lookup(sounds.flat_values))
        return words.with_values(numbers).merge_dims(1, 2)


def _looked_up(words: set[str]) -> dict[str, str]:
    pronunciations = {}
    for line in Path(get_model_path("en-us/cmudict-en-us.dict")).read_text().splitlines():
        word, *symbols = line.split()
        if word in words:  # a second pronunciation is written "word(2)"
            pronunciations[word] = " ".join(symbols)
    return pronunciations


def _table(keys, values, default) -> tf.lookup.StaticHashTable:
    initializer = tf.lookup.KeyValueTensorInitializer(tf.constant(keys), values)
    return tf.lookup.StaticHashTable(initializer, default)
