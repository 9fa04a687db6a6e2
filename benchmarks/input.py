"""What a training step waits for: `python benchmarks/input.py [profile] [application ...]`.

Feeds the train split of a preprocessed profile without a model, then one batch again
and again to the model, as training does; both after a warm-up.
"""

import os
import sys
import time
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf  # noqa: E402

from seqapps import app as contract  # noqa: E402
from seqapps import config  # noqa: E402
from seqapps.artifacts import layout  # noqa: E402
from seqapps.artifacts.layout import ProfileFolder  # noqa: E402
from seqapps.kit import layers  # noqa: E402
from seqapps.pipeline import training  # noqa: E402

SECONDS, WARM_UP = 6.0, 3


def main(profile: str = "full", *names: str) -> None:
    """Prints the table."""
    warnings.simplefilter("ignore")
    print("| application | rows | input | step | share of input |\n|---|---|---|---|---|")
    for name in names or contract.names():
        app = contract.load(name)
        params = config.load(app, profile, root=Path.cwd())
        stage = ProfileFolder(Path.cwd(), name, profile).stage("preprocess")
        folder = next(iter(layout.folds(stage).values()))
        jit = params.train.jit_compile
        with layers.as_one_op(layers.keras_reason(jit_compile=jit) is None):
            data = training._Data(app, params, folder)
            model = training.compiled(
                app, params, folder / layout.ASSETS, steps_per_epoch=data.steps_per_epoch
            )
            batch, fed = fed_ms(data)
            step = step_ms(model, batch)
        print(
            f"| {name} | {data.batch_size} | {fed:.2f} | {step:.1f} | {fed / step:.1%} |",
            flush=True,
        )


def fed_ms(data) -> tuple[dict, float]:
    """A batch, and the milliseconds of one."""
    batches = iter(data.train(0).repeat())
    batch = next(batches)
    for _ in range(WARM_UP):
        next(batches)
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        next(batches)
        count += 1
    return batch, 1000 * (time.perf_counter() - started) / count


def step_ms(model, batch) -> float:
    """The milliseconds of a training step on a batch that is there."""
    same = tf.data.Dataset.from_tensors(batch).repeat()
    model.fit(same, steps_per_epoch=WARM_UP, verbose=0, shuffle=False)
    started = time.perf_counter()
    model.fit(same, steps_per_epoch=WARM_UP, verbose=0, shuffle=False)
    count = max(5, int(SECONDS * WARM_UP / (time.perf_counter() - started)))
    started = time.perf_counter()
    model.fit(same, steps_per_epoch=count, verbose=0, shuffle=False)
    return 1000 * (time.perf_counter() - started) / count


if __name__ == "__main__":
    main(*sys.argv[1:])
