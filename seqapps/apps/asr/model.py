"""The network: from samples to one distribution over letters and a blank for each step of time.

Log-mel frames, two convolutions that make time coarser, a bidirectional recurrent stack, CTC
(Graves et al. 2006) with true lengths. `kind = "las"` adds a decoder with attention (`speller`).
With `phones_weight` the middle of the stack learns to classify phones, by a CTC loss of its own,
and the layers above are conditioned on them (Sanabria & Metze 2018; Nozaki & Komatsu 2021).

Axis letters: B batch, N samples, T frames, S steps (coarser frames), F mels, U labels, P phones,
V classes (the letters, then the blank).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from seqapps.app import Tensors
from seqapps.apps.asr import preprocess
from seqapps.apps.asr.data import phones
from seqapps.apps.asr.nn import augment, ctc, frontend, wav_reader
from seqapps.apps.asr.nn.speller import Speller
from seqapps.apps.asr.params import Params, Train
from seqapps.kit import layers

NO_LABEL = -1


def feed(params: Params, assets: Path, training: bool) -> Callable[[Tensors, tf.Tensor], Tensors]:
    """A function (records, seed) -> samples float32 (B, N), labels, and their counts (B,).

    `labels` int64 (B, U) number the alphabet's letters; with `phones_weight`, `phones` int64 (B, P)
    their sounds. In training the tape runs faster or slower and noise is mixed in.
    """
    facts = preprocess.facts(assets)
    table, numbers = params.train, _numbers(facts["letters"])
    pronounced = phones.Pronounced(assets, facts["language"]) if table.phones_weight else None

    def batch(records: Tensors, seed: tf.Tensor) -> Tensors:
        samples, counts = wav_reader.own_wavs(records["wav"])
        if training:
            samples, counts = augment.changed(samples, counts, seed=seed, table=table)
        letters = tf.strings.unicode_split(records["text"], "UTF-8")
        labels = letters.with_flat_values(numbers.lookup(letters.flat_values))
        fed = {
            "samples": samples,
            "count": counts,
            "labels": labels.to_tensor(),
            "label_count": tf.cast(labels.row_lengths(), tf.int32),
        }
        if pronounced is None:
            return fed
        spoken = pronounced.of(records["text"])
        lengths = tf.cast(spoken.row_lengths(), tf.int32)
        return fed | {"phones": spoken.to_tensor(), "phone_count": lengths}

    return batch


def build(params: Params, assets: Path) -> keras.Model:
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


class Encoded(NamedTuple):
    """A recording after the encoder.

    `ctc_log_probs` float32 (B, S, V) of letters and blank, `steps` int32 (B,), `encoder_out`
    float32 (B, S, C), `phone_log_probs` float32 (B, S, phones and blank), None without
    `phones_weight`.
    """

    ctc_log_probs: tf.Tensor
    steps: tf.Tensor
    encoder_out: tf.Tensor
    phone_log_probs: tf.Tensor | None


class Hidden(NamedTuple):
    """Frames after the convolutions and the recurrent stack.

    `encoder_out` float32 (B, S, C), zero after a row's end, `steps` int32 (B,), `phone_log_probs`
    as in `Encoded`.
    """

    encoder_out: tf.Tensor
    steps: tf.Tensor
    phone_log_probs: tf.Tensor | None


class Outputs(NamedTuple):
    """The tensors a loss is made of.

    `ctc_log_probs` float32 (B, S, V), `steps` int32 (B,), `speller_logits` float32 (B, U + 1, V),
    None but for `kind = "las"`, `phone_log_probs` as in `Encoded`.
    """

    ctc_log_probs: tf.Tensor
    steps: tf.Tensor
    speller_logits: tf.Tensor | None
    phone_log_probs: tf.Tensor | None


class Recogniser(keras.Model):
    """The network: a batch of recordings -> `Outputs`; `encode` -> `Encoded`."""

    def __init__(self, table: Train, facts: dict[str, Any]):
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
        """`Outputs` of `samples` (B, N) and `count` (B,); the speller follows `labels` (B, U)."""
        encoded = self.encode(batch, training=training)
        logits = None
        if self.speller is not None:
            logits = self.speller(
                batch["labels"], encoded.encoder_out, encoded.steps, training=training
            )
        return Outputs(encoded.ctc_log_probs, encoded.steps, logits, encoded.phone_log_probs)

    def encode(self, batch, training=False):
        """`Encoded` of `samples` float32 (B, N) and `count` int32 (B,)."""
        frames, counts = frontend.features(
            batch["samples"], counts=batch["count"], rate_hz=self.rate_hz, n_mels=self.n_mels
        )
        frames = self.masks(frames, counts, training=training)
        hidden = self.encoder(frames, counts, training=training)
        ctc_log_probs = _log_softmax(self.head(hidden.encoder_out))
        return Encoded(ctc_log_probs, hidden.steps, hidden.encoder_out, hidden.phone_log_probs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """CTC's loss, a scalar, `phones_weight` of it over phones.

        With a speller, its loss and `ctc_weight` of that (Kim et al. 2017).
        """
        assert x is not None and y_pred is not None
        ctc_log_probs, steps, logits, phone_log_probs = y_pred
        ctc_loss = ctc.loss(ctc_log_probs, steps, labels=x["labels"], counts=x["label_count"])
        if phone_log_probs is not None:
            phone_loss = ctc.loss(
                phone_log_probs, steps, labels=x["phones"], counts=x["phone_count"]
            )
            ctc_loss = (1 - self.phones_weight) * ctc_loss + self.phones_weight * phone_loss
        if self.speller is None:
            return ctc_loss
        speller_loss = self.speller.loss(logits, x["labels"], x["label_count"])
        return self.ctc_weight * ctc_loss + (1 - self.ctc_weight) * speller_loss

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """The loss and the character error rate of CTC's greedy decoding, scalars."""
        self.cer.update_state(y_pred, x["labels"], x["label_count"])
        return self.get_metrics_result()


