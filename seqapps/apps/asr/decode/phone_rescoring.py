"""N-best rescoring by phone CTC.

The network classifies phones in mid-stack, and letters at its end. The search uses the letters;
here its texts are turned into phones, whose CTC log-probability is their score.

Axis letters: R texts, B recordings, K texts of each, U letters, S steps, P phones.
"""

import json
from pathlib import Path

import numpy as np
import tensorflow as tf

from seqapps.apps.asr.data import phones
from seqapps.apps.asr.decode import word_model
from seqapps.apps.asr.nn import ctc
from seqapps.apps.asr.nn.labels import NEVER, Labels


class PhoneRescorer:
    """Rescoring score: log P(phones of a text) under the network's phone distributions."""

    def __init__(self, assets: Path, language: str, *, letters: str):
        pronunciations, names = (
            json.loads((assets / phones.FILE).read_text()),
            phones.NAMES[language],
        )
        number = {name: index for index, name in enumerate(names)}
        hashes = word_model.hashes_of(list(pronunciations), letters)
        order = np.argsort(hashes)
        self.hashes, self.space = hashes[order], letters.index(" ")
        pronounced = [[number[phone] for phone in word.split()] for word in pronunciations.values()]
        pronounced = [pronounced[index] for index in order] + [[number[phones.UNKNOWN]]]
        self.phones = np.array([phone for word in pronounced for phone in word], np.int32)
        self.lengths = np.array([len(word) for word in pronounced])

    def score(self, texts: Labels, phone_log_probs: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
        """Log-probabilities float32 (B K,); a text whose phones do not fit gets a very low one.

        Args:
            texts: K for each recording, B K rows.
            phone_log_probs: float32 (B, S, P), log-probabilities of phones and a blank.
            steps: int32 (B,).
        """
        pronounced = self.of(texts)
        phone_labels = pronounced.to_tensor()
        batch = tf.shape(phone_log_probs)[0]
        each = tf.shape(phone_labels)[0] // batch
        phone_labels = tf.reshape(phone_labels, [batch, each, tf.shape(phone_labels)[1]])
        counts = tf.reshape(tf.cast(pronounced.row_lengths(), tf.int32), [batch, each])

        def of_one(row):
            phone_log_probs, steps, phone_labels, counts = row
            repeated = tf.tile(phone_log_probs[None], [each, 1, 1])  # pyright: ignore[reportArgumentType] stubs take no tensor in a list
            costs, fits = ctc.costs(
                repeated, tf.fill([each], steps), labels=phone_labels, counts=counts
            )
            return tf.where(fits, -costs, NEVER)

        inputs = (phone_log_probs, steps, phone_labels, counts)
        return tf.reshape(tf.map_fn(of_one, inputs, fn_output_signature=tf.float32), [-1])

    def of(self, texts: Labels) -> tf.RaggedTensor:
        """Phones int32 (R, P) of texts, one `UNKNOWN` for each word that is not known."""
        letters = tf.cast(tf.pad(texts.values, [[0, 0], [0, 1]]), tf.int64)
        inside = tf.sequence_mask(texts.counts, tf.shape(letters)[1])
        space = ~inside | (letters == self.space)
        begun = word_model.begun_words(letters, space)
        ended = space[:, 1:] & (begun[:, :-1] != 0)
        words = tf.ragged.boolean_mask(begun[:, :-1], ended)
        index, known = word_model.found_in(self.hashes, words.flat_values)
        words = words.with_flat_values(tf.where(known, index, len(self.hashes)))
        pronounced = tf.RaggedTensor.from_row_lengths(self.phones, self.lengths)  # pyright: ignore[reportAttributeAccessIssue] stubs lack it
        return tf.gather(pronounced, words).merge_dims(1, 2)
