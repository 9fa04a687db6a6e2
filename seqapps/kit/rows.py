"""Refusal of single rows by a graph: the error names the row.

Axis letters: B rows of a request.
"""

from typing import TypeVar

import tensorflow as tf

Value = TypeVar("Value")


def require(good: tf.Tensor, reason: str | tf.Tensor, value: Value) -> Value:
    """`value`, tensors in any nesting, once every row is good.

    Args:
        good: bool (B,).
        reason: the message about a row that is not, one for all or string (B,).
        value: what the graph goes on with.

    Raises:
        InvalidArgumentError: "row 3: <reason>" of the first row that is not good, from 0.
    """
    # One row more, so that no row is none to gather.
    first = tf.argmin(tf.concat([tf.cast(good, tf.int32), [1]], axis=0))
    of_first = reason if isinstance(reason, str) else tf.concat([reason, [""]], axis=0)[first]
    message = tf.strings.join(["row ", tf.strings.as_string(first), ": ", of_first])
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(good), [message])]):
        return tf.nest.map_structure(tf.identity, value)


def require_all(rules: list[tuple[tf.Tensor, str]], value: Value) -> Value:
    """`value`, once every row keeps every rule, a pair of bool (B,) and the reason if it is false.

    Raises:
        InvalidArgumentError: of the first row that does not, with the first rule it breaks.
    """
    kept = tf.stack([good for good, _ in rules])
    broken = tf.argmin(tf.cast(kept, tf.int32), axis=0)
    reasons = tf.gather(tf.constant([reason for _, reason in rules]), broken)
    return require(tf.reduce_all(kept, axis=0), reasons, value)


def require_small(lengths: tf.Tensor, most: int, unit: str, value: Value) -> Value:
    """`value`, once its rows, padded to the longest, hold no more than `most` in all.

    A graph pads: without a limit one long row among many short ones takes memory without end.

    Args:
        lengths: integers (B,), of `unit`.
        most: largest product of B and the longest.
        unit: plural name of what is counted, for the message.
        value: what the graph goes on with.

    Raises:
        InvalidArgumentError: names the longest row; a request of fewer rows may pass.
    """
    lengths = tf.concat([tf.cast(lengths, tf.int64), [0]], axis=0)
    count, longest = tf.size(lengths, tf.int64) - 1, tf.reduce_max(lengths)
    at, rows, size = map(tf.strings.as_string, (tf.argmax(lengths), count, longest))
    padded = f"rows padded to it are over the limit of {most:,} {unit}; send fewer or shorter rows"
    message = tf.strings.join(["row ", at, ": ", size, f" {unit}, and ", rows, f" {padded}"])
    with tf.control_dependencies([tf.debugging.Assert(count * longest <= most, [message])]):
        return tf.nest.map_structure(tf.identity, value)
