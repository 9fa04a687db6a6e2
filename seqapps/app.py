"""The contract of every application, and the lookup of applications by name.

An application is a package `seqapps/apps/<name>/` whose `__init__.py` holds `APP = App(...)`. The
dataclass holds facts; the functions are in modules that have the same names in every application
(see `ROOMS`). A module is imported at the first use of its functions, so that reading the facts
never imports TensorFlow.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias

from seqapps.config import P, Params, UserError, nearest

if TYPE_CHECKING:
    import keras
    import numpy as np
    import tensorflow as tf
    from matplotlib.figure import Figure

Columns: TypeAlias = dict[str, "np.ndarray"]
"""Rows as columns: name -> array with a leading axis of rows; object arrays where shapes vary."""

Record: TypeAlias = dict[str, Any]
"""One row: name -> NumPy value, text or bytes."""

Meta: TypeAlias = dict[str, Any]
"""What an application remembers of a request until its answer is rendered: name -> value."""

Tensors: TypeAlias = dict[str, "tf.Tensor"]
"""Named tensors: a batch of records or of the training input, or an endpoint's answer."""

Split: TypeAlias = Literal["train", "validation", "test"]
"""The part of the data that an item belongs to."""

Endpoints: TypeAlias = dict[str, tuple[Callable[..., Tensors], list["tf.TensorSpec"]]]
"""Name -> (function of tensors, its signature)."""

APPS = "seqapps.apps"
"""The package that holds the applications, each a package."""

ROOMS = {
    "ingest": "ingest",
    "index": "preprocess",
    "assets": "preprocess",
    "example": "preprocess",
    "feed": "model",
    "build": "model",
    "endpoints": "export",
    "score": "evaluate",
    "baselines": "evaluate",
    "controls": "evaluate",
    "measure": "evaluate",
    "figures": "evaluate",
    "requests": "predict",
    "render": "predict",
    "example_input": "predict",
}
"""The module of each function of the contract; `App` declares their signatures."""

OPTIONAL_ROOMS = {"samples": "evaluate", "headline_score": "evaluate"}
"""Functions that an application may leave out."""


@dataclass(frozen=True)
class Feature:
    """One entry of a record: its dtype, its shape (None = varies), its padding value."""

    dtype: Literal["string", "int64", "float32"]
    shape: tuple[int | None, ...] = ()
    pad: float = 0


@dataclass(frozen=True)
class Asks:
    """An application's input on the page of `make demo`; a text box is shown if it takes text.

    Text is the value of the first option of `instead_of_input`, or else is written to a file called
    `pasted`, after the line `heading` unless it begins with that line's first character.
    """

    invitation: str
    endings: tuple[str, ...]  # of the files taken
    shown_as: Literal["file", "picture", "sound"] = "file"
    pasted: str = ""
    heading: str = ""


@dataclass(frozen=True)
class Output:
    """Meaning of the numbers of an endpoint's output.

    `unit` says it in words; `names` is the output whose values, alike in every row, name the
    entries of the last axis.
    """

    unit: str = ""
    names: str = ""


@dataclass(frozen=True)
class Item:
    """One example before its data are read: cheap to make, independent of all others.

    `group` is the leak group: within a fold, no group may be in two splits. `where` holds the
    values by which `example` finds the data (JSON-able).
    """

    key: str
    split: Split
    group: str
    where: tuple[Any, ...] = ()
    fold: str = "all"


@dataclass(frozen=True)
class Skip:
    """An example that is left out: skips are counted by `reason`, `key` names the example."""

    reason: str
    key: str


@dataclass(frozen=True)
class Baseline:
    """A baseline's answers (N, ...) to the N test rows, and what it had to learn from.

    `learnt_from` is the number of train rows, those of all folds together; None if it learns
    nothing from them, or has a task of its own. With fewer rows than the model had it is no rival,
    and the gate says so; that is why none may leave it unsaid.
    """

    answers: Columns
    learnt_from: int | None


@dataclass(frozen=True)
class UserFile:
    """A file of a user's: its path, and the name it goes by in answers, unlike any other's."""

    path: Path
    name: str


