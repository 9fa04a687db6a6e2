"""Recurrent layers as one op each, for training on a CPU, built from `recurrent.cc` by `make`.

TensorFlow's own recurrent layers run dozens of small ops at every step. Here one op walks the whole
sequence, and one walks it backward through time. The library is built for this machine's processor
and TensorFlow, and kept in the environment; where it is missing, `missing` gives the reason and
Keras' layers do the work.

`python -m seqapps.kit.native` builds the library.

Axis letters: B batch, T steps, C channels, U units, G gates (3 of a GRU, 4 of an LSTM), D
directions.
"""

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextvars import ContextVar
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf

SOURCE = Path(__file__).with_name("recurrent.cc")
FLAGS = ("-O3", "-march=native", "-std=c++17", "-shared", "-fPIC", "-Wno-psabi")
CPU_INFO = Path("/proc/cpuinfo")
IN_USE: ContextVar[bool] = ContextVar("in_use", default=False)
"""True where the ops walk what is traced or run; see `layers.as_one_op`."""

SWITCH = "SEQAPPS_NATIVE"
"""The environment variable that switches the ops off when it is 0."""


class Walked(NamedTuple):
    """Outputs and last states of a recurrent layer.

    `hidden` float32 (B, T, D * U); `last_h` and `last_c` a float32 (B, U) for each direction, the
    states after its last true step.
    """

    hidden: tf.Tensor
    last_h: list[tf.Tensor]
    last_c: list[tf.Tensor]


def library() -> Path:
    """The path of the library for this source, TensorFlow and processor, built or not."""
    made_for = [SOURCE.read_text(), *FLAGS, *_tensorflows(), platform.machine(), _processor()]
    digest = hashlib.sha256("\n".join(made_for).encode()).hexdigest()[:16]
    return Path(sys.prefix) / "lib/seqapps" / f"recurrent-{digest}.so"


def missing() -> str | None:
    """The reason why Keras' layers must do the work, in words; None if the ops can."""
    if os.environ.get(SWITCH) == "0":
        return f"{SWITCH}=0"
    if tf.config.list_physical_devices("GPU"):
        return "on a GPU"
    if not library().exists():
        return "not built for this machine, see make native"
    try:
        _ops()
    except (OSError, tf.errors.OpError):
        return f"{library()} does not load: delete it, then make native"
    return None


def build() -> str:
    """Builds the library if it is missing and returns a sentence about it."""
    target = library()
    if target.exists():
        return "native: the recurrent ops are built"
    compiler = shlex.split(os.environ.get("CXX", "c++"))
    if not shutil.which(compiler[0]):
        return f"native: no C++ compiler ({compiler[0]}): Keras' recurrent layers will train"
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}")
    options = [*tf.sysconfig.get_compile_flags(), *tf.sysconfig.get_link_flags()]
    command = [*compiler, *FLAGS, str(SOURCE), "-o", str(partial), *options]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        partial.unlink(missing_ok=True)
        reason = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr)
        return f"native: not built, Keras' recurrent layers will train: {reason.strip()}"
    os.replace(partial, target)
    for old in target.parent.glob("recurrent-*.so"):
        if old != target:
            old.unlink()
    return "native: recurrent ops built for this processor"


def gated(
    *,
    projected: Sequence[tf.Tensor],
    kernels: Sequence[tf.Tensor],
    biases: Sequence[tf.Tensor],
    lstm: bool,
    repeat: bool = True,
    first: Sequence[Sequence[tf.Tensor]] = (),
    lengths: tf.Tensor | None = None,
) -> Walked:
    """A GRU (reset after the product) or an LSTM, forward, or forward and backward in time.

    Args:
        projected: per direction, the inputs' product without bias, float32 (B, T, G * U); gates in
            the order z, r, h of a GRU, i, f, c, o of an LSTM.
        kernels: per direction, of the recurrent product, float32 (U, G * U).
        biases: per direction, float32 (2, G * U) of a GRU's two products, (G * U,) of an LSTM.
        lstm: False for a GRU.
        repeat: True if padding repeats the output before it, forward in time; else it is 0.
        first: per direction, the states before the first step, float32 (B, U) each: h, and c of an
            LSTM; zeros if empty.
        lengths: int32 (B,), true steps of each row; all are true if None.
    """
    count = len(projected)
    none = [_empty()] * count
    outputs = _ops().seqapps_recurrent(
        projected=list(projected),
        kernel=list(kernels),
        bias=list(biases),
        first_h=[states[0] for states in first] or none,
        first_c=[states[1] for states in first] if lstm and first else none,
        lengths=_lengths(lengths),
        lstm=lstm,
        repeat=repeat,
    )
    return Walked(outputs.hidden, outputs.last_h, outputs.last_c)


