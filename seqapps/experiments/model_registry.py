"""MLflow's registry: an exported SavedModel as a registered model, and the alias of the champion.

The registered model has the application's name and predicts by `pyfunc_model`. It holds the
SavedModel, the modules that read it and the versions of the packages it needs. `stage_run` passes
the package `mlflow` to these functions.
"""

import hashlib
import shutil
import tempfile
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from seqapps.app import App
from seqapps.artifacts import fingerprints, layout
from seqapps.artifacts.fingerprints import digest
from seqapps.config import P

HERE = Path(__file__).parent
PACKAGE = HERE.parent
CARRIED = ("__init__.py", "app.py", "config.py") + tuple(
    f"artifacts/{name}.py"
    for name in ("__init__", "columns", "json_codec", "layout", "saved_model")
)
"""The modules that are copied into a registered model, as paths in the package."""


def registered(mlflow: Any, app: App[P], *, profile: str, folder: Path) -> Any:
    """The version in MLflow's registry that holds the SavedModel in `folder`; made if missing."""
    tags = {
        "seqapps.profile": profile,
        "seqapps.version": folder.name,
        "seqapps.digest": _digest(folder),
    }
    wanted = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
    client = mlflow.MlflowClient()
    known = client.search_model_versions(f"name = '{app.name}' and {wanted}")
    if known:
        return max(known, key=lambda one: int(one.version))
    with tempfile.TemporaryDirectory() as scratch:
        code = Path(scratch) / PACKAGE.name
        for name in CARRIED:
            (code / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PACKAGE / name, code / name)
        logged = mlflow.pyfunc.log_model(
            name=app.name,
            python_model=str(HERE / "pyfunc_model.py"),
            artifacts={"model": str(folder)},
            code_paths=[str(code)],
            pip_requirements=_requirements(),
            tags=tags,
        )
    if not client.search_registered_models(f"name = '{app.name}'"):
        client.create_registered_model(app.name)
    source = {"run_id": logged.run_id, "model_id": logged.model_id}
    return client.create_model_version(app.name, logged.model_uri, tags=tags, **source)


def set_alias(mlflow: Any, app: App[P], *, profile: str, exported: Path) -> None:
    """Sets the alias to the version that `champion.json` names, if it names one."""
    number = layout.champion_number(exported)
    if number is not None:
        folder = layout.version(exported, number)
        version = registered(mlflow, app, profile=profile, folder=folder)
        alias = layout.alias(profile)
        mlflow.MlflowClient().set_registered_model_alias(app.name, alias, version.version)


def _requirements() -> list[str]:
    tensorflow = [name for name in fingerprints.versions() if name.startswith("tensorflow")]
    return [
        f"{name}=={installed(name)}"
        for name in ("mlflow", "numpy", "pandas", "pydantic", *tensorflow)
    ]


def _digest(folder: Path) -> str:
    files = [folder / layout.GRAPH, *sorted(folder.glob("variables/*"))]
    return hashlib.sha256("".join(map(digest, files)).encode()).hexdigest()[:16]
