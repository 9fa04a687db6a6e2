"""MLflow's tracking store: address, environment, client and user interface.

Only this module imports MLflow, and `pyfunc_model`, which MLflow runs.
"""

import contextlib
import logging
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from seqapps.app import App
from seqapps.artifacts import layout
from seqapps.config import P


def uri(root: Path) -> str:
    """The tracking store: `MLFLOW_TRACKING_URI` if set, else `mlruns/mlflow.db`."""
    default = f"sqlite:///{layout.database(root)}"
    return os.environ.get("MLFLOW_TRACKING_URI") or default


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
    return package


def experiment(mlflow: Any, name: str, root: Path) -> str:
    """The id of an application's experiment, created if missing."""
    known = mlflow.get_experiment_by_name(name)
    if known:
        return known.experiment_id
    is_local = uri(root).startswith("sqlite:")
    layout.database(root).parent.mkdir(exist_ok=True)
    location = layout.run_artifacts(root).as_uri() if is_local else None
    return mlflow.create_experiment(name, location)


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
    """One line that describes an exception of MLflow's."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"


def ui(root: Path, port: int) -> int:
    """Serves the MLflow UI on this machine only, until it is interrupted."""
    print(f"MLflow UI on http://127.0.0.1:{port} (store: {uri(root)})", flush=True)
    command = [sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", uri(root)]
    # MLflow starts child processes; in one session, one signal ends them all.
    process = subprocess.Popen(command, env=environment(root), start_new_session=True)
    try:
        return process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()
