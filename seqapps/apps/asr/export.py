"""Endpoints: WAV bytes or samples -> text with word times, decoded in the graph.

Each answers, for a batch of recordings, with `text` (B,), `score` (B,) (natural logarithm of the
probability of the text's best alignment, per step), and its `words` (B, W), padded with "", with
`start_s` and `end_s` (B, W) in seconds from the recording's first sample, and `confidence` (B, W)
from 0 to 1. The text of silence (no sample of 0.001 or more) is empty. What is no sound is refused,
with its row and the reason: a WAV file of another coding than 16-bit PCM, a sample that is no
number, a rate outside of 4 to 192 kHz.

- `serving_default(wav)`: 16-bit WAV files of any rate; the decoder of `[evaluate]`.
- `greedy(wav)`: the same without beam and language model.
- `samples(samples, count, rate_hz)`: float32 (B, N) in -1..1, of which `count` are the row's own,
  taken `rate_hz` times a second.
- `posteriors(wav)`: instead of text, `log_probability` (B, S, V) of letters and blank (last) in
  each step (`[train] subsampling` frames of 10 ms), and `steps` (B,), for a decoder of your own.
- `tuned(wav, lm_weight, word_weight, phones_weight, character_bonus, hot_weight, hot_words)`: beam
  search with the caller's weights, and words (separated by spaces) for contextual biasing.
- `attention(wav)`, with `kind = "las"` only: the speller's `text` (B,) and the `weights` (B, U, S)
  of its looks. Its text is what `serving_default` and `samples` answer then; word times are those
  of CTC's best path through it.

Axis letters: B batch, N samples, S steps, V classes, W words, U letters.
"""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import keras
import tensorflow as tf

from seqapps.app import Endpoints, Tensors
from seqapps.apps.asr import preprocess
from seqapps.apps.asr.decode import (
    alignment,
    beam_search,
    phone_rescoring,
    word_model,
)
from seqapps.apps.asr.decode import greedy as decoding
from seqapps.apps.asr.model import Encoded
from seqapps.apps.asr.nn import frontend, wav_reader
from seqapps.apps.asr.nn.labels import NEVER, NONE, Labels
from seqapps.apps.asr.params import WEIGHTS, Params
from seqapps.kit import ngrams


def endpoints(params: Params, model: keras.Model, assets: Path) -> Endpoints:
    """The endpoints of the module's docstring; each takes rows (B, ...) and answers (B, ...)."""
    facts = preprocess.facts(assets)
    rate_hz, reader = facts["sample_rate_hz"], Reader(params, model, assets)
    wav = tf.TensorSpec([None], tf.string, name="wav")

    def serving_default(wav):
        return reader.read(*wav_reader.decode(wav, rate_hz))

    def greedy(wav):
        return reader.greedy(*wav_reader.decode(wav, rate_hz))

    def samples(samples, count, rate_hz):
        return reader.read(
            *wav_reader.cut(samples, count, rates=rate_hz, rate_hz=facts["sample_rate_hz"])
        )

    def posteriors(wav):
        ctc_log_probs, steps = reader.ctc_log_probs(*wav_reader.decode(wav, rate_hz))
        return {"log_probability": ctc_log_probs, "steps": steps}

    def tuned(wav, lm_weight, word_weight, phones_weight, character_bonus, hot_weight, hot_words):
        weights = Weights(lm_weight, word_weight, phones_weight, character_bonus, hot_weight)
        return reader.beam(*wav_reader.decode(wav, rate_hz), weights, hot_words)

    weights = [tf.TensorSpec([None], tf.float32, name=name) for name in Weights._fields]

    def attention(wav):
        return reader.looks(*wav_reader.decode(wav, rate_hz))

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
    """Weights of the beam, float32 (B,): those of `[evaluate]`, and of a biasing word's letter."""

    lm_weight: tf.Tensor
    word_weight: tf.Tensor
    phones_weight: tf.Tensor
    character_bonus: tf.Tensor
    hot_weight: tf.Tensor


class Spelling(NamedTuple):
    """A speller's text beside CTC's distributions.

    `ctc_log_probs` float32 (B, S, V), `steps` int32 (B,), `labels` (B, U), `weights` float32
    (B, U, S) of attention.
    """

    ctc_log_probs: tf.Tensor
    steps: tf.Tensor
    labels: Labels
    weights: tf.Tensor


