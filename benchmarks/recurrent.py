"""What a step of training costs in a stack of each cell: `python benchmarks/recurrent.py`.

Random inputs (16 sequences of 90 steps and 320 channels: a batch of speech), three bidirectional
layers of 128 units, forward and backward, plain and compiled by XLA; the SRU also with products in
bfloat16, if the processor has them. The cells take turns within each of the rounds, so that a busy
moment of the machine meets all of them; ratios are to the GRU.
"""

import statistics
import time

import tensorflow as tf

from seqapps.kit.cells import has_bfloat16
from seqapps.kit.layers import recurrent

BATCH, STEPS, CHANNELS = 16, 90, 320
ROUNDS, CALLS = 9, 4


def main() -> None:
    """Prints the table."""
    inputs = tf.random.normal([BATCH, STEPS, CHANNELS])
    made = {
        (cell, "float32", compiled): gradient(cell, "float32", compiled)
        for cell in ("gru", "lstm", "sru")
        for compiled in (False, True)
    }
    if has_bfloat16():
        made["sru", "bfloat16", False] = gradient("sru", "bfloat16", False)
    seconds = {key: [] for key in made}
    for step, _ in made.values():
        step(inputs)  # traced and compiled
    for _ in range(ROUNDS):
        for key, (step, _) in made.items():
            started = time.perf_counter()
            for _ in range(CALLS):
                found = step(inputs)
            found[0].numpy()
            seconds[key].append((time.perf_counter() - started) / CALLS)
    print("| cell | products | XLA | weights | ms | ratio to gru |\n|---|---|---|---|---|---|")
    grus = seconds["gru", "float32", False]
    for key, (_, weights) in made.items():
        cell, products, compiled = key
        ratio = statistics.median(o / gru for o, gru in zip(seconds[key], grus, strict=True))
        median = 1000 * statistics.median(seconds[key])
        xla = "yes" if compiled else "no"
        print(f"| {cell} | {products} | {xla} | {weights:,} | {median:.0f} | {ratio:.2f} |")


def gradient(cell, products, compiled):
    """A function of inputs (B, T, C) -> gradients of the stack's weights, and how many they are."""
    stack = recurrent(cell, 128, layers=3, bidirectional=True, products=products)
    stack.build((BATCH, STEPS, CHANNELS))
    weights = [weight.value for weight in stack.trainable_variables]

    @tf.function(jit_compile=compiled)
    def step(inputs):
        with tf.GradientTape() as tape:
            total = tf.reduce_mean(stack(inputs, training=True) ** 2)
        return tape.gradient(total, weights)

    return step, sum(int(tf.size(weight)) for weight in weights)


if __name__ == "__main__":
    main()