class Encoder(keras.layers.Layer):
    """Convolutions and a recurrent stack: frames (B, T, F) -> `Hidden`.

    With `phones_weight`, the upper half of the stack is conditioned on the phones that the lower
    half classifies.
    """

    def __init__(self, table: Train, phone_count: int, **kwargs):
        super().__init__(**kwargs)
        self.subsampling = table.subsampling
        filters = table.conv_filters
        self.first = keras.layers.Conv2D(filters, 3, strides=(1, 2), activation="relu")
        self.second = keras.layers.Conv2D(
            filters, (5, 3), strides=(table.subsampling, 2), activation="relu"
        )
        self.normalise = keras.layers.LayerNormalization()
        self.units = table.units
        self.phone_head = PhoneHead(phone_count, 2 * table.units) if table.phones_weight else None
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
        if self.phone_head is not None:
            self.phone_head.build(None)
        if self.upper is not None:
            self.upper.build((None, None, 2 * self.units))
        self.built = True

    def call(self, frames, counts, training=False):
        """`Hidden` of frames float32 (B, T, F) and counts (B,); padding is zero in each layer.

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
        phone_log_probs = None
        if self.phone_head is not None:
            hidden, phone_log_probs = self.phone_head(hidden)
        if self.upper is not None:
            hidden = self.upper(hidden, mask=mask, training=training)
        return Hidden(self.drop(hidden, training=training), steps, phone_log_probs)


class PhoneHead(keras.layers.Layer):
    """Phone classification of hidden float32 (B, S, C), and hidden conditioned on its result."""

    def __init__(self, count: int, width: int, **kwargs):
        super().__init__(**kwargs)
        self.supports_masking = True
        self.classify = keras.layers.Dense(count + 1)
        self.condition = keras.layers.Dense(width)
        self.width = width

    def build(self, shape):
        """Makes the weights for inputs (B, S, width)."""
        self.classify.build((None, None, self.width))
        self.condition.build((None, None, self.classify.units))
        self.built = True

    def call(self, hidden):
        """Conditioned hidden (B, S, C), and log-probabilities (B, S, phones and blank)."""
        log_probs = _log_softmax(self.classify(hidden))
        return hidden + self.condition(tf.exp(log_probs)), log_probs


class CharacterErrors(keras.metrics.Metric):
    """Character error rate of greedy decoding: edits over the number of letters."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.edits = self.add_weight(name="edits", initializer="zeros")
        self.letters = self.add_weight(name="letters", initializer="zeros")

    def update_state(self, outputs, labels, label_counts):
        """Adds a batch: `Outputs`, labels int (B, U) and their counts int32 (B,)."""
        time_major = tf.transpose(outputs.ctc_log_probs, [1, 0, 2])
        (decoded,), _ = tf.nn.ctc_greedy_decoder(time_major, outputs.steps)
        truth = ctc.sparse(labels, label_counts)
        self.edits.assign_add(
            tf.reduce_sum(tf.edit_distance(tf.cast(decoded, tf.int32), truth, normalize=False))
        )
        self.letters.assign_add(tf.cast(tf.reduce_sum(label_counts), tf.float32))

    def result(self):
        """Edits per letter, a scalar."""
        return self.edits / tf.maximum(self.letters, 1.0)


def _stack(table: Train, count: int) -> layers.Stack:
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
