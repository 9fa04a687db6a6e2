"""Our side of `pytorch.py`: steps of training of a layer or of an application's network."""

import json
import os
import sys
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras  # noqa: E402
import librosa  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from side import Case, answer  # noqa: E402

from seqapps import app as contract  # noqa: E402
from seqapps import config  # noqa: E402
from seqapps.apps.asr.nn import frontend  # noqa: E402
from seqapps.apps.captioning import encoders  # noqa: E402
from seqapps.apps.finance import preprocess  # noqa: E402
from seqapps.artifacts import layout  # noqa: E402
from seqapps.kit import layers  # noqa: E402
from seqapps.pipeline import training  # noqa: E402

BATCHES = 6
CHANGES = {"asr": ["train.products=float32"]}
"""Changes of the full profiles: PyTorch's side multiplies float32."""


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
    return lambda: step()[0].numpy()


def application(name, data, folder):
    """The training of an application's full profile, its batches written into `folder`.

    A step is what Keras' `fit` runs for a batch. The batches are kept after the feed.
    """
    app = contract.load(name)
    params = config.load(app, "full", CHANGES.get(name, ()), root=Path(__file__).parents[1])
    [fold, *_] = layout.folds(data / name / "full" / "preprocess").values()
    keras.utils.set_random_seed(params.train.seed)
    fed = training._Data(app, params, fold)
    batches = fed.train(0).take(BATCHES).cache()
    model = training.compiled(
        app, params, fold / layout.ASSETS, steps_per_epoch=fed.steps_per_epoch
    )
    sizes, arrays = constants(name, model, fold / layout.ASSETS)
    table = params.train.model_dump(mode="json") | sizes | {"batches": BATCHES}
    for number, batch in enumerate(batches.as_numpy_iterator()):
        arrays |= {f"{number}/{key}": values for key, values in batch.items()}
    np.savez(folder / f"{name}.npz", table=json.dumps(table), **arrays)
    turns = iter(batches.repeat())
    one_op = layers.keras_reason(jit_compile=params.train.jit_compile) is None
    with layers.as_one_op(one_op):
        history = model.fit(batches.take(1), verbose=0, shuffle=False)
        model.train_function(turns)
    weights = sum(int(np.prod(weight.shape)) for weight in model.trainable_variables)
    return Case(
        lambda: float(model.train_function(turns)["loss"]),
        BATCHES,
        {"weights": weights, "loss": history.history["loss"][0]},
    )


def constants(name, model, assets):
    """Sizes and arrays that PyTorch's network of an application needs beside `[train]`."""
    if name == "asr":
        rate_hz, classify = model.rate_hz, model.encoder.phone_head.classify
        frame = rate_hz * frontend.FRAME_MS // 1000
        mel = librosa.filters.mel(
            sr=rate_hz,
            n_fft=1 << (frame - 1).bit_length(),
            n_mels=model.n_mels,
            fmin=frontend.LOWEST_HZ,
            htk=True,
            norm=None,
        )
        sizes = {"rate_hz": rate_hz, "letters": model.head.units, "phones": classify.units}
        return sizes, {"mel": mel}
    if name == "captioning":
        rows, columns = model.networks[0].shape
        sizes = {
            "members": model.table.members,
            "vocabulary": model.networks[0].out.units,
            "rows": rows,
            "columns": columns,
        }
        palette = np.array(list(encoders.PALETTE.values()), np.float32)
        return sizes, {"palette": palette, "merged": encoders._merged().numpy()}
    if name == "dna":
        return {"factors": model.head.units}, {}
    if name == "finance":
        with np.load(assets / "statistics.npz") as file:
            days = preprocess.facts(assets)["window_days"]
            return {"steps": model.steps, "window_days": days}, dict(file)
    return {}, {}


def case(request):
    """The case of a request: the name of an application, or the six facts of a layer."""
    first, *rest = request["case"]
    if rest:
        return Case(layer(first, *rest))
    return application(first, Path(request["data"]), Path(request["folder"]))


if __name__ == "__main__":
    threads = int(sys.argv[1])
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    warnings.simplefilter("ignore")
    answer(case)
