"""SavedModels as functions of named arrays; the only module that calls an endpoint.

The evaluate stage, the export's check, servers, notebooks and `make predict` all call `Endpoint`. A
server's environment has another TensorFlow and no training code, so this module needs only NumPy,
pydantic and TensorFlow, which is imported when a model is loaded.

Axis letters: N rows.
"""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from seqapps.app import Columns, Record, Tensors
from seqapps.artifacts import columns, json_codec, layout
from seqapps.artifacts.json_codec import BadRequest, Tensor

DEFAULT = "serving_default"
"""The endpoint that is called if none is named."""


GRAPHS = re.compile(r"\[\[.*?\]\]|\{\{function_node.*?\}\}|\[Op:[^\]]*\]")
"""TensorFlow's words about the place of an error in a graph."""


@dataclass(frozen=True)
class Endpoint:
    """An endpoint of a model: named arrays in, named arrays out.

    `function` takes tensors by name. `outputs` is empty for a model that has not been exported.
    """

    name: str
    function: Callable[..., Tensors]
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor] = field(default_factory=dict)

    def __call__(self, request: dict[str, Any]) -> Columns:
        """The answers to columns of plain values or arrays (N, ...); text comes back as bytes.

        Raises:
            BadRequest: a name is missing or unknown, the columns differ in rows, a value does not
                fit, or the graph itself refuses the values.
        """
        import tensorflow as tf

        json_codec.same_names("input", request, wanted=self.inputs)
        arrays = {name: self.inputs[name].array(values) for name, values in request.items()}
        counts = sorted({len(array) for array in arrays.values() if array.ndim})
        if len(counts) != 1 or counts == [0]:
            raise BadRequest(f"the inputs hold {counts} rows; wanted the same number, at least 1")
        tensors = {
            name: tf.constant(array, dtype=self.inputs[name].dtype)
            for name, array in arrays.items()
        }
        try:
            answer = self.function(**tensors)
        except (tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError) as error:
            raise BadRequest(f"the model refuses these values: {_reason(error)}") from None
        except UnicodeDecodeError:  # TensorFlow's message quotes the bytes of the request
            raise BadRequest("the model refuses these values: bytes it cannot read") from None
        return {name: tensor.numpy() for name, tensor in answer.items()}

    def in_batches(self, rows: Columns, batch_size: int) -> Columns:
        """The answers to all rows, name -> (N, ...), in the same order, computed in batches.

        Columns that the endpoint does not take are ignored. Rows of different lengths are padded
        with zeros to the longest of their batch; rows of similar length are batched together, so
        that there is little padding.
        """
        request = {name: rows[name] for name in self.inputs}
        sizes = np.max([[_size(row) for row in values] for values in request.values()], axis=0)
        order = np.argsort(sizes, kind="stable")
        answers: list[dict[str, Any]] = []
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            answer = self({n: columns.dense(values[chosen]) for n, values in request.items()})
            answers += [{n: value[i] for n, value in answer.items()} for i in range(len(chosen))]
        return columns.from_rows([answers[row] for row in np.argsort(order)])


class SavedModel:
    """A loaded version of an exported model.

    `endpoints` maps a signature's name to its `Endpoint`; `number` is the version, 0 if
    the folder's name is no number.
    """

    def __init__(self, folder: Path):
        import tensorflow as tf

        self.folder, self.number = folder, int(folder.name) if folder.name.isdigit() else 0
        self._owner = tf.saved_model.load(str(folder))  # owns the variables: keep it
        self.endpoints = {
            name: Endpoint(name, function, *_tensors(function))
            for name, function in self._owner.signatures.items()
        }

    def endpoint(self, name: str | None) -> Endpoint:
        """The endpoint called `name`; None means `serving_default`."""
        known = ", ".join(self.endpoints)
        if name is not None and name not in self.endpoints:
            raise BadRequest(f"no signature '{name}'; there is: {known}")
        return self.endpoints[name or DEFAULT]

    def taking(self, names: Iterable[str]) -> Endpoint:
        """The endpoint whose inputs have exactly these names; see `taking`."""
        return self.endpoints[taking({n: one.inputs for n, one in self.endpoints.items()}, names)]

    def example(self) -> tuple[Endpoint, Columns] | None:
        """The endpoint and columns (N, ...) of the version's example; None if there is none."""
        path = layout.beside(self.folder, layout.EXAMPLE_REQUEST)
        if not path.exists():
            return None
        body = json.loads(path.read_bytes())
        endpoint = self.endpoint(body.get("signature_name"))
        rows = json_codec.columns_of(body["instances"], endpoint.inputs)
        return endpoint, {name: endpoint.inputs[name].array(rows[name]) for name in rows}

    def signatures(self) -> dict[str, Any]:
        """Endpoint -> inputs and outputs -> name -> dtype and shape, as plain values.

        An output's `unit` and the `names` of its last axis are there if the export wrote them.
        """
        written = self.folder / layout.EXTRA / layout.SIGNATURES
        if written.exists():
            return json.loads(written.read_text())
        return {
            name: {
                side: {t.name: {"dtype": t.dtype, "shape": list(t.shape)} for t in tensors.values()}
                for side, tensors in (("inputs", one.inputs), ("outputs", one.outputs))
            }
            for name, one in self.endpoints.items()
        }


