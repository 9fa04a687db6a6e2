"""A second opinion on the texts that a search is left with: do they sound like what was heard?

The network names phones in mid-stack, and letters at its end. The search reads the letters; here
the texts it found are turned into phones, and CTC says how well those fit the phones named.

Axis letters: R texts, B recordings, K texts of each, U letters, S steps, P phones.
"""

import json
from pathlib import Path

import numpy as np
import tensorflow as tf

from seqapps.asr import ctc, phones, word_model
from seqapps.asr.decoding import NEVER, Labels


class Judge:
    """How well texts sound like what was heard: log P(their phones) in the phones it named."""

    def __init__(self, assets: Path, language: str, letters: str):
        said, names = json.loads((assets / phones.FILE).read_text()), phones.NAMES[language]
        number = {name: place for place, name in enumerate(names)}
        hashes = word_model.hashes_of(list(said), letters)
        order = np.argsort(hashes)
        self.hashes, self.space = hashes[order], letters.index(" ")
        spoken = [[number[phone] for phone in word.split()] for word in said.values()]
        spoken = [spoken[place] for place in order] + [[number[phones.UNKNOWN]]]
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
        said = spoken.to_tensor()
        batch = tf.shape(sounds)[0]
        each = tf.shape(said)[0] // batch
        said = tf.reshape(said, [batch, each, tf.shape(said)[1]])
        counts = tf.reshape(tf.cast(spoken.row_lengths(), tf.int32), [batch, each])

        def of_one(row):
            sounds, steps, said, counts = row
            heard = tf.tile(sounds[None], [each, 1, 1])
            costs, fits = ctc.costs(heard, tf.fill([each], steps), said, counts)
            return tf.where(fits, -costs, NEVER)

        given = (sounds, steps, said, counts)
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
