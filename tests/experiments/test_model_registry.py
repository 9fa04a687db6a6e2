"""The registered model and its alias."""

import json
import subprocess
import sys

import pytest

from seqapps.artifacts import champion
from seqapps.experiments import mlflow_store, stage_run
from tests.experiments.test_stage_run import run_all, run_stage
from tests.toy import APP

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]


LOADED = """
import json, sys, mlflow
rows = mlflow.pyfunc.load_model("models:/toy@champion-smoke").predict(json.load(sys.stdin))
print(json.dumps([float(row["mean"] if isinstance(row, dict) else row) for row in rows]))
"""


def test_the_registered_model_answers_as_the_export_and_the_alias_follows_the_champion(
    project_store, monkeypatch, capsys, tmp_path_factory
):
    run_all(project_store, "train.epochs=2")
    run_stage(project_store, "export", overrides=["train.epochs=2"], force=True)
    exported = project_store / "data/toy/smoke/export"
    mlflow = mlflow_store.mlflow(project_store)
    client = mlflow.MlflowClient()

    def alias():
        named = client.get_model_version_by_alias("toy", "champion-smoke")
        return named.tags["seqapps.version"]

    assert alias() == "2"  # as good as the first, and newer
    champion.promote(APP, exported, 1, force=True)

    def unreachable(root):
        raise ConnectionError("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(mlflow_store, "mlflow", unreachable)
        stage_run.mirror(APP, profile="smoke", exported=exported, root=project_store)
    said = "not told to MLflow (ConnectionError: no answer); the next make toy does"
    assert said in capsys.readouterr().out
    run_stage(project_store, "export", overrides=["train.epochs=2"])
    assert alias() == "1"
    asked = json.loads((exported / "example_request.json").read_text())["instances"]
    wanted = json.loads((exported / "example_response.json").read_text())["predictions"]
    # In a process and a folder that know nothing of this project.
    done = subprocess.run(
        [sys.executable, "-c", LOADED],
        input=json.dumps(asked),
        cwd=tmp_path_factory.mktemp("elsewhere"),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == pytest.approx(wanted)