class Reader:
    """Samples float32 (B, N) and counts int32 (B,) -> an answer."""

    def __init__(self, params: Params, model: keras.Model, assets: Path):
        facts = preprocess.facts(assets)
        self.table, self.model, self.letters = params.evaluate, model, facts["letters"]
        self.spells = params.train.kind == "las"
        self.lm = ngrams.load(assets / "lm.npz")
        self.word_model = word_model.load(assets / "words.npz")
        self.rescorer = phone_rescoring.PhoneRescorer(
            assets, facts["language"], letters=facts["letters"]
        )
        self.step_seconds = params.train.subsampling * frontend.HOP_MS / 1000

    def read(self, samples: tf.Tensor, counts: tf.Tensor) -> Tensors:
        """Answers (B, ...) of the speller if there is one, else of the decoder of `[evaluate]`."""
        if self.spells:
            spelling = self._spell(samples, counts)
            return self._answer(spelling.ctc_log_probs, spelling.steps, spelling.labels)
        if self.table.decoder == "greedy":
            return self.greedy(samples, counts)
        fixed = [getattr(self.table, name) for name in WEIGHTS]
        weights = Weights(*(tf.fill(tf.shape(counts), value) for value in [*fixed, 0.0]))
        return self.beam(samples, counts, weights, tf.fill(tf.shape(counts), ""))

    def greedy(self, samples: tf.Tensor, counts: tf.Tensor) -> Tensors:
        """Answers (B, ...) without a search."""
        ctc_log_probs, steps = self.ctc_log_probs(samples, counts)
        return self._answer(ctc_log_probs, steps, decoding.greedy(ctc_log_probs, steps))

    def beam(self, samples, counts, weights: Weights, hot_words: tf.Tensor) -> Tensors:
        """Answers (B, ...) of a beam search; `hot_words` strings (B,)."""
        ctc_log_probs, steps, _, phone_log_probs = self.encode(samples, counts)
        hashes = word_model.hot_hashes(hot_words, self.letters)
        lm_weight, word_weight, phones_weight, bonus, hot_weight = weights
        rescore = None
        if phone_log_probs is not None:
            weight = tf.repeat(phones_weight, self.table.beam_width)
            rescore = partial(self._rescore, weight, phone_log_probs, steps)
        labels = beam_search.beam(
            ctc_log_probs,
            steps,
            width=self.table.beam_width,
            lm=self.lm,
            word_model=self.word_model,
            space=self.letters.index(" "),
            fusion=beam_search.Fusion(lm_weight, word_weight, bonus, hot_weight, *hashes),
            rescore=rescore,
        )
        return self._answer(ctc_log_probs, steps, labels)

    def _rescore(self, weight, phone_log_probs, steps, texts: Labels) -> tf.Tensor:
        return tf.cond(
            tf.reduce_any(weight > 0),
            lambda: weight * self.rescorer.score(texts, phone_log_probs, steps),
            lambda: tf.zeros_like(weight),
        )

    def ctc_log_probs(self, samples: tf.Tensor, counts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Log-probabilities float32 (B, S, V), step counts int32 (B,)."""
        encoded = self.encode(samples, counts)
        return encoded.ctc_log_probs, encoded.steps

    def encode(self, samples: tf.Tensor, counts: tf.Tensor) -> Encoded:
        """`Encoded` of samples float32 (B, N); in silence every step (B, S) is surely blank."""
        encoded = self.model.encode({"samples": samples, "count": counts})
        classes = encoded.ctc_log_probs.shape[-1] or 0
        blank = tf.one_hot(classes - 1, classes, on_value=0.0, off_value=NEVER)
        silent = frontend.silent(samples)[:, None, None]
        return encoded._replace(ctc_log_probs=tf.where(silent, blank, encoded.ctc_log_probs))

    def looks(self, samples: tf.Tensor, counts: tf.Tensor) -> Tensors:
        """The speller's text (B,) and its attention weights (B, U, S) per letter."""
        spelling = self._spell(samples, counts)
        answer = self._answer(spelling.ctc_log_probs, spelling.steps, spelling.labels)
        return {"text": answer["text"], "weights": spelling.weights}

    def _spell(self, samples, counts):
        encoded = self.encode(samples, counts)
        labels, weights = self.model.speller.spell(encoded.encoder_out, encoded.steps)
        silent = frontend.silent(samples)
        labels = Labels(
            tf.where(silent[:, None], NONE, labels.values), tf.where(silent, 0, labels.counts)
        )
        return Spelling(encoded.ctc_log_probs, encoded.steps, labels, weights)

    def _answer(self, ctc_log_probs, steps, labels) -> Tensors:
        path = alignment.align(ctc_log_probs, steps, labels=labels)
        timed = alignment.words(labels, path, self.letters, self.step_seconds)
        return timed | {"score": path.log_probability / tf.cast(steps, tf.float32)}
