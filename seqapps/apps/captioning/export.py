"""Endpoints: encoded image bytes -> a sentence, and an attention map per word.

Axis letters: B batch, L longest sentence, H rows of the grid, W columns.
"""

from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf

from seqapps.app import Endpoints, Tensors
from seqapps.apps.captioning import decoding, encoders, fitted, headers
from seqapps.apps.captioning.model import Network, smoothed
from seqapps.apps.captioning.params import Params
from seqapps.kit import rows
from seqapps.kit.text import PAD

BEAMS = {"greedy": 1, "beam3": decoding.BEAMS}


def endpoints(params: Params, model: keras.Model, assets: Path) -> Endpoints:
    """`serving_default`, `greedy` and `beam3`; for evaluate also `compared` and `forced`.

    Each captioning endpoint takes `image` string (B,), encoded bytes of any size, and gives
    `caption` string (B,), `log_probability` float32 (B,) of the sentence and its end, `words`
    string (B, L) with "" after the last, `attention` float32 (B, L, H, W), which sums to 1 at
    each word and is 0 at padding. `serving_default` is the one `evaluate.decoding` names.

    JPEG, PNG, BMP of 24 bits and GIF (the first frame) are read, turned as their EXIF orientation
    says. An image that is refused (see `headers.refusals`) or damaged fails the whole request
    (InvalidArgument); a refusal names the row.
    """
    vocabulary = tf.constant(["", "", "", *fitted.vocabulary(assets)[3:]])
    height, width = encoders.grid(model.known)
    longest = model.known["max_words"]
    shipped = model.networks[: params.train.ensemble_size]

    def inputs(image: tf.Tensor) -> Tensors:
        reasons = headers.refusals(image)
        return model.network_inputs(rows.require(reasons == "", reasons, image))

    def sentences(networks: list[Network], batch: Tensors, beams: int) -> Tensors:
        best = decoding.decode(networks, batch, longest=longest, beams=beams)
        words = tf.gather(vocabulary, best.words)
        joined = tf.strings.strip(tf.strings.reduce_join(words, axis=1, separator=" "))
        return {
            "caption": joined,
            "log_probability": best.log_probability,
            "words": words,
            "attention": tf.reshape(best.attention, [-1, longest, height, width]),
        }

    def endpoint(beams: int) -> Callable[[tf.Tensor], Tensors]:
        return lambda image: sentences(shipped, inputs(image), beams)

    def compared(image):
        """The greedy captions (B, networks) of each network on its own."""
        batch = inputs(image)
        captions = [sentences([net], batch, 1)["caption"] for net in model.networks]
        return {"caption": tf.stack(captions, axis=1)}

    def forced(image, words):
        """Cross-entropy of the true words after true words, hits and words of the first caption."""
        first = words[:, 0]
        batch = inputs(image)
        logits = [net(batch, first[:, :-1]) for net in shipped]
        mean = tf.reduce_logsumexp(tf.nn.log_softmax(tf.stack(logits)), axis=0)
        wanted, counted = first[:, 1:], tf.cast(first[:, 1:] != PAD, tf.float32)
        losses = smoothed(wanted, mean[:, None], smoothing=0.0)[:, 0]
        hits = tf.cast(tf.argmax(mean, axis=-1) == wanted, tf.float32)
        sums = {"crossentropy": losses, "hits": hits, "count": tf.ones_like(hits)}
        return {name: tf.reduce_sum(part * counted, axis=1) for name, part in sums.items()}

    image = tf.TensorSpec([None], tf.string, name="image")
    named = {name: (endpoint(beams), [image]) for name, beams in BEAMS.items()}
    named = {"serving_default": named[params.evaluate.decoding], **named}
    if hasattr(params, "export"):
        return named
    words = tf.TensorSpec([None, None, longest + 2], tf.int64, name="words")
    return named | {"compared": (compared, [image]), "forced": (forced, [image, words])}
