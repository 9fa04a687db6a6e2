"""The networks: cells of a picture in, logits of the next word and attention weights out.

Several networks may stand side by side in one model, each with weights of its own: the shipped
ones first (`train.ensemble_size`), then those they are compared with (`train.compare`).

Axis letters: B batch, H rows of pixels, W columns, N cells, C channels, T steps, U units, V words.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from seqapps.app import Tensors
from seqapps.apps.captioning import augment, encoders, fitted
from seqapps.apps.captioning.params import Params, Train
from seqapps.kit import layers
from seqapps.kit.attention import Attention
from seqapps.kit.text import PAD


def feed(params: Params, assets: Path, training: bool) -> Callable[[Tensors, tf.Tensor], Tensors]:
    """A function (records, seed) -> `words` (B, T + 1), and `view` in [0, 1] or `cells`.

    In training the view is augmented and one of the references drawn; else the first is taken.
    """
    table, known = params.train, fitted.facts(assets)
    recolouring = augment.Recolouring(fitted.vocabulary(assets))
    size = [known["image_height"], known["image_width"], 3]
    steps = known["max_words"] + 2

    def batch(records: Tensors, seed: tf.Tensor) -> Tensors:
        rows = records["words"]  # (B, references, T + 1), of which the later may be padding
        seeds = tf.unstack(tf.random.split(seed, 4))
        words = rows[:, 0]
        if training:
            count = tf.math.count_nonzero(rows[:, :, 0], axis=1, dtype=tf.float32)
            drawn = tf.random.stateless_uniform(tf.shape(count), seeds[0]) * count
            words = tf.gather(rows, tf.cast(drawn, tf.int32), axis=1, batch_dims=1)
        words = tf.ensure_shape(words, [None, steps])
        if known["encoder"] != "small":
            return {
                "words": words,
                "cells": tf.ensure_shape(records["cells"], [None, *known["cells"]]),
            }
        pixels = tf.io.decode_raw(
            records["view"], tf.uint8, fixed_length=size[0] * size[1] * size[2]
        )
        pixels = tf.cast(tf.reshape(pixels, [-1, *size]), tf.float32) / 255.0
        if not training:
            return {"view": pixels, "words": words}
        pixels = augment.augmented(pixels, seeds[1], shift=table.shift, zoom=table.zoom)
        if table.recolour:
            drawn = tf.random.stateless_uniform(tf.shape(words)[:1], seeds[2]) < table.recolour
            pixels, words = recolouring(pixels, words, drawn=drawn, seed=seeds[3])
        return {"view": pixels, "words": words}

    return batch


def build(params: Params, assets: Path) -> keras.Model:
    """The networks that `[train]` names, their weights made."""
    known = fitted.facts(assets)
    model = Captioner(params.train, known, len(fitted.vocabulary(assets)))
    if known["encoder"] != "small":
        model.frozen = encoders.pretrained(assets)
    model(model.blank(), training=True)
    return model


class Captioner(keras.Model):
    """The networks side by side; call it for training; `decoding` asks each."""

    def __init__(self, table: Train, known: dict[str, Any], vocabulary: int):
        super().__init__()
        self.table, self.known = table, known
        self.frozen: keras.layers.Layer | None = None
        self.networks = [Network(table, known, kind, vocabulary) for kind in table.members]
        steps = table.epochs * max(known["train_pictures"] // table.batch_size, 1)
        self.sampling_per_step = (1.0 - table.teacher_forcing) / steps
        self.steps = self.add_weight(
            shape=(), initializer="zeros", trainable=False, dtype="float32", name="steps"
        )
        self.accuracy = keras.metrics.Mean(name="accuracy")
        self.crossentropy = keras.metrics.Mean(name="crossentropy")
        self.seeds = keras.random.SeedGenerator(table.seed)

    def blank(self) -> Tensors:
        """A batch (1, ...) of one empty picture and one empty caption."""
        words = tf.zeros([1, self.known["max_words"] + 2], tf.int64)
        if self.known["encoder"] != "small":
            return {"words": words, "cells": tf.zeros([1, *self.known["cells"]])}
        size = [1, self.known["image_height"], self.known["image_width"], 3]
        return {"words": words, "view": tf.zeros(size)}

    def call(self, batch, training=False):
        """Logits float32 (B, networks, T, V) of the word after each of `words` but the last."""
        previous = batch["words"][:, :-1]
        if training and self.sampling_per_step:
            return tf.stack(
                [self._scheduled_sampling(net, batch, previous) for net in self.networks], axis=1
            )
        return tf.stack([net(batch, previous, training=training) for net in self.networks], axis=1)

    def _scheduled_sampling(self, net, batch, previous):
        """Logits (B, T, V) under scheduled sampling (Bengio et al. 2015).

        The share of sampled words grows with each training step, from 0 to 1 - `teacher_forcing`.
        They come from a first pass over the true words, so all steps are computed at once.
        """
        generated = tf.argmax(tf.stop_gradient(net(batch, previous, training=True)), axis=-1)
        generated = tf.concat([previous[:, :1], generated[:, :-1]], axis=1)
        drawn = keras.random.uniform(tf.shape(previous), seed=self.seeds)
        swapped = (drawn < self.sampling_per_step * self.steps) & (previous != PAD)
        return net(batch, tf.where(swapped, generated, previous), training=True)

    def network_inputs(self, image):
        """Input of the networks from encoded images, string (B,): `view` or `cells`."""
        height, width = self.known["image_height"], self.known["image_width"]
        pixels = tf.map_fn(
            lambda content: encoders.view(content, height, width=width),
            image,
            fn_output_signature=tf.TensorSpec([height, width, 3], tf.uint8),
            parallel_iterations=1,  # one decoded photograph in memory at a time
        )
        if self.frozen is not None:
            return {"cells": self.frozen(pixels)}
        return {"view": tf.cast(pixels, tf.float32) / 255.0}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Cross-entropy with smoothed labels, a scalar: mean over words, sum over networks."""
        assert x is not None and y_pred is not None
        wanted = x["words"][:, 1:]
        losses = smoothed(wanted, y_pred, smoothing=self.table.label_smoothing if training else 0.0)
        counted = tf.cast(wanted != PAD, tf.float32)
        right = tf.argmax(y_pred[:, 0], axis=-1) == wanted
        self.accuracy.update_state(tf.cast(right, tf.float32), counted)
        total = tf.reduce_sum(counted)
        means = tf.reduce_sum(losses * counted[:, None], axis=[0, 2]) / total
        self.crossentropy.update_state(means[0], total)
        if training:
            self.steps.assign_add(1.0)
        return tf.reduce_sum(means)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """The loss, and the first network's part in it, scalars."""
        return self.get_metrics_result()


