"""Our side of `pytorch.py`: reads cases as lines of JSON, writes milliseconds of a step."""

import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from seqapps.kit import layers  # noqa: E402


def layer(cell, units, directions, steps, rows, masked):
    """A step of one recurrent layer on random numbers, as a function."""
    keras.utils.set_random_seed(0)
    net = layers.recurrent(cell, units, bidirectional=directions == 2)
    rng = np.random.default_rng(0)
    inputs = tf.constant(rng.normal(size=(rows, steps, units)).astype(np.float32))
    lengths = np.sort(rng.integers(steps // 2, steps + 1, rows))[::-1]
    mask = tf.sequence_mask([steps, *lengths[1:]], steps) if masked else None
    net(inputs)
    variables = [variable.value for variable in net.trainable_variables]

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            loss = tf.reduce_mean(tf.square(net(inputs, mask=mask)))
        return tape.gradient(loss, [inputs, *variables])

    with layers.as_one_op(layers.keras_reason(jit_compile=False) is None):
        step()
    return step


def main():
    """Answers one line of JSON with another, until the input ends."""
    threads = int(sys.argv[1])
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    steps = {}
    for line in sys.stdin:
        request = json.loads(line)
        case = tuple(request["case"])
        if case not in steps:
            steps[case] = layer(*case)
            for _ in range(3):
                steps[case]()
        count, started = 0, time.perf_counter()
        while time.perf_counter() - started < request["seconds"]:
            steps[case]()[0].numpy()
            count += 1
        spent = time.perf_counter() - started
        print(json.dumps(1000 * spent / max(count, 1)), flush=True)


if __name__ == "__main__":
    main()
