"""The types of the contract: wrong names and calls are found before anything runs."""

import json
import subprocess
import sys

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


def test_pyright_reports_each_of_eight_wrong_names_and_calls(repository, tmp_path):
    path = repository / "tests/wrong_names_and_calls.py"
    path.write_text(WRONG)
    try:
        command = [sys.executable, "-m", "pyright", "--outputjson", str(path)]
        done = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    finally:
        path.unlink()
    reports = json.loads(done.stdout)["generalDiagnostics"]
    lines = {report["range"]["start"]["line"] for report in reports}
    first = WRONG.splitlines().index("    app.buidl(params, folder)")
    assert lines == set(range(first, first + 8)), done.stdout


def test_the_contract_declares_a_type_for_every_argument(repository):
    text = (repository / "seqapps/app.py").read_text()
    declared = text.split("if TYPE_CHECKING:")[-1].partition("    else:")[0]
    assert "evaluation: Evaluation[P]" in declared and "params: P" in declared
    assert ": Any" not in declared.replace("dict[str, Any]", "").replace("tuple[Any", "")
