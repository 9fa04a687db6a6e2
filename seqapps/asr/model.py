"""The network: from samples to one distribution over letters and a blank for each step of time.

Log-mel frames, two convolutions that make time coarser, a bidirectional recurrent stack, CTC
(Graves et al. 2006) with true lengths. `kind = "las"` adds a decoder with attention (`speller`).
Training changes the tape's speed, mixes noise in and masks stripes of the spectrogram (SpecAugment,
Park et al. 2019); tensorflow-io's masks take one utterance at a time, so the batch's are made here.

Axis letters: B batch, N samples, T frames, S steps (coarser frames), F mels, U labels, V classes
(the letters, then the blank).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from seqapps import layers
from seqapps.asr import frontend, preprocess
from seqapps.asr.speller import Speller

Tensors = dict[str, Any]
LOUDEST_SNR_DB = 40.0
NO_LABEL = -1


def feed(params: Any, assets: Path, training: bool) -> Callable[[Tensors, Any], Tensors]:
    """A function (record, seed int32 (2,)) -> samples float32 (N,), their count, labels, theirs.

    `labels` int64 (U,) number the alphabet's letters. In training the tape runs faster or slower
    and noise is mixed in.
    """
    facts = preprocess.facts(assets)
    table, numbers = params.train, _numbers(facts["letters"])

    def one(record: Tensors, seed: tf.Tensor) -> Tensors:
        samples = tf.audio.decode_wav(record["wav"], desired_channels=1).audio[:, 0]
        if training:
            samples = _augmented(samples, seed, table)
        labels = numbers.lookup(tf.strings.unicode_split(record["text"], "UTF-8"))
        return {
            "samples": samples,
            "count": tf.shape(samples)[0],
            "labels": labels,
            "label_count": tf.shape(labels)[0],
        }

    return one


def build(params: Any, assets: Path) -> keras.Model:
    """The network that `[train]` describes, its weights made."""
    facts = preprocess.facts(assets)
    model = Recogniser(params.train, len(facts["letters"]), facts["sample_rate_hz"])
    batch = {
        "samples": tf.zeros([1, facts["sample_rate_hz"]]),
        "count": tf.constant([facts["sample_rate_hz"]]),
        "labels": tf.zeros([1, 1], tf.int64),
    }
    model(batch, training=True)
    return model


class Recogniser(keras.Model):
    """CTC's log-probabilities float32 (B, S, V), step counts int32 (B,), and the speller's logits.

    The last are None but for `kind = "las"`.
    """

    def __init__(self, table: Any, letters: int, rate_hz: int):
        super().__init__()
        self.rate_hz, self.n_mels = rate_hz, table.n_mels
        self.masks = SpecAugment(table)
        self.encoder = Encoder(table)
        self.head = keras.layers.Dense(letters + 1, name="head")
        self.speller = Speller(table, letters) if table.kind == "las" else None
        self.ctc_weight = table.ctc_weight
        self.cer = CharacterErrors(name="cer")

    def call(self, batch, training=False):
        """See the class; rows end after their step count, letters are those after true ones."""
        heard, steps, code = self.listen(batch, training=training)
        if self.speller is None:
            return heard, steps, None
        return heard, steps, self.speller(batch["labels"], code, steps, training=training)

    def listen(self, batch, training=False):
        """Log-probabilities (B, S, V), step counts (B,), and the encoder's code (B, S, C)."""
        counts = frontend.frame_counts(batch["count"], self.rate_hz)
        frames = frontend.log_mel(batch["samples"], self.rate_hz, self.n_mels)
        frames = frontend.normalised(frames, counts)
        frames = self.masks(frames, counts, training=training)
        code, steps = self.encoder(frames, counts, training=training)
        return tf.nn.log_softmax(tf.cast(self.head(code), tf.float32)), steps, code

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """`ctc_loss`; with a speller, its loss and `ctc_weight` of CTC's (Kim et al. 2017)."""
        heard, steps, logits = y_pred
        aligned = ctc_loss(heard, steps, x["labels"], x["label_count"])
        if self.speller is None:
            return aligned
        spelt = self.speller.loss(logits, x["labels"], x["label_count"])
        return self.ctc_weight * aligned + (1 - self.ctc_weight) * spelt

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """The loss, and the character error rate of CTC's greedy decoding."""
        self.cer.update_state(y_pred[:2], x["labels"], x["label_count"])
        return self.get_metrics_result()


class Encoder(keras.layers.Layer):
    """Convolutions and a recurrent stack: frames (B, T, F) -> (B, S, C), step counts (B,)."""

    def __init__(self, table: Any, **kwargs):
        super().__init__(**kwargs)
        self.subsampling = table.subsampling
        filters = table.conv_filters
        self.first = keras.layers.Conv2D(filters, 3, strides=(1, 2), activation="relu")
        self.second = keras.layers.Conv2D(
            filters, (5, 3), strides=(table.subsampling, 2), activation="relu"
        )
        self.normalise = keras.layers.LayerNormalization()
        self.stack = layers.recurrent(
            table.cell,
            table.units,
            layers=table.layers,
            bidirectional=True,
            dropout=table.dropout,
        )
        self.drop = keras.layers.Dropout(table.dropout)

    def build(self, shape):
        """Makes the weights for frames (B, T, F)."""
        bands = (shape[-1] + 1) // 2
        self.first.build((None, None, shape[-1] + 2, 1))
        self.second.build((None, None, bands + 2, self.first.filters))
        width = (bands + 1) // 2 * self.second.filters
        self.normalise.build((None, None, width))
        self.stack.build((None, None, width))
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
        return self.drop(hidden, training=training), steps


