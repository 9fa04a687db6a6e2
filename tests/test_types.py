"""The types of the contract: wrong names, calls and signatures are found before anything runs."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from seqapps import app as contract
from seqapps.app import OPTIONAL_ROOMS, ROOMS

WRONG = """
from pathlib import Path

from seqapps import app as contract
from seqapps import config
from seqapps.app import App, Evaluation
from seqapps.apps.dna.params import Params
from seqapps.artifacts import layout
from seqapps.config import P
from seqapps.pipeline import records


def wrong(app: App[P], params: P, evaluation: Evaluation[Params], folder: Path) -> None:
    app.buidl(params, folder)
    app.build(params)
    app.endpoints(params, folder, folder)
    print(params.train.sede)
    evaluation.ask()
    print(evaluation.params.evaluate.motif_site)
    records.raed(app, folder, "train")
    config.load(contract.load("dna"), "full", root="here")
"""

HEAD = """
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar

import keras
import tensorflow as tf
from matplotlib.figure import Figure

from seqapps.app import (
    Baseline, Columns, Endpoints, Evaluation, Item, Meta, Record, Skip, Tensors, UserFile,
)

F = TypeVar("F")
F_in = TypeVar("F_in", contravariant=True)
F_out = TypeVar("F_out", covariant=True)
"""

FINDINGS = """
def of_one_type(measure: MeasureType[F], figures: FiguresType[F]) -> None: ...
def of_two_types(measure: MeasureType[F], samples: SamplesType[F]) -> None: ...
"""


def reports(folder: Path, repository: Path, files: dict[str, str]) -> dict[str, set[int]]:
    """Files in a folder outside the project -> numbers of the lines that pyright reports."""
    settings = {"extraPaths": [str(repository)], "venvPath": str(repository), "venv": ".venv"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    for name, code in files.items():
        (folder / name).write_text(code)
    command = [sys.executable, "-m", "pyright", "--outputjson", "-p", str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    found: dict[str, set[int]] = {name: set() for name in files}
    for report in json.loads(done.stdout)["generalDiagnostics"]:
        line = report["range"]["start"]["line"]
        found.setdefault(Path(report["file"]).name, set()).add(line)
    return found


def declared(repository: Path) -> dict[str, ast.FunctionDef]:
    """The functions that `App` declares."""
    code = ast.parse((repository / "seqapps/app.py").read_text())
    functions = [node for node in ast.walk(code) if isinstance(node, ast.FunctionDef)]
    return {node.name: node for node in functions if node.name in ROOMS | OPTIONAL_ROOMS}


def protocol(name: str) -> str:
    return name.title().replace("_", "") + "Type"


def checked(package: str, repository: Path) -> str:
    """Code that pyright accepts if an application's functions have the contract's signatures."""
    rooms = ROOMS | OPTIONAL_ROOMS
    lines = [HEAD, f"from {package} import {', '.join(sorted(set(rooms.values())))}"]
    lines.append(f"from {package}.params import Params")
    for name, node in declared(repository).items():
        signature = ast.unparse(node.args).replace("self", "self", 1)
        returned = ast.unparse(node.returns)
        base = "Protocol"
        if name == "measure":
            returned, base = returned.replace("object", "F_out"), "Protocol[F_out]"
        elif "findings" in signature:
            signature = signature.replace("findings: object", "findings: F_in")
            base = "Protocol[F_in]"
        text = f"({signature}) -> {returned}: ...".replace("[P]", "[Params]")
        text = text.replace("params: P,", "params: Params,").replace(
            "params: P)", "params: Params)"
        )
        lines.append(f"class {protocol(name)}({base}):\n    def __call__{text}")
    lines.append(FINDINGS)
    for name, room in ROOMS.items():
        if name not in ("measure", "figures"):
            lines.append(f"_{name}: {protocol(name)} = {room}.{name}")
    lines.append("of_one_type(evaluate.measure, evaluate.figures)")
    if "def samples(" in (repository / Path(*package.split(".")) / "evaluate.py").read_text():
        lines.append("of_two_types(evaluate.measure, evaluate.samples)")
    return "\n".join(lines)


def packages() -> list[str]:
    return [f"{contract.APPS}.{name}" for name in contract.names()] + ["tests.toy"]


def test_pyright_reports_each_of_eight_wrong_names_and_calls(repository, tmp_path):
    first = WRONG.splitlines().index("    app.buidl(params, folder)")
    found = reports(tmp_path, repository, {"wrong.py": WRONG})
    assert found == {"wrong.py": set(range(first, first + 8))}


def test_the_functions_of_every_application_have_the_signatures_of_the_contract(
    repository, tmp_path
):
    files = {f"{name.split('.')[-1]}_fits.py": checked(name, repository) for name in packages()}
    assert reports(tmp_path, repository, files) == {name: set() for name in files}


@pytest.mark.parametrize(
    "module, wanted, wrong",
    [
        ("model.py", "assets: Path, training: bool", "assets: str, training: bool"),
        ("export.py", "-> Endpoints:", "-> list[int]:"),
        ("evaluate.py", "truth: Columns, response", "truth: list[int], response"),
        ("evaluate.py", "findings: object", "findings: int"),
        ("predict.py", "rows: Iterator[tuple[Meta, Record]]", "rows: list[tuple[Meta, Record]]"),
        ("preprocess.py", "def index(params: Params", "def index(table: Params"),
        ("ingest.py", "-> dict[str, int]", "-> dict[str, str]"),
    ],
)
def test_a_function_with_another_signature_is_reported(module, wanted, wrong, repository, tmp_path):
    project = tmp_path / "project"
    (project / "tests").mkdir(parents=True)
    shutil.copytree(repository / "tests/toy", project / "tests/toy")
    (project / "seqapps").symlink_to(repository / "seqapps")
    (project / ".venv").symlink_to(repository / ".venv")
    path = project / "tests/toy" / module
    assert wanted in path.read_text()
    path.write_text(path.read_text().replace(wanted, wrong))
    (tmp_path / "code").mkdir()
    code = checked("tests.toy", project)
    assert reports(tmp_path / "code", project, {"toy_fits.py": code})["toy_fits.py"]


def test_no_function_of_the_contract_takes_or_gives_anything(repository):
    rooms = ROOMS | OPTIONAL_ROOMS
    trees = {"seqapps.app": list(declared(repository).values())}
    for package in packages():
        folder = repository / Path(*package.split("."))
        for room in set(rooms.values()):
            nodes = ast.parse((folder / f"{room}.py").read_text()).body
            named = {name for name, module in rooms.items() if module == room}
            trees[f"{package}.{room}"] = [
                n for n in nodes if isinstance(n, ast.FunctionDef) and n.name in named
            ]
    for module, functions in trees.items():
        for function in functions:
            arguments = [a for a in function.args.args if a.arg != "self"]
            annotations = [function.returns, *(a.annotation for a in arguments)]
            assert all(annotations), f"{module}.{function.name}"
            used = {n.id for a in annotations for n in ast.walk(a) if isinstance(n, ast.Name)}
            assert "Any" not in used, f"{module}.{function.name}"
