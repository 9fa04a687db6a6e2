"""The network: from the bases of a window to one logit per factor.

A request's string and a record's string go through the same `encode`, so that training and serving
cannot differ. Whatever the encoder, the logits of both strands are averaged: the answer to a window
is the answer to its reverse complement.

Axis letters: B batch, W window in bp, F factors, C channels, T steps left after pooling or stride.
Bases are int32: A 0, C 1, G 2, T 3, N 4.
"""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from seqapps.app import Tensors
from seqapps.apps.dna import preprocess
from seqapps.apps.dna.params import Params, Train
from seqapps.kit import layers

UNKNOWN_BASE = 4
CODES = np.full(256, UNKNOWN_BASE, np.int32)
for _code, _letters in enumerate(("Aa", "Cc", "Gg", "TtUu")):
    CODES[[ord(letter) for letter in _letters]] = _code

LOGIT_LIMIT, BINS = 16.0, 2048

WORD_SCALE = 4.0
"""Brings the mean of a short filter to the size of a maximum, so that one learning rate fits."""


def encode(sequences: tf.Tensor) -> tf.Tensor:
    """The bases of strings (...), int32 (..., longest); shorter strings end in N.

    Upper and lower case are alike, U is T, and every other byte is N: `encode(["aCx", "U"])` is
    [[0, 1, 4], [3, 4, 4]].
    """
    longest = tf.reduce_max(tf.concat([[1], tf.reshape(tf.strings.length(sequences), [-1])], 0))
    letters = tf.io.decode_raw(sequences, tf.uint8, fixed_length=longest)
    return tf.gather(tf.constant(CODES), tf.cast(letters, tf.int32))


def reverse_complement(bases: tf.Tensor) -> tf.Tensor:
    """The other strand of int32 (..., W), read in its own direction."""
    return tf.reverse(tf.where(bases == UNKNOWN_BASE, UNKNOWN_BASE, 3 - bases), [-1])


def kmer_rows(bases: tf.Tensor, k: int, *, stride: int) -> tf.Tensor:
    """Rows of `embedding.npy` for the k-mers of int32 (B, W), int32 (B, (W - k) // stride + 1).

    Row 0 if the k-mer holds an N, else 1 + its digits in base 4: "CA" is 1 + 4.
    """
    count = (bases.shape[-1] - k) // stride + 1  # pyright: ignore[reportOptionalOperand] the static size is known
    digits = [bases[:, i : i + (count - 1) * stride + 1 : stride] for i in range(k)]
    number = sum(digit * 4 ** (k - 1 - i) for i, digit in enumerate(digits))
    unknown = tf.reduce_any(tf.stack(digits) == UNKNOWN_BASE, axis=0)
    return tf.where(unknown, 0, 1 + number)


def feed(params: Params, assets: Path, training: bool) -> Callable[[Tensors, tf.Tensor], Tensors]:
    """A function (records, seed) -> bases int32 (B, W), labels float32 (B, F), factor (B,).

    In training the window starts anywhere in the record and, if `reverse_complement`, half of the
    windows are read from the other strand; otherwise it is the record's middle.
    """
    facts = preprocess.facts(assets)
    window, factors = facts["window_bp"], len(facts["factors"])
    turn = training and params.train.reverse_complement

    def batch(records: Tensors, seed: tf.Tensor) -> Tensors:
        sequences = records["sequence"]
        spare = tf.strings.length(sequences) - window
        draws = tf.random.stateless_uniform([2, tf.size(sequences)], seed)
        anywhere = tf.cast(draws[0] * tf.cast(spare + 1, tf.float32), tf.int32)
        start = anywhere if training else spare // 2
        bases = encode(tf.strings.substr(sequences, start, tf.fill(tf.shape(start), window)))
        bases = tf.ensure_shape(bases, [None, window])
        if turn:
            bases = tf.where(draws[1][:, None] < 0.5, reverse_complement(bases), bases)
        labels = tf.ensure_shape(records["labels"], [None, factors])
        return {"bases": bases, "labels": labels, "factor": records["factor"]}

    return batch


def build(params: Params, assets: Path) -> keras.Model:
    """The network that `[train]` describes, its weights made."""
    facts = preprocess.facts(assets)
    table = params.train
    encoders = {"hybrid": Hybrid, "kegru": Kegru, "conv": Conv}
    model = Binding(encoders[table.kind](table, assets), len(facts["factors"]), table)
    model({"bases": tf.zeros([1, facts["window_bp"]], tf.int32)}, training=True)
    return model


