"""Sweeps: one key of a profile with several values and seeds, as a table and a figure.

Each member is a variant of the profile (see `config`) that is trained and evaluated as any profile
is. So stages that the key does not reach are shared, a stopped sweep resumes where it stopped,
and the profile's folders are not changed.
"""

import hashlib
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqapps import config
from seqapps.app import App
from seqapps.artifacts import histories, layout, receipts
from seqapps.artifacts.layout import ProfileFolder
from seqapps.config import STAGES, Params, UserError
from seqapps.experiments import mlflow_store, sweep_table
from seqapps.experiments.sweep_run import SweepRun
from seqapps.pipeline import stages

JUDGED = STAGES[: STAGES.index("evaluate") + 1]


@dataclass(frozen=True)
class Sweep:
    """A sweep: `key` over `values`, each with every seed, on a profile or variant."""

    app: App[Params]
    profile: str
    key: str
    values: tuple[str, ...]
    seeds: tuple[int, ...]
    root: Path

    @property
    def folder(self) -> Path:
        """The folder of the table and the figure."""
        return ProfileFolder(self.root, self.app.name, self.profile).sweep(self.key)

    def members(self) -> list[tuple[str, int | None, str]]:
        """(value, seed, variant); without seeds the profile's seed is used."""
        return [
            (value, seed, config.variant(self.profile, words))
            for value in self.values
            for seed in self.seeds or (None,)
            for words in [
                [f"{self.key}={value}", *([] if seed is None else [f"train.seed={seed}"])]
            ]
        ]


def plan(
    app: App[Params],
    *,
    profile: str,
    key: str,
    values: str,
    seeds: str,
    words: list[str],
    root: Path,
) -> Sweep:
    """The sweep that the command line describes, with every member's parameters validated.

    Raises:
        UserError: a wrong key, value or seed, or no values.
    """
    if key.partition(".")[0] not in JUDGED:
        tables = ", ".join(JUDGED)
        raise UserError(f"KEY={key}: a sweep changes table.key of one of {tables} (train.cell)")
    if key == "train.seed" and seeds:
        raise UserError("KEY=train.seed: name the seeds in VALUES, without SEEDS")
    wrong = [seed for seed in seeds.split(",") if seed and not seed.isdecimal()]
    if wrong:
        raise UserError(f"SEEDS: '{wrong[0]}' is not a whole number (SEEDS=1,2,3)")
    sweep = Sweep(
        app,
        config.variant(profile, words),
        key,
        tuple(dict.fromkeys(_values(values))),
        tuple(dict.fromkeys(int(seed) for seed in seeds.split(",") if seed)),
        root,
    )
    if not sweep.values:
        raise UserError(f"VALUES={values}: no values to try (VALUES=gru,lstm)")
    for _, _, variant in sweep.members():
        config.load(app, variant, root=root)
    return sweep


def run(sweep: Sweep) -> str:
    """Trains and evaluates the members that are not fresh; logs the table, returns it as Markdown.

    Raises:
        UserError: no member could be trained.
    """
    app, members = sweep.app, sweep.members()
    sweep.folder.mkdir(parents=True, exist_ok=True)
    settings = {"key": sweep.key, "values": sweep.values, "seeds": sweep.seeds}
    name = f"sweep {sweep.key} {sweep.profile}"
    runs = SweepRun(
        app,
        profile=sweep.profile,
        name=name,
        digest=_digest(sweep),
        params=settings,
        root=sweep.root,
    )
    done: list[dict[str, Any]] = []
    status = "KILLED"
    try:
        for number, (value, seed, variant) in enumerate(members, start=1):
            print(f"{app.name} sweep: {number} of {len(members)}: {variant}", flush=True)
            done.append({"value": value, "seed": seed} | _make(sweep, variant))
            if "failed" not in done[-1]:
                _log(runs, sweep, variant, done[-1])
        status = "FINISHED"
    finally:
        if any("failed" not in member for member in done):
            words = {"profile": sweep.profile, "key": sweep.key}
            files = sweep_table.write(app, done, sweep.folder, **words)
            runs.close(status, mlflow_store.numbers(sweep_table.rows(done)), files)
    if all("failed" in member for member in done):
        raise UserError(f"no value of {sweep.key} could be trained: {done[0]['failed']}")
    return (sweep.folder / layout.TABLE_MARKDOWN).read_text()


def _values(text: str) -> list[str]:
    try:
        values = tomllib.loads(f"v = [{text}]")["v"]
    except tomllib.TOMLDecodeError:
        return [value for value in text.split(",") if value]
    return [value if isinstance(value, str) else json.dumps(value, default=str) for value in values]


def _digest(sweep: Sweep) -> str:
    # A repeated command looks up its run in MLflow by this digest.
    text = json.dumps([sweep.profile, sweep.key, sweep.values, sweep.seeds])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _make(sweep: Sweep, variant: str) -> dict[str, Any]:
    worked, folder = False, ProfileFolder(sweep.root, sweep.app.name, variant)
    if receipts.read(folder.stage("evaluate")) is None:
        from seqapps.pipeline import evaluation  # noqa: F401  its import is no part of training's seconds
    for stage in JUDGED:
        separate = config.home(variant, stage) != config.home(sweep.profile, stage)
        try:
            worked |= stages.run(
                sweep.app, stage, profile=variant, tracker=stages.Quiet(), root=sweep.root
            )
        except UserError as error:
            if not separate:
                raise
            print(f"{sweep.app.name} sweep: {variant}: {error}", flush=True)
            return {"variant": variant, "failed": str(error)}
    if worked:
        import keras

        keras.backend.clear_session()  # else the graphs of all members stay in memory
    return {"variant": variant} | _measured(sweep, variant)


def _measured(sweep: Sweep, variant: str) -> dict[str, Any]:
    folder = ProfileFolder(sweep.root, sweep.app.name, variant)
    metrics = json.loads(folder.metrics.read_text())
    trained = receipts.read(folder.stage("train"))
    assert trained
    metric, direction = sweep.app.headline
    pick = max if direction == "max" else min
    rivals = {name: values[metric] for name, values in metrics["baselines"].items()}
    rival = pick(rivals, key=lambda name: rivals[name])
    folds = list(trained["counts"].values())
    monitor = trained["made_from"]["params"]["train.monitor"]
    return {
        "score": metrics["headline"]["value"],
        "interval95": metrics["headline"]["interval95"],
        "monitor": [monitor, trained["made_from"]["params"]["train.monitor_direction"]],
        "validation": float(np.mean([fold[monitor] for fold in folds])),
        "seconds": trained["seconds"],
        "weights": folds[-1]["weights"],
        "rival": rival,
        "rival_score": rivals[rival],
    }


def _log(runs: SweepRun, sweep: Sweep, variant: str, member: dict[str, Any]) -> None:
    folder = ProfileFolder(sweep.root, sweep.app.name, variant)
    judged = receipts.read(folder.stage("evaluate"))
    assert judged
    metrics = json.loads(folder.metrics.read_text())
    kinds = {kind: metrics[kind] for kind in ("baselines", "controls")}
    low, high = member["interval95"]
    bounds = {f"{sweep.app.headline[0]}.low95": low, f"{sweep.app.headline[0]}.high95": high}
    separate = {name: member[name] for name in ("seconds", "weights")}
    runs.child(
        variant,
        judged["key"],
        params=config.flat(config.load(sweep.app, variant, root=sweep.root)),
        metrics=mlflow_store.numbers(metrics["model"] | kinds | bounds | separate),
        curves=histories.curves(folder.stage("train")),
        files=[folder.stage("evaluate") / layout.FIGURES, folder.metrics],
    )
