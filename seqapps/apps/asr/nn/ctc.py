"""Connectionist temporal classification (Graves et al. 2006): costs of labels.

Axis letters: B batch, S steps, V classes (the labels, then the blank), U labels.
"""

import tensorflow as tf


def loss(
    log_probabilities: tf.Tensor, steps: tf.Tensor, *, labels: tf.Tensor, counts: tf.Tensor
) -> tf.Tensor:
    """The costs of a batch per label, a scalar; rows whose labels do not fit are left out.

    Arguments are those of `costs`.
    """
    losses, fits = costs(log_probabilities, steps, labels=labels, counts=counts)
    symbols = tf.reduce_sum(tf.where(fits, counts, 0))
    return tf.reduce_sum(losses) / tf.cast(tf.maximum(symbols, 1), tf.float32)


def costs(
    log_probabilities: tf.Tensor, steps: tf.Tensor, *, labels: tf.Tensor, counts: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """-log P(labels) of each row, float32 (B,), true lengths on both sides, and whether they fit.

    Labels that cannot fit into their steps (sped-up tape) cost nothing: a step for each label, and
    one between two that are alike.

    Args:
        log_probabilities: float32 (B, S, V), the blank last.
        steps: int32 (B,).
        labels: int (B, U), padded at the end.
        counts: int32 (B,), of labels.
    """
    again = labels[:, 1:] == labels[:, :-1]
    again &= tf.sequence_mask(counts - 1, tf.shape(again)[1])
    fits = counts + tf.reduce_sum(tf.cast(again, tf.int32), axis=1) <= steps
    some = fits & (counts > 0)
    # The op wants a label in each row.
    labels = tf.where(tf.sequence_mask(counts, tf.shape(labels)[1]), labels, 0)
    labels = tf.pad(labels, [[0, 0], [0, 1]])
    losses = tf.compat.v1.nn.ctc_loss(
        sparse(labels, tf.where(some, counts, 1)), log_probabilities, steps, time_major=False
    )
    spoken = tf.sequence_mask(steps, tf.shape(log_probabilities)[1])
    silence = -tf.reduce_sum(tf.where(spoken, log_probabilities[..., -1], 0.0), axis=1)  # pyright: ignore[reportArgumentType] stubs know no Ellipsis
    return tf.where(some, losses, tf.where(counts == 0, silence, 0.0)), fits


def sparse(labels: tf.Tensor, counts: tf.Tensor) -> tf.SparseTensor:
    """The labels int (B, U) as a sparse int32 tensor of `counts` (B,) labels a row."""
    ragged = tf.RaggedTensor.from_tensor(tf.cast(labels, tf.int32), lengths=counts)  # pyright: ignore[reportAttributeAccessIssue] stubs lack it
    return ragged.to_sparse()
