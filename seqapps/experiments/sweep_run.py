"""Runs of sweeps and studies in MLflow: a parent, and a child per member, logged from their files.

Runs are looked up in MLflow by their digest, so a sweep that resumes after a stop, or after the
server was down, logs what is missing and nothing twice.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from seqapps.app import App
from seqapps.config import Params
from seqapps.experiments import mlflow_store, stage_run

DIGEST = "seqapps.digest"


class SweepRun:
    """The run of a sweep or study and its children; every method is safe without MLflow."""

    def __init__(
        self,
        app: App[Params],
        *,
        profile: str,
        name: str,
        digest: str,
        params: dict[str, Any],
        root: Path,
    ):
        self.app, self.root = app, root
        self.tags = {"seqapps.profile": profile}
        self.run_id: str | None = None
        self.problem: str | None = None
        self._try(lambda: self._open(name, digest=digest, params=params))

    def child(
        self,
        name: str,
        digest: str,
        *,
        params: dict[str, Any],
        metrics: dict[str, float],
        curves: list[dict[str, float]],
        files: list[Path],
    ) -> None:
        """Logs a finished member; one logged before from the same files stays as it is.

        Args:
            name: of the run.
            digest: of all that is logged; a run of this name with another digest is removed.
            params: the parameters of the member.
            metrics: its final numbers.
            curves: a dict per epoch, with the key `epoch`.
            files: files and folders, kept as artifacts.
        """

        def log(client: Any, experiment: str) -> None:
            children = self._search(f"tags.`mlflow.parentRunId` = '{self.run_id}'")
            before = [run for run in children if run.info.run_name == name]
            if any(run.data.tags.get(DIGEST) == digest for run in before):
                return
            for run in before:
                client.delete_run(run.info.run_id)
            tags = self.tags | {"mlflow.parentRunId": self.run_id, DIGEST: digest}
            tags["seqapps.level"] = "member"
            run_id = client.create_run(experiment, run_name=name, tags=tags).info.run_id
            self._fill(client, run_id, params=params, metrics=metrics, files=files)
            for row in curves:
                for metric, value in row.items():
                    if metric != "epoch":
                        client.log_metric(run_id, metric, value, step=int(row["epoch"]))
            client.set_terminated(run_id)

        if self.run_id:
            self._try(lambda: log(*mlflow_store.client(self.root, self.app)))

    def close(self, status: str, metrics: dict[str, float], files: list[Path]) -> None:
        """Logs the table and figure of all members to the parent run, and ends it."""

        def log(client: Any) -> None:
            assert self.run_id
            self._fill(client, self.run_id, metrics=metrics, files=files)
            note = "\n\n".join(path.read_text() for path in files if path.suffix == ".md")
            client.set_tag(self.run_id, "mlflow.note.content", note[: stage_run.NOTE_CHARACTERS])
            client.set_terminated(self.run_id, status)

        if self.run_id:
            self._try(lambda: log(mlflow_store.client(self.root, self.app)[0]))
        if self.problem:
            print(
                f"{self.app.name}: not logged to MLflow ({self.problem}); the same command logs "
                "what is missing",
                flush=True,
            )

    def _open(self, name: str, *, digest: str, params: dict[str, Any]) -> None:
        client, experiment = mlflow_store.client(self.root, self.app)
        parents = self._search(f"tags.`{DIGEST}` = '{digest}' and tags.`seqapps.level` = 'sweep'")
        if parents:
            self.run_id = parents[0].info.run_id
            client.update_run(self.run_id, status="RUNNING")
            return
        tags = self.tags | {"seqapps.level": "sweep", DIGEST: digest}
        run_id = client.create_run(experiment, run_name=name, tags=tags).info.run_id
        self.run_id = run_id
        self._fill(client, run_id, params=params)

    def _search(self, where: str) -> list[Any]:
        client, experiment = mlflow_store.client(self.root, self.app)
        return client.search_runs([experiment], where, max_results=1000)

    def _fill(
        self,
        client: Any,
        run_id: str,
        *,
        params: dict[str, Any] | None = None,
        metrics: dict[str, float] | None = None,
        files: Iterable[Path] = (),
    ) -> None:
        for name, value in (params or {}).items():
            client.log_param(run_id, name, str(value)[:5000])
        for name, value in (metrics or {}).items():
            client.log_metric(run_id, name, value)
        for path in files:
            if path.is_dir():
                client.log_artifacts(run_id, str(path), path.name)
            else:
                client.log_artifact(run_id, str(path))

    def _try(self, action: Callable[[], object]) -> None:
        try:
            action()
        except Exception as error:  # no error of MLflow's may end a training
            self.problem = self.problem or mlflow_store.sentence(error)
