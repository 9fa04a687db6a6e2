"""The network: from samples to one distribution over letters and a blank for each step of time.

Log-mel frames, two convolutions that make time coarser, a bidirectional recurrent stack, CTC
(Graves et al. 2006) with true lengths. `kind = "las"` adds a decoder with attention (`speller`).
With `phones_weight` the middle of the stack learns to name sounds, by a CTC loss of its own, and
the layers above read what it named (Sanabria & Metze 2018; Nozaki & Komatsu 2021).

Axis letters: B batch, N samples, T frames, S steps (coarser frames), F mels, U labels, P phones,
V classes (the letters, then the blank).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from seqapps import layers
from seqapps.asr import augment, ctc, frontend, phones, preprocess
from seqapps.asr.speller import Speller

Tensors = dict[str, Any]
NO_LABEL = -1


def feed(params: Any, assets: Path, training: bool) -> Callable[[Tensors, Any], Tensors]:
    """A function (record, seed int32 (2,)) -> samples float32 (N,), their count, labels, theirs.

    `labels` int64 (U,) number the alphabet's letters; with `phones_weight`, `phones` int64 (P,)
    their sounds. In training the tape runs faster or slower and noise is mixed in.
    """
    facts = preprocess.facts(assets)
    table, numbers = params.train, _numbers(facts["letters"])
    pronounced = phones.Pronounced(assets, facts["language"]) if table.phones_weight else None

    def one(record: Tensors, seed: tf.Tensor) -> Tensors:
        samples = tf.audio.decode_wav(record["wav"], desired_channels=1).audio[:, 0]
        if training:
            samples = augment.changed(samples, seed, table)
        labels = numbers.lookup(tf.strings.unicode_split(record["text"], "UTF-8"))
        fed = {
            "samples": samples,
            "count": tf.shape(samples)[0],
            "labels": labels,
            "label_count": tf.shape(labels)[0],
        }
        if pronounced is None:
            return fed
        sounds = pronounced.of(record["text"])
        return fed | {"phones": sounds, "phone_count": tf.shape(sounds)[0]}

    return one


def build(params: Any, assets: Path) -> keras.Model:
    """The network that `[train]` describes, its weights made."""
    facts = preprocess.facts(assets)
    model = Recogniser(params.train, facts)
    batch = {
        "samples": tf.zeros([1, facts["sample_rate_hz"]]),
        "count": tf.constant([facts["sample_rate_hz"]]),
        "labels": tf.zeros([1, 1], tf.int64),
    }
    model(batch, training=True)
    return model


class Recogniser(keras.Model):
    """CTC's log-probabilities float32 (B, S, V), step counts int32 (B,), and what else is trained.

    That is the speller's logits, None but for `kind = "las"`, and the log-probabilities of phones
    (B, S, phones and blank), None without `phones_weight`.
    """

    def __init__(self, table: Any, facts: dict[str, Any]):
        super().__init__()
        letters = len(facts["letters"])
        self.rate_hz, self.n_mels = facts["sample_rate_hz"], table.n_mels
        self.masks = augment.SpecAugment(table)
        self.encoder = Encoder(table, len(phones.NAMES[facts["language"]]))
        self.head = keras.layers.Dense(letters + 1, name="head")
        self.speller = Speller(table, letters) if table.kind == "las" else None
        self.ctc_weight, self.phones_weight = table.ctc_weight, table.phones_weight
        self.cer = CharacterErrors(name="cer")

    def call(self, batch, training=False):
        """See the class; rows end after their step count, letters are those after true ones."""
        heard, steps, code, sounds = self.listen(batch, training=training)
        if self.speller is None:
            return heard, steps, None, sounds
        return heard, steps, self.speller(batch["labels"], code, steps, training=training), sounds

    def listen(self, batch, training=False):
        """Log-probabilities (B, S, V), step counts (B,), the encoder's code (B, S, C), phones."""
        counts = frontend.frame_counts(batch["count"], self.rate_hz)
        frames = frontend.log_mel(batch["samples"], self.rate_hz, self.n_mels)
        frames = frontend.normalised(frames, counts)
        frames = self.masks(frames, counts, training=training)
        code, steps, sounds = self.encoder(frames, counts, training=training)
        return _log_softmax(self.head(code)), steps, code, sounds

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """CTC's loss, `phones_weight` of it over phones.

        With a speller, its loss and `ctc_weight` of that (Kim et al. 2017).
        """
        heard, steps, logits, sounds = y_pred
        aligned = ctc.loss(heard, steps, x["labels"], x["label_count"])
        if sounds is not None:
            named = ctc.loss(sounds, steps, x["phones"], x["phone_count"])
            aligned = (1 - self.phones_weight) * aligned + self.phones_weight * named
        if self.speller is None:
            return aligned
        spelt = self.speller.loss(logits, x["labels"], x["label_count"])
        return self.ctc_weight * aligned + (1 - self.ctc_weight) * spelt

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """The loss, and the character error rate of CTC's greedy decoding."""
        self.cer.update_state(y_pred[:2], x["labels"], x["label_count"])
        return self.get_metrics_result()


