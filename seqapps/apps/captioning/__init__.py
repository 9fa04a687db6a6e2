"""Captioning: a sentence for an image, with an attention map per word."""

from seqapps.app import App, Asks, Feature, Output
from seqapps.apps.captioning.params import Params

APP = App(
    title="Captioning: describe the picture",
    package=__name__,
    params=Params,
    features={
        "image": Feature("string"),  # encoded bytes, as a client sends them
        "view": Feature("string"),  # raw uint8 pixels the small encoder reads, or empty
        "cells": Feature("float32", (None, None)),  # of a keras.applications encoder, or no rows
        "captions": Feature("string"),  # the references, one a line
        "words": Feature("int64", (None, None)),  # a row per reference: start, words, end, padding
    },
    headline=("cider_d", "max"),
    asks=Asks(
        "Give a picture: a sentence about it, and where the network looked at each word.",
        endings=(
            ".png",
            ".jpg",
            ".jpeg",
            ".jfif",
            ".gif",
            ".bmp",
            ".webp",
            ".tif",
            ".tiff",
            ".avif",
            ".heic",
            ".heif",
        ),  # fmt: skip
        shown_as="picture",
    ),
    evaluated=("serving_default", "greedy", "beam3"),
    reported=("bleu1", "bleu2", "bleu3", "bleu4", "rouge_l", "distinct2", "vocabulary"),
    resample="group",
    outputs={
        "log_probability": Output("natural logarithm, of the sentence and its end"),
        "attention": Output("weight of each cell of the picture, per word; their sum is 1"),
    },
)
