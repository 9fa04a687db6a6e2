"""Digests of files, and of all that decides a stage's output beside its data.

That is: the code it runs, the facts of its application, the installed versions.
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
"""The modules whose code, and whatever of seqapps they import, decides a stage's output."""

CACHE_KEY_FIELDS = {
    "ingest": (),
    "preprocess": ("features",),
    "train": ("features", "bucket_by"),
    "evaluate": ("features", "headline", "evaluated", "resample"),
    "export": ("features", "headline", "evaluated"),
}
"""The fields of `APP` that decide a stage's output; its others are words for people."""

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
"""Modules that cannot change an output: their values are in the key, or they name and report."""

VERSIONS = ("keras", "numpy", "tensorflow", "tensorflow-cpu")


@cache
def versions() -> dict[str, str]:
    """The installed versions of the packages a number depends on."""
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
    """`{module: digest}` of all the code of seqapps that decides the stage's output."""
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
        if isinstance(body, list) and body and _is_text(body[0]):
            body[0] = ast.Pass()
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