class Encoder(keras.layers.Layer):
    """Convolutions and a recurrent stack: frames (B, T, F) -> (B, S, C), step counts (B,), phones.

    With `phones_weight`, what the stack's lower half makes of phones is added to what the upper
    half reads; their log-probabilities are the third output, None otherwise.
    """

    def __init__(self, table: Any, phone_count: int, **kwargs):
        super().__init__(**kwargs)
        self.subsampling = table.subsampling
        filters = table.conv_filters
        self.first = keras.layers.Conv2D(filters, 3, strides=(1, 2), activation="relu")
        self.second = keras.layers.Conv2D(
            filters, (5, 3), strides=(table.subsampling, 2), activation="relu"
        )
        self.normalise = keras.layers.LayerNormalization()
        self.units = table.units
        self.sounds = Sounds(phone_count, 2 * table.units) if table.phones_weight else None
        upper = table.layers // 2 if table.phones_weight else 0
        self.stack = _stack(table, table.layers - upper)
        self.upper = _stack(table, upper) if upper else None
        self.drop = keras.layers.Dropout(table.dropout)

    def build(self, shape):
        """Makes the weights for frames (B, T, F)."""
        bands = (shape[-1] + 1) // 2
        self.first.build((None, None, shape[-1] + 2, 1))
        self.second.build((None, None, bands + 2, self.first.filters))
        width = (bands + 1) // 2 * self.second.filters
        self.normalise.build((None, None, width))
        self.stack.build((None, None, width))
        if self.sounds is not None:
            self.sounds.build(None)
        if self.upper is not None:
            self.upper.build((None, None, 2 * self.units))
        self.built = True

    def call(self, frames, counts, training=False):
        """See the class. What lies after a row's end is kept at zero, before each layer.

        Padding is explicit: "same" would begin at another frame with another batch length.
        """
        hidden = self.first(tf.pad(frames[..., None], [[0, 0], [1, 1], [1, 1], [0, 0]]))
        hidden *= tf.sequence_mask(counts, tf.shape(hidden)[1], hidden.dtype)[:, :, None, None]
        steps = (counts + self.subsampling - 1) // self.subsampling
        spare = [2, 2 + self.subsampling - 1]
        hidden = self.second(tf.pad(hidden, [[0, 0], spare, [1, 1], [0, 0]]))
        hidden = hidden[:, : tf.reduce_max(steps)]
        mask = tf.sequence_mask(steps, tf.shape(hidden)[1])
        shape = tf.shape(hidden)
        width = hidden.shape[2] * hidden.shape[3]
        hidden = self.normalise(tf.reshape(hidden, [shape[0], shape[1], width]))
        hidden *= tf.cast(mask, hidden.dtype)[:, :, None]
        hidden = self.stack(hidden, mask=mask, training=training)
        sounds = None
        if self.sounds is not None:
            hidden, sounds = self.sounds(hidden)
        if self.upper is not None:
            hidden = self.upper(hidden, mask=mask, training=training)
        return self.drop(hidden, training=training), steps, sounds


class Sounds(keras.layers.Layer):
    """Phones named by hidden float32 (B, S, C): the same with what was named, log-probabilities."""

    def __init__(self, count: int, width: int, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.name_them = keras.layers.Dense(count + 1)
        self.tell = keras.layers.Dense(width)
        self.width = width

    def build(self, shape):
        """Makes the weights for inputs (B, S, width)."""
        self.name_them.build((None, None, self.width))
        self.tell.build((None, None, self.name_them.units))
        self.built = True

    def call(self, hidden):
        """See the class; the log-probabilities are (B, S, phones and blank)."""
        named = _log_softmax(self.name_them(hidden))
        return hidden + self.tell(tf.exp(named)), named


class CharacterErrors(keras.metrics.Metric):
    """Character error rate of greedy decoding: edits over the number of letters."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.edits = self.add_weight(name="edits", initializer="zeros")
        self.letters = self.add_weight(name="letters", initializer="zeros")

    def update_state(self, heard, labels, label_counts):
        """Adds a batch: `heard` is CTC's log-probabilities and step counts."""
        log_probabilities, steps = heard
        time_major = tf.transpose(log_probabilities, [1, 0, 2])
        (decoded,), _ = tf.nn.ctc_greedy_decoder(time_major, steps)
        truth = ctc.sparse(labels, label_counts)
        self.edits.assign_add(
            tf.reduce_sum(tf.edit_distance(tf.cast(decoded, tf.int32), truth, normalize=False))
        )
        self.letters.assign_add(tf.cast(tf.reduce_sum(label_counts), tf.float32))

    def result(self):
        """Edits a letter."""
        return self.edits / tf.maximum(self.letters, 1.0)


def _stack(table: Any, count: int) -> layers.Stack:
    return layers.recurrent(
        table.cell,
        table.units,
        layers=count,
        bidirectional=True,
        dropout=table.dropout,
        products=table.products,
    )


def _log_softmax(logits: tf.Tensor) -> tf.Tensor:
    return tf.nn.log_softmax(tf.cast(logits, tf.float32))


def _numbers(letters: str) -> tf.lookup.StaticHashTable:
    table = tf.lookup.KeyValueTensorInitializer(
        list(letters), np.arange(len(letters), dtype=np.int64)
    )
    return tf.lookup.StaticHashTable(table, NO_LABEL)
