"""Digests of what decides a stage's output beside its data: code, facts, installed versions."""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

from seqapps.app import App

ROOTS = {
    "ingest": ("{app}.ingest",),
    "preprocess": ("{app}.preprocess", "seqapps.records"),
    "train": ("{app}.model", "seqapps.training"),
    "evaluate": ("{app}.evaluate", "{app}.export", "{app}.model", "seqapps.evaluation"),
    "export": ("{app}.export", "{app}.model", "{app}.predict", "seqapps.export"),
}
"""The modules whose code, and whatever of seqapps they import, decides a stage's output."""

FACTS = {
    "ingest": (),
    "preprocess": ("features",),
    "train": ("features", "bucket_by"),
    "evaluate": ("features", "headline", "evaluated", "resample"),
    "export": ("features", "headline", "evaluated"),
}
"""What of `APP` decides a stage's output; its other facts are words for people."""

SILENT = (
    "seqapps",
    "seqapps.app",
    "seqapps.config",
    "seqapps.tracking",
    "seqapps.report",
    "seqapps.progress",
    "{app}",
    "{app}.params",
)
"""Modules that cannot change an output: their values are in the key, or they only report."""

VERSIONS = ("keras", "numpy", "tensorflow", "tensorflow-cpu")


@cache
def versions() -> dict[str, str]:
    """The installed versions of the packages a number depends on."""
    found = {}
    for name in VERSIONS:
        try:
            found[name] = version(name)
        except ModuleNotFoundError:
            continue
    return found


def facts(app: App, stage: str) -> str:
    """A digest of the facts in `APP` that decide the stage's output."""
    found = {name: getattr(app, name) for name in FACTS[stage]}
    return hashlib.sha256(repr(found).encode()).hexdigest()[:16]


def code(package: str, stage: str) -> dict[str, str]:
    """`{module: digest}` of all the code of seqapps that decides the stage's output."""
    silent = {name.format(app=package) for name in SILENT}
    pending = [name.format(app=package) for name in ROOTS[stage]]
    found: dict[str, str] = {}
    while pending:
        name = pending.pop()
        if name in found or name in silent:
            continue
        found[name], imports = _module(name)
        pending += imports
    return dict(sorted(found.items()))


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
    stem = Path(__file__).parents[1].joinpath(*name.split("."))
    found = [path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.exists()]
    return found[0] if found else None
