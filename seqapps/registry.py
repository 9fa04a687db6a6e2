"""MLflow's registry: an exported SavedModel as a registered model, and the alias of the champion.

The registered model has the application's name and answers by `registered`, with the SavedModel
itself, the modules that read it and the versions of the packages it needs inside. `tracking` hands
these functions MLflow.
"""

import hashlib
import re
import shutil
import tempfile
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from seqapps import fingerprints, served
from seqapps.app import App
from seqapps.fetch import digest

HERE = Path(__file__).parent
CARRIED = ("__init__.py", "served.py", "wire.py")
"""The modules a registered model takes along."""


def registered(mlflow: Any, app: App, profile: str, folder: Path) -> Any:
    """The version in MLflow's registry that holds the SavedModel in `folder`, made if need be."""
    tags = {
        "seqapps.profile": profile,
        "seqapps.version": folder.name,
        "seqapps.digest": _digest(folder),
    }
    wanted = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
    client = mlflow.MlflowClient()
    found = client.search_model_versions(f"name = '{app.name}' and {wanted}")
    if found:
        return max(found, key=lambda one: int(one.version))
    with tempfile.TemporaryDirectory() as place:
        code = Path(place) / "seqapps"
        code.mkdir()
        for name in CARRIED:
            shutil.copy2(HERE / name, code)
        logged = mlflow.pyfunc.log_model(
            name=app.name,
            python_model=str(HERE / "registered.py"),
            artifacts={"model": str(folder)},
            code_paths=[str(code)],
            pip_requirements=_requirements(),
            tags=tags,
        )
    if not client.search_registered_models(f"name = '{app.name}'"):
        client.create_registered_model(app.name)
    own = {"run_id": logged.run_id, "model_id": logged.model_id}
    return client.create_model_version(app.name, logged.model_uri, tags=tags, **own)


def crown(mlflow: Any, app: App, profile: str, exported: Path) -> None:
    """Points the alias at the version that `champion.json` names, if it names one."""
    number = served.champion_number(exported)
    if number is not None:
        version = registered(mlflow, app, profile, exported / "model" / str(number))
        alias = "champion" if profile == "full" else re.sub(r"[^\w-]", "-", f"champion-{profile}")
        mlflow.MlflowClient().set_registered_model_alias(app.name, alias, version.version)


def _requirements() -> list[str]:
    tensorflow = [name for name in fingerprints.versions() if name.startswith("tensorflow")]
    return [f"{name}=={installed(name)}" for name in ("mlflow", "numpy", "pandas", *tensorflow)]


def _digest(folder: Path) -> str:
    files = [folder / "saved_model.pb", *sorted(folder.glob("variables/*"))]
    return hashlib.sha256("".join(map(digest, files)).encode()).hexdigest()[:16]