class Binding(keras.Model):
    """One logit per factor: an encoder on either strand, a linear head, their average."""

    def __init__(self, encoder: keras.layers.Layer, factors: int, table: Train):
        super().__init__()
        self.encoder = encoder
        self.drop = keras.layers.Dropout(table.dropout)
        self.head = keras.layers.Dense(factors, name="head")
        self.conjoined, self.balanced = table.conjoined, table.balance_factors
        self.auroc = AurocWithin(factors, name="auroc")

    def call(self, batch, training=False):
        """Logits float32 (B, F) of bases int32 (B, W).

        The other strand goes through the same weights; in training only if `conjoined` (both ways
        are compared in Zhou, Shrikumar & Kundaje, MLCB 2021, which calls the other one post-hoc).
        """
        if training and not self.conjoined:
            return self._one_strand(batch["bases"], training)
        return tf.reduce_mean(self.by_strand(batch["bases"], training=training), axis=1)

    def by_strand(self, bases: tf.Tensor, *, training: bool = False) -> tf.Tensor:
        """Logits float32 (B, 2, F) of either strand: as int32 (B, W) is written, then the other."""
        strands = tf.concat([bases, reverse_complement(bases)], axis=0)
        return tf.stack(tf.split(self._one_strand(strands, training), 2), axis=1)

    def _one_strand(self, bases, training):
        code = self.drop(self.encoder(bases, training=training), training=training)
        return tf.cast(self.head(code), tf.float32)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The loss, a scalar, see `loss`."""
        assert x is not None and y_pred is not None
        return loss(x["labels"], x["factor"], logits=y_pred, balanced=self.balanced)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """The loss and the AUROC over each factor's rows, scalars."""
        self.auroc.update_state(x["labels"], x["factor"], y_pred)
        return self.get_metrics_result()


def loss(labels: tf.Tensor, factor: tf.Tensor, *, logits: tf.Tensor, balanced: bool) -> tf.Tensor:
    """Mean cross-entropy over known labels.

    Args:
        labels: float32 (B, F), 1 bound, 0 not, -1 unknown: no loss, no gradient.
        factor: int64 (B,), the factor that each row was listed under.
        logits: float32 (B, F).
        balanced: the rows of a factor's own (its sites and their shuffles) count together as one
            F-th of the batch in its column, however few they are; the others count as they come.
    """
    known = tf.cast(labels >= 0, logits.dtype)
    losses = known * tf.nn.sigmoid_cross_entropy_with_logits(tf.maximum(labels, 0.0), logits)
    if not balanced:
        return tf.math.divide_no_nan(tf.reduce_sum(losses), tf.reduce_sum(known))
    rows, factors = tf.unstack(tf.cast(tf.shape(labels), logits.dtype))
    of_factor = tf.one_hot(factor, logits.shape[-1], dtype=logits.dtype)
    of_own = tf.math.divide_no_nan(
        tf.reduce_sum(of_factor * losses, 0), tf.reduce_sum(of_factor * known, 0)
    )
    of_others = tf.reduce_sum((1 - of_factor) * losses, 0) / rows
    return tf.reduce_mean(of_own / factors + of_others)


class Hybrid(keras.layers.Layer):
    """Motifs by convolution, their arrangement by recurrence, as in deepRAM (Trabelsi 2019).

    int32 (B, W) -> float32 (B, C): maximum and mean over steps of the recurrent stack, the maximum
    of the convolution, which a lone motif reaches without the recurrence, and the mean of
    `word_filters` short ones, which adds up many weak words as a k-mer model does.
    """

    def __init__(self, table: Train, assets: Path):
        super().__init__()
        self.embed = OneHot() if table.embedding == "onehot" else KmerEmbedding(assets, stride=1)
        self.conv = keras.layers.Conv1D(
            table.filters, table.kernel_bp, padding="same", activation="relu"
        )
        self.pool = keras.layers.MaxPooling1D(table.pool_bp, padding="same")
        self.stack = _stack(table, return_sequences=True)
        self.words = None
        if table.word_filters:
            self.words = keras.layers.Conv1D(
                table.word_filters, table.word_bp, padding="same", activation="relu"
            )

    def call(self, bases, training=False):
        """The code of each window, float32 (B, C)."""
        embedded = self.embed(bases)
        motifs = self.pool(self.conv(embedded))
        hidden = self.stack(motifs, training=training)
        parts = [tf.reduce_max(hidden, 1), tf.reduce_mean(hidden, 1), tf.reduce_max(motifs, 1)]
        if self.words is not None:
            parts.append(WORD_SCALE * tf.reduce_mean(self.words(embedded), 1))
        return tf.concat(parts, axis=-1)


