import contextlib
import shutil
import sqlite3

import pytest

from seqapps.artifacts import layout
from seqapps.experiments import mlflow_store

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own


def test_numbers_are_flat_and_named_as_mlflow_allows():
    values = {"a+b": {"skipped: x (y, z)": 3}, "text": "no", "ok": True, "nan": float("nan")}
    assert mlflow_store.numbers(values) == {"a_b.skipped: x _y_ z_": 3.0, "ok": 1.0}


def test_the_store_is_the_environments_or_the_projects(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert mlflow_store.uri(tmp_path) == f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example:5000")
    assert mlflow_store.uri(tmp_path) == "http://tracking.example:5000"


def test_an_error_is_said_in_one_line():
    assert mlflow_store.sentence(ValueError("one\ntwo")) == "ValueError: one"


def test_credentials_in_an_address_are_never_shown(tmp_path, monkeypatch):
    address = "postgresql://ann:secret@db.example:5432/runs"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    assert mlflow_store.shown(tmp_path) == "postgresql://db.example:5432/runs"
    assert mlflow_store.uri(tmp_path) == address
    said = mlflow_store.sentence(ValueError(f"cannot reach {address}"))
    assert said == "ValueError: cannot reach postgresql://db.example:5432/runs"


def test_a_store_is_asked_for_the_run(tmp_path, monkeypatch, ready_database):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlruns").mkdir()
    path = layout.database(tmp_path)
    mark = {"tracking_uri": mlflow_store.shown(tmp_path), "run_id": "one"}
    assert not mlflow_store.holds(mark, tmp_path), "there is no database"
    shutil.copy(ready_database, path)
    assert not mlflow_store.holds(mark, tmp_path)
    with contextlib.closing(sqlite3.connect(path)) as database:
        values = "('one', 'active', 'n', 0, 'ann', 'FINISHED', 'LOCAL')"
        names = "run_uuid, lifecycle_stage, name, experiment_id, user_id, status, source_type"
        database.execute(f"INSERT INTO runs ({names}) VALUES {values}")
        database.commit()
    assert mlflow_store.holds(mark, tmp_path)
    path.write_bytes(b"no database at all, but a text")
    assert not mlflow_store.holds(mark, tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example")
    assert not mlflow_store.holds(mark, tmp_path)
    assert mlflow_store.holds({"tracking_uri": "http://tracking.example"}, tmp_path)


def test_a_damaged_database_is_named_with_the_way_out():
    said = mlflow_store.sentence(ValueError("(sqlite3.DatabaseError) file is not a database"))
    assert said.endswith("move it away, and the next call fills a new one from the files")
    assert mlflow_store.is_busy(ValueError("(sqlite3.OperationalError) database is locked"))
