from seqapps.experiments import mlflow_store


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
