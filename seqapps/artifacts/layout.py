"""Paths and file names of the project, each defined once.

data/cache/                              archives of packages
data/<app>/<profile>/<stage>/            a stage's files, `params.json`, `done.json` last
  preprocess/<fold>/                     shards, `counts.json`, `assets/`
  train/<fold>/                          `model.weights.h5`, `history.csv`, `counts.json`
  evaluate/                              `metrics.json`, `predictions.csv`, figures/, samples/
  export/model/<version>/                SavedModels, each with `assets.extra/`
data/<app>/<profile>/sweep/<key>/, tune/ tables and figures of several runs
mlruns/                                  MLflow's database and artifacts
predictions/<app>/                       answers of `make predict`
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

DATA, RUNS, PREDICTIONS_FOLDER = Path("data"), Path("mlruns"), Path("predictions")
CACHE = DATA / "cache"
ERROR_LOG = DATA / "error.log"
README = "README.md"

RECEIPT, PARAMS, TRACKED, MANIFEST = "done.json", "params.json", "tracked.json", "manifest.json"
SKIPPED, COUNTS, ASSETS = "skipped.tsv", "counts.json", "assets"
WEIGHTS, HISTORY, CHECKPOINT = "model.weights.h5", "history.csv", "checkpoint.npz"
METRICS, PREDICTIONS = "metrics.json", "predictions.csv"
RESPONSES, RIVALS = "responses.jsonl", "rivals.jsonl"
"""In evaluate: a line per test row with the answers of the model, and of baselines and controls."""

FIGURES, SAMPLES = "figures", "samples"
TABLE_JSON, TABLE_MARKDOWN, TABLE_FIGURE = "table.json", "table.md", "figure.png"
STUDY = "study.db"

MODEL, GRAPH, EXTRA = "model", "saved_model.pb", "assets.extra"
"""Folder of the versions; graph of a SavedModel; its folder for files that are not TensorFlow's."""

EXAMPLE_REQUEST, EXAMPLE_RESPONSE = "example_request.json", "example_response.json"
WARMUP = "tf_serving_warmup_requests"
"""In a version's `assets.extra/`: a request that TensorFlow Serving answers before any client's."""

SIGNATURES = "signatures.json"
"""Beside `model/`: endpoint -> {"inputs", "outputs"} -> name -> {"dtype", "shape"}, for people."""

CHAMPION, VERSION = "champion.json", "version.json"
"""Beside `model/`: the version that answers; in a version's `assets.extra/`: its scores."""

MUTABLE = (CHAMPION,)
"""Files that may change after a stage has ended; its receipt leaves them out."""


@dataclass(frozen=True)
class ProfileFolder:
    """`data/<app>/<profile>/` below the project's folder `root`."""

    root: Path
    app: str
    profile: str

    @property
    def path(self) -> Path:
        """The folder itself."""
        return self.root / DATA / self.app / self.profile

    def stage(self, name: str) -> Path:
        """The folder of a stage."""
        return self.path / name

    def sweep(self, key: str) -> Path:
        """The folder of a sweep's table and figure."""
        return self.path / "sweep" / key

    def sweeps(self) -> list[Path]:
        """The folders of all sweeps that have a table."""
        return sorted(path.parent for path in self.path.glob(f"sweep/*/{TABLE_JSON}"))

    @property
    def tune(self) -> Path:
        """The folder of a study."""
        return self.path / "tune"

    @property
    def metrics(self) -> Path:
        """The file of evaluate's metrics."""
        return self.stage("evaluate") / METRICS


def partial(folder: Path) -> Path:
    """The folder in which a stage is written until it is complete."""
    return folder.parent / f".{folder.name}.partial"


def replaced(folder: Path) -> Path:
    """The folder that keeps a stage's old outputs while new ones replace them."""
    return folder.parent / f".{folder.name}.old"


def lock(folder: Path) -> Path:
    """The lock file of a stage, a sweep or a study."""
    return folder.parent / f".{folder.name}.lock"


def folds(preprocess: Path) -> dict[str, Path]:
    """Fold -> its folder, sorted by name."""
    return {path.parent.name: path.parent for path in sorted(preprocess.glob(f"*/{COUNTS}"))}


def shards(fold: Path, split: str) -> list[str]:
    """The paths of a split's TFRecord shards, in order."""
    return sorted(str(path) for path in fold.glob(f"{split}-*.tfrecord.gz"))


def shard(split: str, number: int) -> str:
    """The name of a split's TFRecord shard.

    >>> shard("train", 3)
    'train-00003.tfrecord.gz'
    """
    return f"{split}-{number:05d}.tfrecord.gz"


def database(root: Path) -> Path:
    """MLflow's database, used if `MLFLOW_TRACKING_URI` names no other store."""
    return (root / RUNS / "mlflow.db").absolute()


def run_artifacts(root: Path) -> Path:
    """The folder of MLflow's artifacts."""
    return (root / RUNS / "artifacts").absolute()


def versions(exported: Path) -> list[int]:
    """The version numbers in an export folder, ascending."""
    return sorted(
        int(path.name)
        for path in (exported / MODEL).glob("*")
        if path.name.isdigit() and (path / GRAPH).exists()
    )


def version(exported: Path, number: int) -> Path:
    """The folder of a version, which is a SavedModel."""
    return exported / MODEL / str(number)


def answering(exported: Path) -> Path:
    """The folder of the version that answers requests: the champion, else the newest.

    Raises:
        FileNotFoundError: there is no version.
        ValueError: `champion.json` names no version.
    """
    known = versions(exported)
    if not known:
        raise FileNotFoundError(f"{exported / MODEL}: no exported model; run make <app> first")
    named = champion_number(exported)
    return version(exported, named if named in known else known[-1])


def champion_number(exported: Path) -> int | None:
    """The version that `champion.json` names; None if there is no such file.

    Raises:
        ValueError: the file names no version.
    """
    path = exported / CHAMPION
    try:
        return int(json.loads(path.read_bytes())["version"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path} names no version; delete it, or promote one") from None


def beside(version_folder: Path, name: str) -> Path:
    """The path of a version's file or folder: in its `assets.extra/`, else beside `model/`."""
    inside = version_folder / EXTRA / name
    return inside if inside.exists() else version_folder.parents[1] / name


def alias(profile: str) -> str:
    """MLflow's alias of a profile's champion.

    >>> alias("full"), alias("smoke@train.cell=gru")
    ('champion', 'champion-smoke-train-cell-gru')
    """
    return "champion" if profile == "full" else re.sub(r"[^\w-]", "-", f"champion-{profile}")