class Model:
    """An exported model as a callable: rows in, the endpoint's answer out.

    >>> model = seqapps.open("dna")  # doctest: +SKIP
    >>> model(["ACGT" * 30])["probability"].shape  # doctest: +SKIP
    (1, 4)
    """

    def __init__(self, exported: Path):
        bare = (exported / layout.GRAPH).exists()
        self.exported, self.folder = exported, exported if bare else layout.answering(exported)

    @cached_property
    def saved(self) -> SavedModel:
        """The SavedModel; loading it imports TensorFlow."""
        return SavedModel(self.folder)

    def __call__(self, *rows: Any, endpoint: str = DEFAULT, **named: Any) -> dict[str, Any]:
        """The endpoint's answer to N rows, name -> array (N, ...); text as str.

        Args:
            *rows: the rows of each input, in the order the repr shows them.
            endpoint: the name of the endpoint.
            **named: rows of inputs by name.

        Raises:
            BadRequest: the rows do not fit the endpoint, or there is no such endpoint.
        """
        asked = self.saved.endpoint(endpoint)
        if len(rows) > len(asked.inputs):
            raise BadRequest(
                f"{len(rows)} inputs given; {endpoint} takes {', '.join(asked.inputs)}"
            )
        request = dict(zip(asked.inputs, rows, strict=False)) | named
        return {name: json_codec.texts_of(values) for name, values in asked(request).items()}

    def __repr__(self) -> str:
        described = layout.beside(self.folder, layout.SIGNATURES)
        if not described.exists():
            return f"<model {self.folder}>"
        lines = [f"<model {self.folder}"]
        for name, sides in json.loads(described.read_text()).items():
            inputs, outputs = (_described(sides[side]) for side in ("inputs", "outputs"))
            lines.append(f"  {name}({inputs})\n    -> {outputs}")
        return "\n".join(lines) + ">"


def of_function(name: str, function: Callable[..., Tensors], signature: list[Any]) -> Endpoint:
    """An endpoint of a model that has not been exported, traced at its first call.

    Args:
        name: of the endpoint.
        function: takes the tensors of `signature` in their order.
        signature: a TensorSpec with a name for each input, of shape (None, ...) for (N, ...).
    """
    import tensorflow as tf

    traced = tf.function(function, input_signature=signature, autograph=False)

    def by_name(**tensors: Any) -> Tensors:
        return traced(*(tensors[spec.name] for spec in signature))

    return Endpoint(name, by_name, _described_specs((spec.name, spec) for spec in signature))


def in_parts(
    answer: Callable[[dict[str, Any]], Columns], request: dict[str, Any], count: int
) -> tuple[list[Record | None], dict[int, str]]:
    """The answers to N rows where some may be refused, and why: (answers (N,), row -> reason).

    A request that is refused is halved, so that one bad row of many costs few calls.

    Args:
        answer: request columns -> answer columns; it raises BadRequest.
        request: columns (N, ...), arrays or lists.
        count: N.
    """
    try:
        answers = answer(request)
        return [{name: values[row] for name, values in answers.items()} for row in range(count)], {}
    except BadRequest as refused:
        if count == 1:
            return [None], {0: re.sub(r"\brow 0: ", "", str(refused))}
    half = count // 2
    first, reasons = in_parts(answer, {n: v[:half] for n, v in request.items()}, half)
    rest, more = in_parts(answer, {n: v[half:] for n, v in request.items()}, count - half)
    return first + rest, reasons | {half + row: reason for row, reason in more.items()}


def taking(endpoints: dict[str, Iterable[str]], names: Iterable[str]) -> str:
    """The name of the endpoint with exactly these inputs; `serving_default` comes first.

    Raises:
        ValueError: there is none.
    """
    for name in (DEFAULT, *endpoints):
        if set(endpoints[name]) == set(names):
            return name
    raise ValueError(f"no endpoint takes {sorted(names)}")


def _tensors(function: Any) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    return (
        _described_specs(sorted(function.structured_input_signature[1].items())),
        _described_specs(sorted(function.structured_outputs.items())),
    )


def _described_specs(specs: Iterable[tuple[str, Any]]) -> dict[str, Tensor]:
    return {name: Tensor(name, spec.dtype.name, tuple(spec.shape)) for name, spec in specs}


def _size(value: Any) -> int:
    return len(value) if isinstance(value, str | bytes) else np.size(value)


def _reason(error: Exception) -> str:
    """The reason in TensorFlow's error message; of a failed assertion, the assertion's text."""
    text = re.sub(GRAPHS, " ", str(getattr(error, "message", error)))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return "bytes it cannot read"
    asserted = re.search(r"assertion failed: \[(.*?)\](?: \[|$)", lines[-1])
    reason = asserted[1].replace("\\'", "'") if asserted else lines[-1]
    return reason.strip()[:300]


def _described(tensors: dict[str, Any]) -> str:
    return ", ".join(_in_words(name, one) for name, one in tensors.items())


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _in_words(name: str, tensor: dict[str, Any]) -> str:
    names = tensor.get("names")
    more = [tensor.get("unit", ""), f"of {', '.join(map(_short, names))}" if names else ""]
    words = " ".join(filter(None, more))
    return f"{Tensor(name, tensor['dtype'], tuple(tensor['shape']))}{f' {words}' if words else ''}"