def simple(
    parts: tf.Tensor,
    steps: tf.Tensor,
    *,
    directions: int,
    forget_bias: float,
    first: tf.Tensor | None = None,
    lengths: tf.Tensor | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Simple recurrent units after their matrix product: hidden (B, T, D * U), last states (B, U).

    Args:
        parts: float32 (B, T, 3 * D * U): new values, logits of the forget gates and of the output
            gates; a fourth part is shown in the place of `steps`.
        steps: the layer's inputs, float32 (B, T, D * U) or of any width if there is a fourth part.
        directions: 1, or 2 for units whose second half runs backward in time.
        forget_bias: added to the forget gates' logits.
        first: the states before the first step, float32 (B, D * U); zeros if None.
        lengths: int32 (B,), true steps of each row; all are true if None.
    """
    width: Any = steps.shape[-1]
    if parts.shape[-1] != 3 * width:  # a fourth part is shown, not the inputs
        steps = tf.split(parts, 4, axis=-1)[3]
    outputs = _ops().seqapps_simple_recurrent(
        parts=parts,
        input=steps,
        first=_empty() if first is None else first,
        lengths=_lengths(lengths),
        directions=directions,
        forget_bias=forget_bias,
    )
    return outputs.hidden, outputs.last


@tf.custom_gradient
def product(steps: tf.Tensor, kernel: tf.Tensor) -> Any:
    """Steps (B, T, C) times a kernel (C, N), as one product of matrices: float32 (B, T, N)."""
    rows = _rows(steps)
    shape = tf.shape(steps)

    def gradient(by_product: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        by = _rows(by_product)
        by_steps = tf.reshape(tf.matmul(by, kernel, transpose_b=True), shape)
        return by_steps, turned_product(rows, by)

    answer = tf.matmul(rows, kernel)
    return tf.reshape(answer, [shape[0], shape[1], kernel.shape[-1]]), gradient


def turned_product(turned: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
    """The transpose of float32 (N, M) times float32 (N, K), (M, K), for a large N."""
    return _ops().seqapps_turned_product(turned, right)


def _lengths(lengths: tf.Tensor | None) -> tf.Tensor:
    return tf.zeros([0], tf.int32) if lengths is None else tf.cast(lengths, tf.int32)


def _empty() -> tf.Tensor:
    return tf.zeros([0])


@cache
def _ops() -> Any:
    """The library's ops."""
    return tf.load_op_library(str(library()))


@tf.RegisterGradient("SeqappsRecurrent")
def _gated_gradient(op: Any, by_hidden: tf.Tensor, *by_others: tf.Tensor) -> list[Any]:
    """Gradients of the inputs of `SeqappsRecurrent`, from those of its outputs."""
    lstm, count = op.get_attr("lstm"), op.get_attr("directions")
    kernels, first_h, first_c = (op.inputs[i * count : (i + 1) * count] for i in (1, 3, 4))
    walked = _ops().seqapps_recurrent_gradient(
        by_hidden=by_hidden,
        by_last_h=by_others[:count],
        by_last_c=by_others[count : 2 * count],
        hidden=op.outputs[0],
        kept=op.outputs[1 + 2 * count :],
        kernel=kernels,
        first_h=first_h,
        first_c=first_c,
        lengths=op.inputs[5 * count],
        lstm=lstm,
        repeat=op.get_attr("repeat"),
    )
    gates = walked.projected if lstm else walked.gates
    by_kernels = [
        turned_product(_rows(before), _rows(gate))
        for before, gate in zip(walked.previous, gates, strict=True)
    ]
    by_biases = [_sum(gate) for gate in gates]
    if not lstm:
        by_biases = [
            tf.stack([_sum(inputs), by])
            for inputs, by in zip(walked.projected, by_biases, strict=True)
        ]
    by_first = [*zip(first_h, walked.by_first_h, strict=True)]
    by_first += zip(first_c, walked.by_first_c, strict=True)
    states = [None if _is_empty(state) else by for state, by in by_first]
    return [*walked.projected, *by_kernels, *by_biases, *states, None]


@tf.RegisterGradient("SeqappsSimpleRecurrent")
def _simple_gradient(op: Any, *by_outputs: tf.Tensor) -> list[Any]:
    """Gradients of the inputs of `SeqappsSimpleRecurrent`, from those of its outputs."""
    by_hidden, _, by_last = by_outputs
    parts, steps, first, lengths = op.inputs
    walked = _ops().seqapps_simple_recurrent_gradient(
        by_hidden=by_hidden,
        by_last=by_last,
        parts=parts,
        input=steps,
        first=first,
        lengths=lengths,
        cells=op.outputs[1],
        directions=op.get_attr("directions"),
        forget_bias=op.get_attr("forget_bias"),
    )
    return [walked.by_parts, walked.by_input, None if _is_empty(first) else walked.by_first, None]


def _is_empty(states: tf.Tensor) -> bool:
    return states.shape.rank == 1


def _sum(steps: tf.Tensor) -> tf.Tensor:
    """The sum (C,) of steps (B, T, C); by a product with ones, which is faster."""
    rows = _rows(steps)
    return tf.matmul(tf.ones([1, tf.shape(rows)[0]]), rows)[0]


def _rows(steps: tf.Tensor) -> tf.Tensor:
    return tf.reshape(steps, [-1, steps.shape[-1]])


def _tensorflows() -> list[str]:
    """Names and versions of the packages whose interface the library is bound to."""
    names = ("tensorflow", "tensorflow-cpu")
    installed = {name: _version(name) for name in names}
    return [f"{name} {number}" for name, number in installed.items() if number]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    """The processor's instructions, where Linux names them, which `-march=native` may use."""
    if not CPU_INFO.exists():
        return platform.processor()
    flags = (line for line in CPU_INFO.read_text().splitlines() if line[:5] in ("flags", "Featu"))
    return next(flags, "")
