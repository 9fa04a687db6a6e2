"""Texts as class numbers: the form that decoders, losses and alignments share.

Axis letters: B batch, U labels.
"""

from typing import NamedTuple

import tensorflow as tf

NEVER = -1e30
"""In the place of log 0: finite, so that differences are numbers."""

NONE = -1
"""The number after the end of a text."""


class Labels(NamedTuple):
    """Letters int32 (B, U), -1 after the end, and how many there are, int32 (B,)."""

    values: tf.Tensor
    counts: tf.Tensor


def of_ragged(ragged: tf.RaggedTensor) -> Labels:
    """Labels (B, U) of a ragged int32 (B, None), with -1 after a row's end."""
    counts = tf.cast(ragged.row_lengths(), tf.int32)
    return Labels(ragged.to_tensor(default_value=NONE), counts)
