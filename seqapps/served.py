"""An exported SavedModel as a function of plain values: for servers and for notebooks.

Needs TensorFlow and NumPy and nothing else of ours, so that a server's environment, which has
another TensorFlow and no training code, can use it too. TensorFlow is imported when a model is
loaded, not before.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from seqapps.wire import BadRequest, Columns, Tensor, decoded, same_names

SIGNATURES = "signatures.json"
"""Beside `model/`: endpoint -> {"inputs", "outputs"} -> name -> {"dtype", "shape"}, for people."""

EXTRA = "assets.extra"
"""The folder in a SavedModel that TensorFlow leaves to others: what belongs to one version."""

CHAMPION = "champion.json"
"""Beside `model/`: the version that answers (see `champion`); without it, the highest does."""

DEFAULT = "serving_default"


@dataclass(frozen=True)
class Endpoint:
    """A signature of a SavedModel: named arrays in, named arrays out."""

    name: str
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]
    function: Any

    def __call__(self, columns: dict[str, Any]) -> Columns:
        """The answers to columns of plain values or arrays; text comes back as bytes objects.

        Raises:
            BadRequest: a name is missing or unknown, the columns differ in rows, a value does not
                fit, or the graph itself refuses the values.
        """
        import tensorflow as tf

        same_names("input", columns, self.inputs)
        arrays = {name: self.inputs[name].array(values) for name, values in columns.items()}
        counts = sorted({len(array) for array in arrays.values() if array.ndim})
        if len(counts) != 1 or counts == [0]:
            raise BadRequest(f"the inputs hold {counts} rows; wanted the same number, at least 1")
        given = {
            name: tf.constant(array, dtype=self.inputs[name].dtype)
            for name, array in arrays.items()
        }
        try:
            answer = self.function(**given)
        except (tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError) as error:
            raise BadRequest(f"the model refuses these values: {_reason(error)}") from None
        except UnicodeDecodeError:  # TensorFlow's own sentence quotes the bytes it was sent
            raise BadRequest("the model refuses these values: bytes it cannot read") from None
        return {name: tensor.numpy() for name, tensor in answer.items()}


class SavedModel:
    """A version of an exported model, loaded.

    `endpoints` maps a signature's name to its `Endpoint`; `number` is the folder's.
    """

    def __init__(self, folder: Path):
        import tensorflow as tf

        self.folder, self.number = folder, int(folder.name) if folder.name.isdigit() else 0
        self._owner = tf.saved_model.load(str(folder))  # owns the variables: keep it
        self.endpoints = {
            name: Endpoint(name, *_tensors(function), function)
            for name, function in self._owner.signatures.items()
        }

    def endpoint(self, name: str | None) -> Endpoint:
        """The endpoint called `name`; None means `serving_default`."""
        known = ", ".join(self.endpoints)
        if name is not None and name not in self.endpoints:
            raise BadRequest(f"no signature '{name}'; there is: {known}")
        return self.endpoints[name or DEFAULT]

    def signatures(self) -> dict[str, Any]:
        """Endpoint -> inputs and outputs -> name -> dtype and shape, as plain values."""
        return {
            name: {
                side: {t.name: {"dtype": t.dtype, "shape": list(t.shape)} for t in tensors.values()}
                for side, tensors in (("inputs", one.inputs), ("outputs", one.outputs))
            }
            for name, one in self.endpoints.items()
        }


class Model:
    """An exported model for Python: call it with rows, get the endpoint's answer.

    >>> model = seqapps.open("dna")  # doctest: +SKIP
    >>> model(["ACGT" * 30])["probability"].shape  # doctest: +SKIP
    (1, 4)
    """

    def __init__(self, exported: Path):
        bare = (exported / "saved_model.pb").exists()
        self.exported, self.folder = exported, exported if bare else champion(exported)

    @cached_property
    def saved(self) -> SavedModel:
        """The SavedModel; loading it imports TensorFlow."""
        return SavedModel(self.folder)

    def __call__(self, *rows: Any, endpoint: str = DEFAULT, **named: Any) -> dict[str, Any]:
        """The endpoint's answer, name -> array with a row per row given; text as str.

        Args:
            *rows: the rows of each input, in the order the repr shows them.
            endpoint: which one to ask.
            **named: rows of inputs by name.

        Raises:
            BadRequest: what was given does not fit the endpoint.
        """
        asked = self.saved.endpoint(endpoint)
        if len(rows) > len(asked.inputs):
            raise BadRequest(
                f"{len(rows)} inputs given; {endpoint} takes {', '.join(asked.inputs)}"
            )
        columns = dict(zip(asked.inputs, rows, strict=False)) | named
        return {name: decoded(values) for name, values in asked(columns).items()}

    def __repr__(self) -> str:
        described = beside(self.folder, SIGNATURES)
        if not described.exists():
            return f"<model {self.folder}>"
        lines = [f"<model {self.folder}"]
        for name, sides in json.loads(described.read_text()).items():
            taken, given = (_described(sides[side]) for side in ("inputs", "outputs"))
            lines.append(f"  {name}({taken})\n    -> {given}")
        return "\n".join(lines) + ">"


def versions(model: Path) -> list[int]:
    """The version numbers in a `model/` folder, rising."""
    return sorted(
        int(path.name)
        for path in model.glob("*")
        if path.name.isdigit() and (path / "saved_model.pb").exists()
    )


def champion(exported: Path) -> Path:
    """The folder of the version that answers: the champion, else the highest.

    Raises:
        FileNotFoundError: there is no version.
    """
    model = exported / "model"
    found = versions(model)
    if not found:
        raise FileNotFoundError(f"{model}: no exported model; run make <app> first")
    named = champion_number(exported)
    return model / str(named if named in found else found[-1])


def champion_number(exported: Path) -> int | None:
    """The version that `champion.json` names; None if there is no such file.

    Raises:
        ValueError: the file does not name one.
    """
    path = exported / CHAMPION
    try:
        return int(json.loads(path.read_bytes())["version"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path} names no version; delete it, or promote one") from None


def beside(folder: Path, name: str) -> Path:
    """A file or folder that belongs to a version: its own, else the one beside `model/`."""
    own = folder / EXTRA / name
    return own if own.exists() else folder.parents[1] / name


def _tensors(function: Any) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    def described(specs: Iterable[tuple[str, Any]]) -> dict[str, Tensor]:
        return {
            name: Tensor(name, spec.dtype.name, tuple(spec.shape)) for name, spec in sorted(specs)
        }

    return (
        described(function.structured_input_signature[1].items()),
        described(function.structured_outputs.items()),
    )


def _reason(error: Exception) -> str:
    """The sentence in TensorFlow's message: of a failed assertion, the text it was given."""
    lines = str(getattr(error, "message", error)).strip().splitlines()
    said = [line for line in lines if line.strip() and "[[{{node" not in line]
    asserted = re.search(r"assertion failed: \[(.*?)\](?: \[|$)", said[-1])
    found = asserted[1].replace("\\'", "'") if asserted else said[-1]
    return found.strip()[:300]


def _described(tensors: dict[str, Any]) -> str:
    return ", ".join(
        str(Tensor(name, one["dtype"], tuple(one["shape"]))) for name, one in tensors.items()
    )
