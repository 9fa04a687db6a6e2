"""Digests of files and of a stage's code, application facts and package versions.

Together with its parameters and input data, these decide a stage's output.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

from seqapps.app import App
from seqapps.config import P

ROOTS = {
    "ingest": ("{app}.ingest",),
    "preprocess": ("{app}.preprocess", "seqapps.pipeline.records"),
    "train": ("{app}.model", "seqapps.pipeline.training"),
    "evaluate": ("{app}.evaluate", "{app}.export", "{app}.model", "seqapps.pipeline.evaluation"),
    "export": ("{app}.export", "{app}.model", "{app}.predict", "seqapps.pipeline.export"),
}
"""Stage -> the modules that decide its output, with the modules of seqapps that they import."""

CACHE_KEY_FIELDS = {
    "ingest": (),
    "preprocess": ("features",),
    "train": ("features", "bucket_by"),
    "evaluate": ("features", "headline", "evaluated", "resample"),
    "export": ("features", "headline", "evaluated"),
}
"""Stage -> the fields of `APP` that decide its output; the others are not in the key."""

SILENT = (
    "seqapps",
    "seqapps.app",
    "seqapps.config",
    "seqapps.artifacts.layout",
    "seqapps.artifacts.receipts",
    "seqapps.artifacts.fingerprints",
    "seqapps.kit.progress",
    "{app}",
    "{app}.params",
)
"""Modules without a digest: their values are in the key, or they only name files and report."""

VERSIONS = ("keras", "numpy", "tensorflow", "tensorflow-cpu")


@cache
def versions() -> dict[str, str]:
    """The installed versions of the packages that results depend on."""
    known = {}
    for name in VERSIONS:
        try:
            known[name] = version(name)
        except ModuleNotFoundError:
            continue
    return known


def digest(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def facts(app: App[P], stage: str) -> str:
    """A digest of the facts in `APP` that decide the stage's output."""
    fields = {name: getattr(app, name) for name in CACHE_KEY_FIELDS[stage]}
    return hashlib.sha256(repr(fields).encode()).hexdigest()[:16]


def code(package: str, stage: str) -> dict[str, str]:
    """Module -> digest of its code, for all of seqapps that decides the stage's output."""
    silent = {name.format(app=package) for name in SILENT}
    pending = [name.format(app=package) for name in ROOTS[stage]]
    digests: dict[str, str] = {}
    while pending:
        name = pending.pop()
        if name in digests or name in silent:
            continue
        digests[name], imports = _module(name)
        pending += imports
    return dict(sorted(digests.items()))


@cache
def _module(name: str) -> tuple[str, tuple[str, ...]]:
    path = _source(name)
    assert path, name
    tree = ast.parse(path.read_text())
    imports = tuple(sorted(set(_imports(tree))))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [child for child in body if not _is_text(child)]  # pyright: ignore[reportAttributeAccessIssue] it has one
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16], imports


def _is_text(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            candidates = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            candidates = [node.module, *(f"{node.module}.{a.name}" for a in node.names)]
        else:
            continue
        for name in candidates:
            if name.startswith("seqapps.") and _source(name):
                yield name


def _source(name: str) -> Path | None:
    stem = Path(__file__).parents[2].joinpath(*name.split("."))
    for path in (stem.with_suffix(".py"), stem / "__init__.py"):
        if path.exists():
            return path
    return None
