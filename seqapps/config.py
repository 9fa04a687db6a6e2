"""Parameters: TOML profiles validated into one table per stage, with overrides and variants.

A profile is `pipelines/<app>/<profile>.toml`. Each application narrows `Params`: its five tables
are pydantic models (units in the names, ranges in the types) that build on the tables here.

A variant is a profile with some parameters changed. Its name lists the changes:
`smoke@train.cell=gru` is `smoke` with that cell. A variant has a separate folder of stages; those
that the changes do not reach are links to the profile's.
"""

import difflib
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal, Protocol, TypeVar, cast, get_args
from urllib.parse import quote, unquote

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

PROFILES = Path("pipelines")
"""The folder of the profiles, `<app>/<profile>.toml`."""

STAGES = ("ingest", "preprocess", "train", "evaluate", "export")
"""The stages in their order: each reads the folders of those before it."""

Recurrent = Literal["rnn", "gru", "lstm", "sru"]
"""Cells that carry a state from step to step."""

Cell = Literal["dense", Recurrent]
"""The cells of `kit.layers.recurrent`; "dense" looks at one step alone."""


class UserError(Exception):
    """An error a user can correct: the message names the problem, what was wanted, the way out."""


class Table(BaseModel):
    """A table of parameters: unknown keys are refused, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Train(Table):
    """Parameters of fitting any model; an application adds further ones."""

    seed: int = Field(ge=0, description="seeds weights, order, dropout and augmentation")
    epochs: int = Field(ge=1, description="at most this many passes over the train split")
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0, description="peak rate of Adam")
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_steps: int = Field(default=0, ge=0)
    weight_decay: float = Field(default=0.0, ge=0)
    clip_norm: float = Field(gt=0, description="global gradient norm (Pascanu et al. 2013)")
    patience_epochs: int = Field(ge=1, description="epochs without a better monitor before a stop")
    monitor: str = "val_loss"
    monitor_direction: Literal["min", "max"] = "min"
    jit_compile: bool = True
    bucket_edges: tuple[float, ...] = Field(
        default=(), description="lengths between which examples share batches; longer ones are out"
    )


class Evaluate(Table):
    """Parameters of evaluation on the test split."""

    batch_size: int = Field(default=64, ge=1)
    bootstrap_samples: int = Field(default=200, ge=20)
    seed: int = Field(default=0, ge=0)


class Export(Table):
    """Parameters of export: when a model is exported, and how many versions are kept."""

    gate: Literal["beat_baselines", "warn"] = "beat_baselines"
    keep_versions: int = Field(default=3, ge=1)


class Predict(Table):
    """Options of `make predict`; not a stage, so never part of a stage's key."""

    batch_size: int = Field(default=32, ge=1)


class Params(Table):
    """The tables of a profile, one per stage, and the options of predict."""

    ingest: Table
    preprocess: Table
    train: Train
    evaluate: Evaluate
    export: Export = Export()
    predict: Predict = Predict()


P = TypeVar("P", bound=Params)
P_co = TypeVar("P_co", bound=Params, covariant=True)


class Configured(Protocol[P_co]):
    """The part of an application that this module uses: its name and its class of parameters."""

    @property
    def name(self) -> str:
        """The folder under `pipelines/`."""
        ...

    @property
    def params(self) -> type[P_co]:
        """The class that validates a profile."""
        ...


class Range(Table):
    """Range of numbers that a study samples; `log`: uniformly in the logarithm."""

    low: float
    high: float
    log: bool = False


def load(app: Configured[P], profile: str, overrides: Iterable[str] = (), *, root: Path) -> P:
    """The validated parameters of a profile.

    Args:
        app: the application.
        profile: name of a file in `pipelines/<app>/`, without `.toml`; or of a variant of it.
        overrides: `table.key=value` words, values in TOML (bare words are strings); they win.
        root: the project's folder.

    Raises:
        UserError: unknown profile, table or key (the nearest is named), or a value out of range.
    """
    tables, path = _tables(app, profile, overrides, root)
    tables.pop("tune", None)
    try:
        return app.params.model_validate(tables)
    except ValidationError as error:
        lines = [_explain(app, problem) for problem in error.errors()]
        raise UserError(f"{path.relative_to(root)}: " + "; ".join(lines)) from None


def search_space(app: Configured[P], profile: str, *, root: Path) -> dict[str, list[Any] | Range]:
    """The `[tune]` table of a profile: key of `[train]` -> its choices, or the range to search.

    Raises:
        UserError: no such table, or an entry that is neither a list nor a range.
    """
    tables, path = _tables(app, profile, (), root)
    space: dict[str, list[Any] | Range] = {}
    for name, entry in tables.get("tune", {}).items():
        try:
            space[name] = entry if isinstance(entry, list) else Range.model_validate(entry)
        except ValidationError:
            raise UserError(
                f"{path.relative_to(root)}: tune.{name} = {entry!r} is neither a list of values "
                "nor { low = 1e-3, high = 1e-2, log = true }"
            ) from None
    if not space:
        raise UserError(
            f"{path.relative_to(root)} has no table [tune]; write what to search into it: "
            'cell = ["gru", "lstm"], learning_rate = { low = 1e-3, high = 1e-2, log = true }'
        )
    return space


