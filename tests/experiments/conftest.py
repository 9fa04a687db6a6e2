"""Fixtures of experiments."""

import os
import shutil

import pytest

from seqapps.artifacts import layout
from seqapps.experiments import mlflow_store, stage_run
from tests.toy import APP


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory):
    """A tracking store without runs; its tables take seconds to make, so they are made once."""
    root = tmp_path_factory.mktemp("store")
    before = dict(os.environ)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    (root / "mlruns").mkdir()
    mlflow_store.client(root, APP)
    yield root
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def store(empty_store):
    """The store, emptied."""
    client, experiment = mlflow_store.client(empty_store, APP)
    for run in client.search_runs([experiment]):
        client.delete_run(run.info.run_id)
    return empty_store


@pytest.fixture(scope="session")
def ready_database(tmp_path_factory):
    """An MLflow database whose tables are made, to be copied."""
    root = tmp_path_factory.mktemp("ready")
    (root / "mlruns").mkdir()
    path = layout.database(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        before = dict(os.environ)
        mlflow_store.mlflow(root).search_experiments()
        os.environ.clear()
        os.environ.update(before)
    return path


@pytest.fixture
def project_store(project, ready_database, monkeypatch):
    """A tracking store of the test's own, and the environment put back afterwards."""
    for name in set(mlflow_store.environment(project)) - set(os.environ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project}/mlruns/mlflow.db")
    monkeypatch.setenv(stage_run.PIPELINE, "one-call")
    (project / "mlruns").mkdir()
    shutil.copy(ready_database, layout.database(project))
    yield project
    mlflow_store.mlflow(project).end_run()
