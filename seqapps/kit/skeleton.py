"""Skeleton of a new application: a copy of the smallest one, which passes the contract test."""

import keyword
import re
import shutil
from collections.abc import Collection
from pathlib import Path

from seqapps.app import APPS, ROOMS, names
from seqapps.config import PROFILES, STAGES, UserError

TEMPLATE = Path("tests/toy")
"""The smallest complete application, as the tests run it."""

MODULES = ("__init__", "params", *sorted(set(ROOMS.values())))
PROFILE_FILES = ("full.toml", "smoke.toml")
TAKEN = ("cache",)
"""Names in use elsewhere: `data/cache` holds archives."""


def write(name: str, root: Path, *, commands: Collection[str] = ()) -> list[Path]:
    """Writes code, card, profiles and tests of a new application; returns their folders.

    Args:
        name: a word of a to z, digits and _, that is not taken.
        root: the project's folder.
        commands: words of the command line, which no application may have.

    Raises:
        UserError: the name cannot be used, or one of the folders exists.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UserError(f"APP={name}: wanted a word of a to z, 0 to 9 and _")
    targets = _targets(root / "Makefile")
    for kind, words in (
        ("a word of Python's", keyword.kwlist),
        ("a stage", STAGES),
        ("a command", commands),
        ("a target of the Makefile", targets),
        ("in use", TAKEN),
    ):
        clash = next((word for word in (name, f"clean-{name}") if word in words), None)
        if clash:
            raise UserError(f"APP={name}: '{clash}' is {kind}; choose another name")
    code = root / Path(*APPS.split(".")) / name
    profiles, tests = root / PROFILES / name, root / "tests/apps" / name
    for folder in (code, profiles, tests):
        if folder.exists() or name in names():
            raise UserError(f"APP={name}: {folder.relative_to(root)} exists; choose another name")
    template, package = root / TEMPLATE, f"{APPS}.{name}"
    for folder in (code, profiles, tests):
        folder.mkdir(parents=True)
    for source in [template / f"{module}.py" for module in MODULES] + [template / "README.md"]:
        _copy(source, code / source.name, package=package)
    for profile in PROFILE_FILES:
        shutil.copy(template / profile, profiles / profile)
    for source in sorted(template.glob("test_*.py")):
        _copy(source, tests / source.name, package=package)
    (tests / "__init__.py").touch()
    return [code, profiles, tests]


def _copy(source: Path, target: Path, *, package: str) -> None:
    target.write_text(source.read_text().replace(".".join(TEMPLATE.parts), package))


def _targets(makefile: Path) -> set[str]:
    """The words before the colons of a Makefile."""
    rules = re.findall(r"^([a-z][\w .-]*):", makefile.read_text(), re.MULTILINE)
    return {word for rule in rules for word in rule.split()}
