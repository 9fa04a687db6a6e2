"""Drawing a value from a distribution."""

import tensorflow as tf

from seqapps.apps.jazz import frontend, playing


def test_a_small_nucleus_draws_the_likeliest_value():
    logits = tf.math.log(tf.constant([[0.1, 0.6, 0.3] + [0.0] * (frontend.VALUES - 3)]))
    draw = {p: [int(playing.drawn(logits, tf.constant([p]), draw=tf.constant([u]))[0])
                for u in (0.0, 0.5, 0.95)] for p in (0.5, 0.8, 1.0)}  # fmt: skip
    # Kept: 0.6; then 0.6 and 0.3, of which 0.5 * 0.9 falls in the first; then all.
    assert draw == {0.5: [1, 1, 1], 0.8: [1, 1, 2], 1.0: [1, 1, 0]}