class SpecAugment(keras.layers.Layer):
    """Stripes of time and of mels set to zero, the mean, in training (Park et al. 2019)."""

    def __init__(self, table: Any, **kwargs):
        super().__init__(**kwargs)
        self.time_masks, self.mel_masks = table.time_masks, table.mel_masks
        self.longest = table.time_mask_ms // frontend.HOP_MS
        self.widest = table.mel_mask_width
        self.seeds = keras.random.SeedGenerator(table.seed)

    def build(self, shape):
        """Has no weights."""
        self.built = True

    def call(self, frames, counts, training=False):
        """Frames (B, T, F), some stripes of which are 0 if `training`.

        A row loses at most a fifth of its frames to one mask.
        """
        if not training:
            return frames
        longest = tf.minimum(self.longest, counts // 5)
        for _ in range(self.time_masks):
            frames *= self._kept(tf.shape(frames)[1], counts, longest)[:, :, None]
        bands = tf.fill(tf.shape(counts), frames.shape[-1])
        for _ in range(self.mel_masks):
            widest = tf.fill(tf.shape(counts), self.widest)
            frames *= self._kept(frames.shape[-1], bands, widest)[:, None, :]
        return frames

    def _kept(self, size, ends: tf.Tensor, longest: tf.Tensor) -> tf.Tensor:
        """Float32 (B, size): 0 in one stripe of each row, 1 elsewhere."""
        draw = keras.random.uniform((tf.shape(ends)[0], 2), seed=self.seeds)
        width = draw[:, 0] * tf.cast(longest + 1, tf.float32)
        width = tf.cast(tf.math.floor(width), tf.int32)
        start = tf.cast(draw[:, 1] * tf.cast(tf.maximum(ends - width, 0) + 1, tf.float32), tf.int32)
        place = tf.range(size)[None, :]
        inside = (place >= start[:, None]) & (place < (start + width)[:, None])
        return tf.cast(~inside, tf.float32)


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
        truth = sparse(labels, label_counts)
        self.edits.assign_add(
            tf.reduce_sum(tf.edit_distance(tf.cast(decoded, tf.int32), truth, normalize=False))
        )
        self.letters.assign_add(tf.cast(tf.reduce_sum(label_counts), tf.float32))

    def result(self):
        """Edits a letter."""
        return self.edits / tf.maximum(self.letters, 1.0)


def ctc_loss(
    log_probabilities: tf.Tensor, steps: tf.Tensor, labels: tf.Tensor, label_counts: tf.Tensor
) -> tf.Tensor:
    """The CTC loss of a batch by letter (Graves et al. 2006), true lengths on both sides.

    Rows whose labels cannot fit into their steps (sped-up tape) cost nothing: a step for each
    label, and one between two that are alike.

    Args:
        log_probabilities: float32 (B, S, V), the blank last.
        steps: int32 (B,).
        labels: int (B, U), padded at the end.
        label_counts: int32 (B,).
    """
    again = (labels[:, 1:] == labels[:, :-1]) & tf.sequence_mask(
        label_counts - 1, tf.shape(labels)[1] - 1
    )
    fits = label_counts + tf.reduce_sum(tf.cast(again, tf.int32), axis=1) <= steps
    counts = tf.where(fits, label_counts, 1)  # the op wants a label
    losses = tf.compat.v1.nn.ctc_loss(
        sparse(labels, counts), log_probabilities, steps, time_major=False
    )
    letters = tf.reduce_sum(tf.where(fits, label_counts, 0))
    return tf.reduce_sum(tf.where(fits, losses, 0.0)) / tf.cast(tf.maximum(letters, 1), tf.float32)


def sparse(labels: tf.Tensor, counts: tf.Tensor) -> tf.SparseTensor:
    """The labels int (B, U) as a sparse int32 tensor of `counts` (B,) labels a row."""
    ragged = tf.RaggedTensor.from_tensor(tf.cast(labels, tf.int32), lengths=counts)
    return ragged.to_sparse()


def _numbers(letters: str) -> tf.lookup.StaticHashTable:
    table = tf.lookup.KeyValueTensorInitializer(
        list(letters), np.arange(len(letters), dtype=np.int64)
    )
    return tf.lookup.StaticHashTable(table, NO_LABEL)


def _played(samples: tf.Tensor, speed: tf.Tensor) -> tf.Tensor:
    """The tape at another speed, pitch and all: linear interpolation, good enough to learn from."""
    count = tf.cast(tf.shape(samples)[0], tf.float32)
    place = tf.range(tf.maximum(count - 1, 0.0) / speed) * speed
    before = tf.cast(place, tf.int32)
    after = tf.minimum(before + 1, tf.shape(samples)[0] - 1)
    rest = place - tf.cast(before, tf.float32)
    return (1 - rest) * tf.gather(samples, before) + rest * tf.gather(samples, after)


def _augmented(samples: tf.Tensor, seed: tf.Tensor, table: Any) -> tf.Tensor:
    speed_seed, snr_seed, noise_seed = tf.unstack(tf.random.split(seed, 3))
    if table.speed_change:
        speed = tf.random.stateless_uniform(
            [], speed_seed, 1 - table.speed_change, 1 + table.speed_change
        )
        samples = _played(samples, speed)
    snr_db = tf.random.stateless_uniform([], snr_seed, table.noise_snr_db, LOUDEST_SNR_DB)
    noise = tf.random.stateless_normal(tf.shape(samples), noise_seed)
    level = tf.sqrt(tf.reduce_mean(samples**2)) * 10 ** (-snr_db / 20)
    return samples + level * noise
