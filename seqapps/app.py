"""The contract every application fills, and how an application is found.

An application is a package `seqapps/<name>/` whose `__init__.py` holds `APP = App(...)`. The
dataclass holds facts; the functions live in rooms that are the same in every application, and are
imported the first time they are asked for, so that reading the facts never imports TensorFlow.
"""

import difflib
import importlib
import pkgutil
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import seqapps

STAGES = ("ingest", "preprocess", "train", "evaluate", "export")

ROOMS = {
    "ingest": "ingest",  # (params, out) -> {count: number}
    "index": "preprocess",  # (params, raw) -> Iterator[Item | Skip]
    "assets": "preprocess",  # (params, train_items, out) -> None
    "example": "preprocess",  # (params, assets, item) -> {feature: value} | Skip
    "feed": "model",  # (params, assets, training) -> ((record, seed) -> {name: tensor})
    "build": "model",  # (params, assets) -> keras.Model
    "endpoints": "export",  # (params, model, assets) -> {name: (function, [TensorSpec])}
    "score": "evaluate",  # (params, truth, response) -> {metric: value}
    "baselines": "evaluate",  # (evaluation) -> {name: response}
    "controls": "evaluate",  # (evaluation) -> {name: response}
    "measure": "evaluate",  # (evaluation) -> ({metric: value}, findings)
    "figures": "evaluate",  # (evaluation, findings) -> Iterator[(name, Figure)]
    "requests": "predict",  # (params, assets, paths) -> Iterator[(meta, request) | Skip]
    "render": "predict",  # (params, assets, rows, out) -> [Path]
    "example_input": "predict",  # (row, out) -> Path | str
}
"""Where each function of the contract lives, and its shape. `params` holds the tables up to and
including the stage at work (`params.ingest`, `params.preprocess`, ...); `assets` is the folder that
`assets` filled for the fold. `example_input` turns a row of the exported example request (what
is no text as bytes) into what a person would give: a file in `out`, or text."""

OPTIONAL_ROOMS = {
    "samples": "evaluate",  # (evaluation, findings, out) -> None
}
"""What an application may leave out. `samples` fills a folder with files to hear, read or open in
a browser: examples of what the model makes."""


class UserError(Exception):
    """A mistake a user can mend: the message names what was found, what was wanted, the way out."""


@dataclass(frozen=True)
class Feature:
    """What one entry of a record holds: its dtype, its shape (None = varies), its padding value."""

    dtype: Literal["string", "int64", "float32"]
    shape: tuple[int | None, ...] = ()
    pad: float = 0


@dataclass(frozen=True)
class Asks:
    """How the page of `make demo` asks a person for input; the text box is there if text is taken.

    Text stands for the first option of `instead_of_input`, or becomes a file called `pasted`, under
    the line `heading` if it does not begin with that line's first character.
    """

    invitation: str
    endings: tuple[str, ...]  # of the files taken
    shown_as: Literal["file", "picture", "sound"] = "file"
    pasted: str = ""
    heading: str = ""


@dataclass(frozen=True)
class Item:
    """One example before it is read: cheap to make, independent of every other.

    `group` is the leak group: within a fold, no group may lie in two splits. `where` is whatever
    `example` needs to find the data (JSON-able).
    """

    key: str
    split: Literal["train", "validation", "test"]
    group: str
    where: tuple[Any, ...] = ()
    fold: str = "all"


@dataclass(frozen=True)
class Skip:
    """An example that is left out: `reason` is counted, `key` says which one it was."""

    reason: str
    key: str


@dataclass(frozen=True)
class Evaluation:
    """What an application's evaluate functions look at.

    `truth` holds the test records as columns (one array or object array per feature, plus `key`,
    `group` and `fold`); `response` the endpoint's answers in the same order. `records(split, fold)`
    iterates numpy records of any split; `ask(columns)` sends altered test columns through the same
    endpoint; `call(fold, endpoint, columns)` calls any endpoint of one fold's model.
    `baselines` is empty until they are computed.
    """

    params: Any
    raw: Path
    folds: tuple[str, ...]
    assets: Any  # (fold) -> Path
    records: Any  # (split, fold) -> Iterator[dict]
    truth: dict[str, Any]
    response: dict[str, Any]
    ask: Any  # (columns) -> response
    call: Any  # (fold, endpoint, columns) -> response
    history: dict[str, list[dict[str, float]]]
    baselines: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class App:
    """One application: facts here, functions in its rooms (see `ROOMS`), read as attributes."""

    title: str
    package: str
    params: type  # pydantic model with one table per stage
    features: dict[str, Feature]
    headline: tuple[str, Literal["min", "max"]]
    asks: Asks
    evaluated: tuple[str, ...] = ("serving_default",)
    """Endpoints evaluate calls; the first gives the headline, the others prefixed rows. A test
    record's features that carry an endpoint input's name are its request."""
    reported: tuple[str, ...] = ()
    """Metrics shown in tables, after the headline metric and its parts (`metric.part`)."""
    resample: Literal["row", "group"] = "row"
    """What the bootstrap interval draws: test rows, or whole leak groups."""
    instead_of_input: tuple[str, ...] = ()
    """Options of predict, any of which makes INPUT= needless."""
    bucket_by: str | None = None
    """The entry of a fed example whose first axis decides its length bucket; None: no buckets."""

    @property
    def name(self) -> str:
        """The last part of the package: the word used in Make, data folders and MLflow."""
        return self.package.rpartition(".")[2]

    @property
    def folder(self) -> Path:
        """Where the application's code and its README lie."""
        return Path(str(importlib.import_module(self.package).__file__)).parent

    def __getattr__(self, member: str) -> Any:
        rooms = ROOMS | OPTIONAL_ROOMS
        if member not in rooms:
            raise AttributeError(member)
        return getattr(importlib.import_module(f"{self.package}.{rooms[member]}"), member)

    def worst(self) -> float:
        """The value of the headline metric that any other value beats."""
        return float("inf") if self.headline[1] == "min" else float("-inf")

    def better(self, value: float, than: float) -> bool:
        """Whether `value` beats `than` in the direction of the headline metric."""
        return value < than if self.headline[1] == "min" else value > than


@cache
def names() -> tuple[str, ...]:
    """The applications: packages inside seqapps, in alphabetical order."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(seqapps.__path__) if m.ispkg))


def load(name: str) -> App:
    """The application called `name`; a wrong name is answered with the nearest right one."""
    if name not in names():
        raise UserError(f"no application '{name}'; {nearest(name, names())}")
    return at(f"seqapps.{name}")


def at(package: str) -> App:
    """The application in a package; worker processes find theirs by it."""
    return importlib.import_module(package).APP


def nearest(word: str, known: Any) -> str:
    """Half a sentence that points from a wrong word to a right one."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"known: {', '.join(sorted(known))}" if known else "there is none yet"


def defect(error: Exception, root: Path) -> str:
    """A sentence about an error that is ours; the traceback goes to `data/error.log`."""
    log = root / "data" / "error.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text("".join(traceback.format_exception(error)))
    return f"a defect of seqapps ({type(error).__name__}: {error}); details in {log}"


def kept(entries: Iterator[Item | Skip]) -> Iterator[Item]:
    """The items among index entries, without the skips."""
    return (entry for entry in entries if isinstance(entry, Item))
