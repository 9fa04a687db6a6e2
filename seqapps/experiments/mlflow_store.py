"""MLflow's tracking store: address, environment, client and user interface.

Only this module imports MLflow, and `pyfunc_model`, which MLflow runs.
"""

import contextlib
import logging
import os
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

from filelock import FileLock

from seqapps.app import App
from seqapps.artifacts import layout
from seqapps.config import P

SQLITE = "sqlite:///"
DAMAGED = ("file is not a database", "malformed", "Can't locate revision", "no such table")
BUSY = ("database is locked", "autoflush")
FILLED = "the next call fills a new one from the files"


def uri(root: Path) -> str:
    """The tracking store: `MLFLOW_TRACKING_URI` if set, else `mlruns/mlflow.db`."""
    default = f"sqlite:///{layout.database(root)}"
    return os.environ.get("MLFLOW_TRACKING_URI") or default


def shown(root: Path) -> str:
    """The tracking store's address without a name and password that may be in it."""
    return _without_password(uri(root))


def holds(mark: dict[str, Any], root: Path) -> bool:
    """True if the store of now has the run that a stage's `tracked.json` names.

    Of a server only the address is compared; SQLite's file, which may have been lost or replaced,
    is asked for the run itself.
    """
    path = _sqlite_file(root)
    if path is None:
        return mark.get("tracking_uri") == shown(root)
    if not path.exists():
        return False
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            query = "SELECT 1 FROM runs WHERE run_uuid = ? AND lifecycle_stage = 'active'"
            return database.execute(query, [mark.get("run_id")]).fetchone() is not None
    except sqlite3.Error:
        return False


def environment(root: Path) -> dict[str, str]:
    """The environment variables of MLflow: no telemetry, short timeouts if a server is down."""
    defaults = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
        "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL": "5",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # eight processes the UI does not need
        "GIT_PYTHON_REFRESH": "quiet",
    }
    return defaults | dict(os.environ) | {"MLFLOW_TRACKING_URI": uri(root)}


def mlflow(root: Path) -> Any:
    """The package `mlflow`, imported with its environment and set to the store."""
    os.environ.update(environment(root))
    import mlflow as package
    import mlflow.data.code_dataset_source
    import mlflow.data.meta_dataset
    import mlflow.entities
    import mlflow.pyfunc

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    package.set_tracking_uri(os.environ["MLFLOW_TRACKING_URI"])
    path = _sqlite_file(root)
    if path is not None and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Of several processes that make the tables at once, all but one would fail.
        with FileLock(path.with_name(f".{path.name}.lock")):
            package.search_experiments(max_results=1)
    return package


def experiment(mlflow: Any, name: str, root: Path) -> str:
    """The id of an application's experiment, created if missing."""
    known = mlflow.get_experiment_by_name(name)
    if known:
        return known.experiment_id
    is_local = uri(root).startswith("sqlite:")
    location = layout.run_artifacts(root).as_uri() if is_local else None
    try:
        return mlflow.create_experiment(name, location)
    except mlflow.MlflowException:  # another process has just made it
        known = mlflow.get_experiment_by_name(name)
        if known is None:
            raise
        return known.experiment_id


def client(root: Path, app: App[P]) -> tuple[Any, str]:
    """MLflow's client and the id of the application's experiment."""
    package = mlflow(root)
    return package.MlflowClient(), experiment(package, app.name, root)


def numbers(values: dict[str, Any]) -> dict[str, float]:
    """The numbers except nan; nested names joined by dots, characters MLflow refuses become _."""
    flat: dict[str, float] = {}
    for raw, value in values.items():
        name = re.sub(r"[^\w ./:-]", "_", raw)
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": v for inner, v in numbers(value).items()}
        elif isinstance(value, bool | int | float) and value == value:
            flat[name] = float(value)
    return flat


def sentence(error: Exception) -> str:
    """One line that describes an exception of MLflow's, with the way out where one is known."""
    text = _without_password(str(error))
    line = f"{type(error).__name__}: {(text.splitlines() or [''])[0][:200]}"
    if any(words in text for words in DAMAGED):
        return f"{line}; the database is damaged or another MLflow's: move it away, and {FILLED}"
    return line


def is_busy(error: Exception) -> bool:
    """True if another writer of SQLite's file was in the way, so that a second try may do."""
    return any(words in str(error) for words in BUSY)


def _sqlite_file(root: Path) -> Path | None:
    """The file of a store in SQLite; None of another store."""
    address = uri(root)
    return Path(address.removeprefix(SQLITE)) if address.startswith(SQLITE) else None


def _without_password(text: str) -> str:
    """Text without the name and password of web and database addresses in it."""
    return re.sub(r"(?<=://)[^/@\s]+@", "", text)


def ui(root: Path, port: int) -> int:
    """Serves the MLflow UI on this machine only, until it is interrupted."""
    print(f"MLflow UI on http://127.0.0.1:{port} (store: {shown(root)})", flush=True)
    command = [sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1"]
    # MLflow starts child processes; in one session, one signal ends them all.
    # Other users of the machine can read a command, but not its environment.
    store = {"MLFLOW_BACKEND_STORE_URI": uri(root)}
    process = subprocess.Popen(command, env=environment(root) | store, start_new_session=True)
    try:
        return process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()