class Kegru(keras.layers.Layer):
    """K-mers with a stride, word2vec embedding, recurrence (Shen, Bao & Huang, Sci Rep 8:15270).

    int32 (B, W) -> float32 (B, C), the states in which the directions end.
    """

    def __init__(self, table: Train, assets: Path):
        super().__init__()
        self.embed = KmerEmbedding(assets, stride=preprocess.facts(assets)["kmer_stride_bp"])
        self.stack = _stack(table, return_sequences=False)

    def call(self, bases, training=False):
        """The code of each window, float32 (B, C)."""
        return self.stack(self.embed(bases), training=training)


class Conv(keras.layers.Layer):
    """One convolution, its maximum, one hidden layer: DeepBind's shape (Alipanahi et al. 2015).

    int32 (B, W) -> float32 (B, C).
    """

    def __init__(self, table: Train, assets: Path):
        super().__init__()
        del assets
        self.embed = OneHot()
        self.conv = keras.layers.Conv1D(
            table.filters, table.kernel_bp, padding="same", activation="relu"
        )
        self.hidden = keras.layers.Dense(table.units, activation="relu")

    def call(self, bases, training=False):
        """The code of each window, float32 (B, C)."""
        return self.hidden(tf.reduce_max(self.conv(self.embed(bases)), axis=1))


class OneHot(keras.layers.Layer):
    """int32 (B, W) -> float32 (B, W, 4); N is four zeros."""

    def call(self, bases):
        """One channel per base, float32 (B, W, 4)."""
        return tf.one_hot(bases, 4, dtype=self.compute_dtype)


class KmerEmbedding(keras.layers.Layer):
    """int32 (B, W) -> float32 (B, T, C): a vector per k-mer, trained on from word2vec's."""

    def __init__(self, assets: Path, *, stride: int):
        super().__init__()
        self.k, self.stride = preprocess.facts(assets)["kmer_bp"], stride
        vectors = np.load(assets / "embedding.npy")
        self.table = keras.layers.Embedding(
            *vectors.shape,
            embeddings_initializer=lambda shape, dtype=None: vectors,  # pyright: ignore[reportArgumentType] a function is an initializer
        )

    def call(self, bases):
        """The vector of each k-mer, float32 (B, T, C)."""
        return self.table(kmer_rows(bases, self.k, stride=self.stride))


class AurocWithin(keras.metrics.Metric):
    """Mean over factors of the AUROC of a factor's sites against the other rows of its own.

    Counts logits in bins 1/64 wide, so that it costs little and XLA can compile it.
    """

    def __init__(self, factors: int, **kwargs):
        super().__init__(**kwargs)
        self.factors = factors
        self.counts = self.add_weight(shape=(2 * factors * BINS,), initializer="zeros")

    def update_state(self, labels, factor, logits):
        """Takes labels float32 (B, F), factor int64 (B,) and logits float32 (B, F)."""
        factor = tf.cast(factor, tf.int32)
        label = tf.gather(labels, factor, batch_dims=1)
        logit = tf.clip_by_value(tf.gather(logits, factor, batch_dims=1), -LOGIT_LIMIT, LOGIT_LIMIT)
        bin_index = tf.cast((logit / LOGIT_LIMIT + 1) / 2 * (BINS - 1), tf.int32)
        cell = (tf.cast(label > 0, tf.int32) * self.factors + factor) * BINS + bin_index
        known = tf.cast(label >= 0, self.counts.dtype)
        self.counts.assign(tf.tensor_scatter_nd_add(self.counts, cell[:, None], known))

    def result(self):
        """A scalar; a factor without both classes is left out."""
        no, yes = tf.unstack(tf.reshape(self.counts, [2, self.factors, BINS]))
        below = tf.cumsum(no, axis=1, exclusive=True) + no / 2  # a tie is half a win
        pairs = tf.reduce_sum(no, 1) * tf.reduce_sum(yes, 1)
        area = tf.math.divide_no_nan(tf.reduce_sum(yes * below, 1), pairs)
        return tf.math.divide_no_nan(
            tf.reduce_sum(area), tf.reduce_sum(tf.cast(pairs > 0, area.dtype))
        )


def _stack(table: Train, *, return_sequences: bool) -> keras.layers.Layer:
    return layers.recurrent(
        table.cell,
        table.units,
        layers=table.layers,
        bidirectional=table.bidirectional,
        dropout=table.dropout,
        return_sequences=return_sequences,
    )