@dataclass(frozen=True)
class Evaluation(Generic[P]):
    """Input of an application's evaluate functions: a model, its test rows and its answers.

    `truth` holds the test records as columns (one array or object array per feature, plus `key`,
    `group` and `fold`); `response` the endpoint's answers in the same order. `baselines` is empty
    until they are computed.
    """

    params: P
    raw: Path
    folds: tuple[str, ...]
    assets: Callable[[str], Path]
    """(fold) -> the folder that `App.assets` filled."""
    records: Callable[[str, str], Iterator[Record]]
    """(split, fold) -> the records of any split."""
    truth: Columns
    response: Columns
    ask: Callable[[Columns], Columns]
    """(altered test columns) -> answers of the same endpoint."""
    call: Callable[[str, str, Columns], Columns]
    """(fold, endpoint, columns) -> answers of any endpoint of one fold's model."""
    history: dict[str, list[dict[str, float]]]
    trained_rows: int = 0
    """The number of train rows, those of all folds together."""
    leaked: tuple[str, ...] = ()
    """Keys of test rows whose request is a train row's of the same fold."""
    baselines: dict[str, Columns] = field(default_factory=dict)


@dataclass(frozen=True)
class App(Generic[P]):
    """One application: facts here, functions in its modules (see `ROOMS`), read as attributes.

    In the functions `params` holds the tables up to and including the current stage
    (`params.ingest`, `params.preprocess`, ...), and `assets` is the folder that `assets` filled for
    the fold.
    """

    title: str
    package: str
    params: type[P]
    features: dict[str, Feature]
    headline: tuple[str, Literal["min", "max"]]
    asks: Asks
    evaluated: tuple[str, ...] = ("serving_default",)
    """Endpoints that evaluate calls; the first gives the headline, the others prefixed metrics. The
    features of a test record that have the names of an endpoint's inputs are its request."""
    reported: tuple[str, ...] = ()
    """Metrics shown in tables, after the headline metric and its parts (`metric.part`)."""
    resample: Literal["row", "group"] = "row"
    """The unit of the intervals: test rows, or whole leak groups."""
    compared_on: str = ""
    """The metric of which differences to rivals are taken, better in the headline's direction: the
    headline metric unless named. Where that is the exponential of a mean, the mean."""
    instead_of_input: tuple[str, ...] = ()
    """Options of predict, any of which replaces INPUT=."""
    outputs: dict[str, Output] = field(default_factory=dict)
    """Output of any endpoint -> what its numbers are, for the metadata of the served model."""
    bucket_by: str | None = None
    """The feature, a number, that gives an example's length; with `train.bucket_edges`, examples of
    like length share a batch. None: any examples do."""

    if TYPE_CHECKING:

        def ingest(self, params: P, out: Path) -> dict[str, int]:
            """Writes raw files and `manifest.json` into `out`; returns {count: number}."""
            ...

        def index(self, params: P, raw: Path) -> Iterator[Item | Skip]:
            """The items of all folds and splits, and what is left out with its reason."""
            ...

        def assets(self, params: P, items: Iterable[Item], out: Path) -> None:
            """Writes what is fitted on one fold's train items: vocabulary, statistics, ..."""
            ...

        def example(self, params: P, assets: Path, item: Item) -> Record | Skip:
            """The record of an item with exactly the application's features; or a skip."""
            ...

        def feed(
            self, params: P, assets: Path, training: bool
        ) -> Callable[[Tensors, tf.Tensor], Tensors]:
            """A function (records, seed int32 (2,)) -> a batch of the training input.

            It takes tensors (B, ...), padded with zeros to the longest of the batch, and returns
            tensors (B, ...). Each batch of an epoch has a seed of its own.
            """
            ...

        def build(self, params: P, assets: Path) -> keras.Model:
            """The model with its weights built; its method `compute_loss` gives the loss."""
            ...

        def endpoints(self, params: P, model: keras.Model, assets: Path) -> Endpoints:
            """The functions to evaluate and export: raw inputs (N, ...) to answers (N, ...)."""
            ...

        def score(self, params: P, truth: Columns, response: Columns) -> dict[str, float]:
            """Metrics of answers (N, ...) of the model, a baseline or a control to N test rows."""
            ...

        def headline_score(self, params: P, truth: Columns, response: Columns) -> float:
            """The headline metric as `score` gives it, without the others. Optional.

            It is asked for each draw of the bootstrap, where there is no `compared_on`.
            """
            ...

        def baselines(self, evaluation: Evaluation[P]) -> dict[str, Baseline]:
            """At least two baselines with their answers (N, ...) to the N test rows."""
            ...

        def controls(self, evaluation: Evaluation[P]) -> dict[str, Columns]:
            """Answers (N, ...) of controls, which must score worse; evaluate adds a shuffle."""
            ...

        def measure(self, evaluation: Evaluation[P]) -> tuple[dict[str, float], object]:
            """Further metrics of the model, and findings for `figures` and `samples`."""
            ...

        def figures(
            self, evaluation: Evaluation[P], findings: object
        ) -> Iterator[tuple[str, Figure]]:
            """Named figures."""
            ...

        def requests(
            self, params: P, assets: Path, file: UserFile | None
        ) -> Iterator[tuple[Meta, Record] | Skip]:
            """(meta, request) or a skip per row of a user's file; `render` gets meta unchanged.

            It raises UserError if nothing of the file can be used. None: the options of
            `instead_of_input` hold the rows.
            """
            ...

        def render(
            self, params: P, assets: Path, rows: Iterator[tuple[Meta, Record]], out: Path
        ) -> list[Path]:
            """Writes (meta, answer) rows into files in `out`, an empty folder, and returns them."""
            ...

        def example_input(self, row: Record, out: Path) -> Path | str:
            """A row of the example request as a person would give it: a file in `out`, or text."""
            ...

        def samples(self, evaluation: Evaluation[P], findings: object, out: Path) -> None:
            """Fills `out` with examples to hear, read or open in a browser. Optional."""
            ...

    else:

        def __getattr__(self, member: str) -> Any:
            rooms = ROOMS | OPTIONAL_ROOMS
            if member not in rooms:
                raise AttributeError(member)
            return getattr(importlib.import_module(f"{self.package}.{rooms[member]}"), member)

    def has(self, member: str) -> bool:
        """True if the application defines a function of `OPTIONAL_ROOMS`."""
        return hasattr(self, member)

    def judged_by(self, params: P, *, truth: Columns, response: Columns) -> tuple[float, float]:
        """The headline metric of answers (N, ...) to N test rows, and that of `compared_on`."""
        if self.has("headline_score"):
            value = self.headline_score(params, truth, response)
            return value, value
        scores = self.score(params, truth, response)
        return scores[self.headline[0]], scores[self.compared_on or self.headline[0]]

    @property
    def name(self) -> str:
        """The last part of the package: the word used in Make, data folders and MLflow."""
        return self.package.rpartition(".")[2]

    @property
    def folder(self) -> Path:
        """The folder of the application's code and its README."""
        return Path(str(importlib.import_module(self.package).__file__)).parent

    def better(self, value: float, *, than: float) -> bool:
        """True if `value` beats `than` in the direction of the headline metric."""
        return value < than if self.headline[1] == "min" else value > than


@cache
def names() -> tuple[str, ...]:
    """The applications: packages inside `seqapps.apps`, in alphabetical order."""
    folders = importlib.import_module(APPS).__path__
    return tuple(sorted(m.name for m in pkgutil.iter_modules(folders) if m.ispkg))


def load(name: str) -> App[Params]:
    """The application called `name`.

    Raises:
        UserError: there is none; the message gives the nearest name.
    """
    if name not in names():
        raise UserError(f"no application '{name}'; {nearest(name, names())}")
    return at(f"{APPS}.{name}")


def at(package: str) -> App[Params]:
    """The application in a package; worker processes load theirs by the package's name."""
    return importlib.import_module(package).APP