def _tables(
    app: Configured[P], profile: str, overrides: Iterable[str], root: Path
) -> tuple[dict[str, Any], Path]:
    profile, *changed = _parts(profile)
    folder = root / PROFILES / app.name
    path = folder / f"{profile}.toml"
    if not path.exists():
        known = [p.stem for p in folder.glob("*.toml")]
        raise UserError(f"{app.name} has no profile '{profile}'; {nearest(profile, known)}")
    try:
        tables = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path.relative_to(root)} is not valid TOML: {error}") from None
    for word in [*changed, *overrides]:
        _override(tables, word)
    return tables, path


def variant(profile: str, words: list[str]) -> str:
    """The name of a profile with some parameters changed; the later change of a key counts.

    >>> variant("smoke", ["train.seed=1", "preprocess.window_bp=51", "train.seed=2"])
    'smoke@preprocess.window_bp=51@train.seed=2'

    Args:
        profile: a profile, or a variant that is changed further.
        words: `table.key=value`, as in SET.
    """
    name, *before = _parts(profile)
    changed = {word.partition("=")[0]: word for word in [*before, *words]}
    ordered = sorted(changed.values(), key=_stage_of)
    return "@".join([name, *(quote(word, safe="=,+") for word in ordered)])


def home(profile: str, stage: str) -> str:
    """The profile or variant that makes `stage` for this one, with only the changes that reach it.

    >>> home("smoke@preprocess.window_bp=51@train.seed=2", "preprocess")
    'smoke@preprocess.window_bp=51'
    """
    name, *words = _parts(profile)
    return variant(name, [word for word in words if _stage_of(word) <= STAGES.index(stage)])


def upto(params: P, stage: str) -> P:
    """The tables a stage may read: those of the stage and of earlier stages.

    A later table is absent, so a stage that reads one fails at once: its key would not cover it.
    """
    names = STAGES[: STAGES.index(stage) + 1]
    return cast(P, SimpleNamespace(**{name: getattr(params, name) for name in names}))


def flat(params: BaseModel) -> dict[str, Any]:
    """`{"train.units": 64, ...}` for the tables of `params`, in order."""
    tables = params.model_dump(mode="json")
    return {f"{t}.{k}": v for t, table in tables.items() for k, v in table.items()}


def texts(table: Any) -> set[str]:
    """The keys of a table's class whose values are text, words of a choice or paths."""
    return {
        name
        for name, entry in table.model_fields.items()
        if not {int, float, bool} & {entry.annotation, *get_args(entry.annotation)}
    }


def paths(table: BaseModel) -> list[Path]:
    """The user's files and folders that a table names: every value of type Path, in order."""
    return list(_paths(table.model_dump()))


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of an error message: the known word nearest to a wrong one, else all known words."""
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"known: {', '.join(sorted(known))}" if known else "there is none yet"


def _paths(value: Any) -> Iterator[Path]:
    if isinstance(value, Path):
        yield value
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _paths(part)


def _parts(profile: str) -> list[str]:
    return [unquote(part) for part in profile.split("@")]


def _stage_of(word: str) -> int:
    table = word.partition(".")[0]
    return STAGES.index(table) if table in STAGES else len(STAGES)


def _override(tables: dict[str, Any], word: str) -> None:
    name, equals, text = word.partition("=")
    table, dot, key = name.partition(".")
    if not (equals and dot and key):
        raise UserError(f"SET: '{word}' is not of the form table.key=value (train.epochs=3)")
    try:
        value = tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        value = text
    tables.setdefault(table, {})[key] = value


def _explain(app: Configured[P], problem: ErrorDetails) -> str:
    keys = [str(part) for part in problem["loc"]]
    name = ".".join(keys)
    if problem["type"] == "extra_forbidden":
        return f"unknown key '{name}'; {nearest(name, _known(app, keys))}"
    if problem["type"] == "missing":
        return f"'{name}' is missing"
    value = "" if isinstance(problem["input"], dict) else f" = {problem['input']!r}"
    return f"{name}{value}: {problem['msg'].lower()}"


def _known(app: Configured[P], keys: list[str]) -> list[str]:
    tables = app.params.model_fields
    if len(keys) == 1 or keys[0] not in tables:
        return list(tables)
    table = tables[keys[0]].annotation
    assert isinstance(table, type) and issubclass(table, BaseModel), keys
    return [f"{keys[0]}.{key}" for key in table.model_fields]