def smoothed(wanted: tf.Tensor, logits: tf.Tensor, *, smoothing: float) -> tf.Tensor:
    """Cross-entropy (B, networks, T), `smoothing` of each label spread over all words."""
    log_probs = tf.nn.log_softmax(logits)
    truth = tf.one_hot(wanted, logits.shape[-1])[:, None]
    of_label = tf.reduce_sum(truth * log_probs, axis=-1)
    return -(1.0 - smoothing) * of_label - smoothing * tf.reduce_mean(log_probs, axis=-1)


class Encoded(NamedTuple):
    """A batch of pictures as the decoder reads them at each step.

    `cells` float32 (B, N, U), `summary` float32 (B, U) of the whole picture.
    """

    cells: tf.Tensor
    summary: tf.Tensor


class Step(NamedTuple):
    """One step of one network.

    `logits` float32 (B, V) of the next word, `attention` float32 (B, N), `states` (B, U) each.
    """

    logits: tf.Tensor
    attention: tf.Tensor
    states: list[tf.Tensor]


class Network(keras.layers.Layer):
    """Encoder, recurrent decoder, attention: one captioner.

    One step: h_i from the words so far; s_ij of h_i and cell j; w = softmax(s);
    c_i = sum_j w_ij cell_j; the word from concat(c_i, h_i). As c_i does not enter the recurrence,
    all steps of a known sentence are computed at once.
    """

    def __init__(self, table: Train, known: dict[str, Any], kind: str, vocabulary: int):
        super().__init__()
        self.kind = kind
        self.shape = encoders.grid(known)
        self.units = units = table.units
        drop = table.dropout
        self.encoder = None
        if kind != "blind":
            self.encoder = encoders.Small(units // 2) if known["encoder"] == "small" else None
            self.reduce = keras.layers.Dense(units, activation="relu")
            self.cell_drop = keras.layers.Dropout(drop)
            self.summarize = keras.layers.Dense(units, activation="tanh")
        self.embed = keras.layers.Embedding(vocabulary, table.embedding_dim)
        self.drop = keras.layers.Dropout(drop)
        cell = "dense" if table.cell == "jordan" else table.cell
        self.stack = layers.recurrent(cell, units, dropout=drop, return_state=True)
        self.attend = Attention(kind, units // 4) if kind in ("dot", "bahdanau") else None
        self.mix = keras.layers.Dense(units, activation="tanh")
        self.out = keras.layers.Dense(vocabulary)

    def call(self, batch, previous, training=False):
        """Logits float32 (B, T, V) of the words after `previous` int64 (B, T)."""
        cells, summary = self.encode(batch, training=training)
        hidden = self.stack(self._inputs(previous, summary), training=training)
        return self._words(hidden, cells, training)[0]

    def encode(self, batch, training=False):
        """The pictures (`Encoded`), from `view` (B, H, W, 3) or `cells` (B, N, C)."""
        if self.kind == "blind":
            count = tf.shape(next(iter(batch.values())))[0]
            rows, columns = self.shape
            cells = tf.zeros([count, rows * columns, self.units])
            return Encoded(cells, tf.zeros([count, self.units]))
        if self.encoder is None:
            cells = self.reduce(batch["cells"])
            whole = [tf.reduce_mean(cells, axis=1)]
        else:
            maps, layout = self.encoder(batch["view"])
            cells = self.reduce(tf.concat([maps, self._places(maps)], axis=-1))
            whole = [tf.reduce_mean(cells, axis=1), tf.reduce_max(cells, axis=1), layout]
        cells = self.cell_drop(cells, training=training)
        summary = self.summarize(self.drop(tf.concat(whole, axis=-1), training=training))
        return Encoded(cells, summary)

    def step(self, words, states, cells, summary):
        """One step of decoding (`Step`).

        `words` int64 (B,) are the last ones; `states` begin as `begin(B)`.
        """
        hidden, states = self.stack.carry(self._inputs(words[:, None], summary), states)
        logits, weights = self._words(hidden, cells, False)
        return Step(logits[:, 0], weights[:, 0], states)

    def begin(self, size):
        """The states (B, U) before the first word."""
        return self.stack.zero_states(size)

    def _inputs(self, previous, summary):
        steps = self.embed(previous)
        again = tf.repeat(summary[:, None], tf.shape(steps)[1], axis=1)
        return tf.concat([steps, again], axis=-1)

    def _words(self, hidden, cells, training):
        if self.attend is None:
            uniform = tf.ones(
                [tf.shape(hidden)[0], tf.shape(hidden)[1], self.shape[0] * self.shape[1]]
            )
            context, weights = hidden, uniform / uniform.shape[-1]  # pyright: ignore[reportOperatorIssue] the static size is known
        else:
            context, weights = self.attend(hidden, cells)
            context = tf.concat([context, hidden], axis=-1)
        mixed = self.mix(self.drop(context, training=training))
        return self.out(self.drop(mixed, training=training)), weights

    def _places(self, maps):
        rows, columns = self.shape
        down, across = np.meshgrid(
            np.linspace(-1, 1, rows), np.linspace(-1, 1, columns), indexing="ij"
        )
        waves = [np.ones_like(down)] + [
            wave(np.pi * k * axis / 2)
            for axis in (down, across)
            for k in (1, 2, 4)
            for wave in (np.sin, np.cos)
        ]
        table = np.stack(waves, axis=-1).reshape(1, rows * columns, -1).astype(np.float32)
        return tf.tile(tf.constant(table), [tf.shape(maps)[0], 1, 1])  # pyright: ignore[reportArgumentType] stubs take no tensor in a list
