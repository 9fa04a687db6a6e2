import pytest
import tensorflow as tf

from seqapps.kit import rows


@tf.function
def root(numbers):
    good, numbers = numbers >= 0, tf.identity(numbers)
    reason = tf.strings.join(["the root of ", tf.strings.as_string(numbers)])
    return tf.sqrt(rows.require(good, reason, numbers))


def test_good_rows_pass():
    assert root(tf.constant([1.0, 4.0])).numpy().tolist() == [1.0, 2.0]


def test_the_first_row_that_is_not_good_is_named():
    with pytest.raises(tf.errors.InvalidArgumentError, match="row 1: the root of -4"):
        root(tf.constant([1.0, -4.0, -9.0]))


def test_the_rule_that_a_row_breaks_is_named():
    numbers = tf.constant([1.0, 200.0, -1.0])
    rules = [(numbers >= 0, "negative"), (numbers < 100, "a hundred or more")]
    with pytest.raises(tf.errors.InvalidArgumentError, match="row 1: a hundred or more"):
        rows.require_all(rules, numbers)
    assert rows.require_all([(rules[1][0][:1], "large")], numbers[:1]).numpy() == [1.0]


@tf.function
def padded(texts):
    lengths = tf.strings.length(texts)
    return tf.size(rows.require_small(lengths, 12, "letters", texts))


def test_rows_whose_padding_is_too_large_are_refused_and_the_longest_is_named():
    assert padded(tf.constant(["four", "four", "four"])) == 3
    assert padded(tf.zeros([0], tf.string)) == 0
    said = "row 1: 7 letters, and 2 rows padded to it are over the limit of 12 letters; send fewer"
    with pytest.raises(tf.errors.InvalidArgumentError, match=said):
        padded(tf.constant(["a", "letters"]))
