"""Endpoints: WAV bytes or samples -> text with word times, decoded in the graph.

Each answers, for a batch of recordings, with `text` (B,), `score` (B,) (the text's best alignment,
log-probability a step), and its `words` (B, W), padded with "", with `start_s`, `end_s` and
`confidence` (B, W).

- `serving_default(wav)`: 16-bit WAV files of any rate; the decoder of `[evaluate]`.
- `greedy(wav)`: the same without beam and language model.
- `samples(samples, count, rate_hz)`: float32 (B, N) in -1..1, of which `count` are the row's own.
- `posteriors(wav)`: instead of text, `log_probability` (B, S, V) of letters and blank (last) in
  each step (`[train] subsampling` frames of 10 ms), and `steps` (B,), for a decoder of your own.
- `tuned(wav, lm_weight, word_weight, phones_weight, character_bonus, hot_weight, hot_words)`: beam
  search with the caller's weights, and words (separated by spaces) to listen for.
- `attention(wav)`, with `kind = "las"` only: the speller's `text` (B,) and the `weights` (B, U, S)
  of its looks. Its text is what `serving_default` and `samples` answer then; word times are those
  of CTC's best path through it.

Axis letters: B batch, N samples, S steps, V classes, W words, U letters.
"""

from pathlib import Path
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from seqapps.asr import (
    alignment,
    decoding,
    frontend,
    judge,
    language_model,
    preprocess,
    search,
    word_model,
)
from seqapps.asr.params import WEIGHTS

Tensors = dict[str, tf.Tensor]


def endpoints(params: Any, model: keras.Model, assets: Path) -> dict[str, Any]:
    """Name -> (function, its signature); see the module."""
    facts = preprocess.facts(assets)
    rate_hz, reader = facts["sample_rate_hz"], Reader(params, model, assets)
    wav = tf.TensorSpec([None], tf.string, name="wav")

    def serving_default(wav):
        return reader.read(*frontend.decode(wav, rate_hz))

    def greedy(wav):
        return reader.greedy(*frontend.decode(wav, rate_hz))

    def samples(samples, count, rate_hz):
        return reader.read(*frontend.cut(samples, count, rate_hz, facts["sample_rate_hz"]))

    def posteriors(wav):
        heard, steps = reader.heard(*frontend.decode(wav, rate_hz))
        return {"log_probability": heard, "steps": steps}

    def tuned(wav, lm_weight, word_weight, phones_weight, character_bonus, hot_weight, hot_words):
        weights = Weights(lm_weight, word_weight, phones_weight, character_bonus, hot_weight)
        return reader.beam(*frontend.decode(wav, rate_hz), weights, hot_words)

    weights = [tf.TensorSpec([None], tf.float32, name=name) for name in Weights._fields]

    def attention(wav):
        return reader.looks(*frontend.decode(wav, rate_hz))

    looks = {"attention": (attention, [wav])} if params.train.kind == "las" else {}
    return looks | {
        "serving_default": (serving_default, [wav]),
        "greedy": (greedy, [wav]),
        "posteriors": (posteriors, [wav]),
        "samples": (
            samples,
            [
                tf.TensorSpec([None, None], tf.float32, name="samples"),
                tf.TensorSpec([None], tf.int32, name="count"),
                tf.TensorSpec([None], tf.int32, name="rate_hz"),
            ],
        ),
        "tuned": (tuned, [wav, *weights, tf.TensorSpec([None], tf.string, name="hot_words")]),
    }


class Weights(NamedTuple):
    """Of the beam, float32 (B,) each: those of `[evaluate]`, and each letter of a hot word's."""

    lm_weight: tf.Tensor
    word_weight: tf.Tensor
    phones_weight: tf.Tensor
    character_bonus: tf.Tensor
    hot_weight: tf.Tensor


class Reader:
    """Samples float32 (B, N) and counts int32 (B,) -> an answer."""

    def __init__(self, params: Any, model: keras.Model, assets: Path):
        facts = preprocess.facts(assets)
        self.table, self.model, self.letters = params.evaluate, model, facts["letters"]
        self.spells = params.train.kind == "las"
        self.lm = language_model.load(assets / "lm.npz")
        self.word_model = word_model.load(assets / "words.npz")
        self.judge = judge.Judge(assets, facts["language"], facts["letters"])
        self.step_seconds = params.train.subsampling * frontend.HOP_MS / 1000

    def read(self, samples: tf.Tensor, counts: tf.Tensor) -> Tensors:
        """With the speller if there is one, else the decoder and the weights of `[evaluate]`."""
        if self.spells:
            heard, steps, labels, _ = self._spelt(samples, counts)
            return self._answer(heard, steps, labels)
        if self.table.decoder == "greedy":
            return self.greedy(samples, counts)
        own = [getattr(self.table, name) for name in WEIGHTS]
        weights = Weights(*(tf.fill(tf.shape(counts), value) for value in [*own, 0.0]))
        return self.beam(samples, counts, weights, tf.fill(tf.shape(counts), ""))

    def greedy(self, samples: tf.Tensor, counts: tf.Tensor) -> Tensors:
        """Without a search."""
        heard, steps = self.heard(samples, counts)
        return self._answer(heard, steps, decoding.greedy(heard, steps))

    def beam(self, samples, counts, weights: Weights, hot_words: tf.Tensor) -> Tensors:
        """With a beam search; `hot_words` strings (B,)."""
        heard, steps, _, sounds = self.model.listen({"samples": samples, "count": counts})
        hashes = word_model.hot_hashes(hot_words, self.letters)
        lm_weight, word_weight, phones_weight, bonus, hot_weight = weights

        def opinion(texts: decoding.Labels) -> tf.Tensor:
            weight = tf.repeat(phones_weight, self.table.beam_width)
            return tf.cond(
                tf.reduce_any(weight > 0),
                lambda: weight * self.judge.opinion(texts, sounds, steps),
                lambda: tf.zeros_like(weight),
            )

        labels = search.beam(
            heard,
            steps,
            width=self.table.beam_width,
            lm=self.lm,
            word_model=self.word_model,
            space=self.letters.index(" "),
            fusion=search.Fusion(lm_weight, word_weight, bonus, hot_weight, *hashes),
            judge=None if sounds is None else opinion,
        )
        return self._answer(heard, steps, labels)

    def heard(self, samples: tf.Tensor, counts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Log-probabilities float32 (B, S, V), step counts int32 (B,)."""
        return self.model.listen({"samples": samples, "count": counts})[:2]

    def looks(self, samples: tf.Tensor, counts: tf.Tensor) -> Tensors:
        """What the speller spells, and where it looks for each letter."""
        heard, steps, labels, weights = self._spelt(samples, counts)
        return {"text": self._answer(heard, steps, labels)["text"], "weights": weights}

    def _spelt(self, samples, counts):
        heard, steps, code, _ = self.model.listen({"samples": samples, "count": counts})
        return heard, steps, *self.model.speller.spell(code, steps)

    def _answer(self, heard, steps, labels) -> Tensors:
        path = alignment.align(heard, steps, labels)
        found = alignment.words(labels, path, self.letters, self.step_seconds)
        return found | {"score": path.log_probability / tf.cast(steps, tf.float32)}
