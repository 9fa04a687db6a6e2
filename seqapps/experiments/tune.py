"""Search for parameters of `[train]`: an Optuna study that can be stopped and resumed.

The profile's table `[tune]` names the choices and ranges. Each trial is a variant of the profile
(see `config`) that is trained, never evaluated: the objective is the best monitor on validation.
The study is stored in `tune/study.db` of the profile; trials that were stopped are repeated from
their last checkpoint.
"""

import json
import multiprocessing
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from matplotlib.figure import Figure
from optuna.trial import TrialState

from seqapps import app as contract
from seqapps import config
from seqapps.app import App
from seqapps.artifacts import error_log, histories, layout, receipts
from seqapps.artifacts.layout import ProfileFolder
from seqapps.config import Params, Range, UserError
from seqapps.experiments import report
from seqapps.experiments.sweep_run import SweepRun
from seqapps.kit import children, plots
from seqapps.pipeline import stages

DONE = (TrialState.COMPLETE, TrialState.PRUNED)
SHOWN = 10
"""Rows of the table."""


@dataclass(frozen=True)
class Plan:
    """Definition of a study: `space` holds keys of `[train]`, `profile` may be a variant."""

    app: App[Params]
    profile: str
    space: dict[str, list[Any] | Range]
    params: Params
    root: Path

    @property
    def folder(self) -> Path:
        """The folder of the study."""
        return ProfileFolder(self.root, self.app.name, self.profile).tune


def plan(app: App[Params], profile: str, *, words: list[str], root: Path) -> Plan:
    """The study that a profile describes, with all choices and ends of ranges validated.

    Raises:
        UserError: nothing to search, or a value that `[train]` would not take.
    """
    profile = config.variant(profile, words)
    params = config.load(app, profile, root=root)
    space = config.search_space(app, profile, root=root)
    for name, entry in space.items():
        values = entry if isinstance(entry, list) else [entry.low, entry.high]
        whole = isinstance(getattr(params.train, name, None), int)
        for value in values:
            text = _text(int(value) if whole and isinstance(value, float) else value)
            config.load(app, config.variant(profile, [f"train.{name}={text}"]), root=root)
    return Plan(app, profile, space, params, root)


def run(searched: Plan, *, trials: int, jobs: int) -> str:
    """Runs trials until the study has `trials` results; returns its table as Markdown.

    Args:
        searched: see `plan`.
        trials: the number of results, counting those of earlier calls.
        jobs: number of parallel processes.
    """
    app = searched.app
    for stage in ("ingest", "preprocess"):
        quiet = stages.Quiet()
        stages.run(app, stage, profile=searched.profile, tracker=quiet, root=searched.root)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with receipts.locked(searched.folder):
        searched.folder.mkdir(exist_ok=True)
        study = _study(searched)
        _requeue(study)
        try:
            if jobs == 1:
                _search(searched, trials)
            else:
                _in_processes(searched, trials=trials, jobs=jobs)
        finally:
            text = _conclude(searched, study)
    return text


def markdown(searched: Plan, study: optuna.Study) -> str:
    """The best trials as a Markdown table, and the best one's parameters as words for SET."""
    complete = sorted(study.get_trials(states=(TrialState.COMPLETE,)), key=lambda t: t.value or 0)
    if study.direction == optuna.study.StudyDirection.MAXIMIZE:
        complete.reverse()
    pruned = len(study.get_trials(states=(TrialState.PRUNED,)))
    lines = [f"{len(complete)} trials went to their end, {pruned} were pruned."]
    if complete:
        heads = ["trial", *searched.space, searched.params.train.monitor, "seconds"]
        lines += ["", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        for trial in complete[:SHOWN]:
            one_thread = [_text(trial.params[name]) for name in searched.space]
            cells = [str(trial.number), *one_thread, report.number(trial.value or 0)]
            lines.append(f"| {' | '.join(cells)} | {trial.user_attrs['seconds']:,.0f} |")
        lines += ["", f'The best on validation: SET="{" ".join(_words(complete[0].params))}"']
    return "\n".join(lines)


def draw(searched: Plan, study: optuna.Study) -> Figure:
    """A figure: the value of each trial on validation, and the best so far."""
    trials = [t for t in study.get_trials(states=DONE) if t.value is not None]
    ended = np.array([t.state == TrialState.COMPLETE for t in trials], bool)
    numbers = np.array([t.number for t in trials])
    values = np.array([t.value for t in trials], float)
    best = np.minimum if study.direction == optuna.study.StudyDirection.MINIMIZE else np.maximum
    drawn = plots.figure()
    panel = drawn.subplots()
    panel.scatter(numbers[~ended], values[~ended], color=plots.REFERENCE, s=16, label="stopped")
    panel.scatter(numbers[ended], values[ended], color=plots.MODEL, s=22, label="to its end")
    if ended.any():
        panel.step(
            numbers[ended],
            best.accumulate(values[ended]),
            where="post",
            color=plots.BASELINE,
            label="best so far",
        )
    panel.set_xlabel("trial")
    panel.set_ylabel(searched.params.train.monitor)
    panel.set_title(f"{searched.app.title}: {searched.profile}", fontsize=10)
    drawn.legend(loc="outside lower center", ncols=3)
    return drawn


class _Pruner(stages.Quiet):
    """A tracker that ends a trial when others were better at the same epoch."""

    def __init__(self, trial: optuna.Trial, monitor: str):
        self.trial, self.monitor = trial, monitor

    def epoch(self, fold: str, epoch: int, values: dict[str, float]) -> None:
        self.trial.report(values[self.monitor], epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned


def _try(searched: Plan, trial: optuna.Trial) -> float:
    app, table = searched.app, searched.params.train
    words = _words({name: _draw_one(searched, trial, name) for name in searched.space})
    variant = config.variant(searched.profile, words)
    folder = ProfileFolder(searched.root, app.name, variant)
    print(f"{app.name} tune: trial {trial.number}: {' '.join(words)}", flush=True)
    try:
        pruner = _Pruner(trial, table.monitor)
        stages.run(app, "train", profile=variant, tracker=pruner, root=searched.root)
    except optuna.TrialPruned:
        print(f"{app.name} tune: trial {trial.number}: stopped, others were better", flush=True)
        shutil.rmtree(folder.path)
        raise
    except UserError as error:
        print(f"{app.name} tune: trial {trial.number}: {error}", flush=True)
        raise optuna.TrialPruned from None
    trained = receipts.read(folder.stage("train"))
    assert trained
    trial.set_user_attr("variant", variant)
    trial.set_user_attr("seconds", trained["seconds"])
    return float(np.mean([fold[table.monitor] for fold in trained["counts"].values()]))


def _draw_one(searched: Plan, trial: optuna.Trial, name: str) -> Any:
    entry = searched.space[name]
    if isinstance(entry, list):
        return trial.suggest_categorical(name, [_text(value) for value in entry])
    if isinstance(getattr(searched.params.train, name), int):
        return trial.suggest_int(name, int(entry.low), int(entry.high), log=entry.log)
    return trial.suggest_float(name, entry.low, entry.high, log=entry.log)


def _study(searched: Plan) -> optuna.Study:
    # Trials with other data, code or parameters do not compare, so they are another study.
    app, profile, root = searched.app, searched.profile, searched.root
    parts = receipts.wanted(app, "train", searched.params, profile=profile, root=root)
    ranges = {
        n: e if isinstance(e, list) else e.model_dump() for n, e in sorted(searched.space.items())
    }
    lowest = searched.params.train.monitor_direction == "min"
    return optuna.create_study(
        storage=_storage(searched),
        study_name=receipts.key(parts | {"space": ranges})[:16],
        direction="minimize" if lowest else "maximize",
        sampler=optuna.samplers.TPESampler(),
        pruner=optuna.pruners.MedianPruner(),
        load_if_exists=True,
    )


def _storage(searched: Plan) -> optuna.storages.RDBStorage:
    # Several processes write to it; SQLite's default timeout of 5 s is short for a slow disk.
    return optuna.storages.RDBStorage(
        f"sqlite:///{searched.folder.absolute() / layout.STUDY}",
        engine_kwargs={"connect_args": {"timeout": 120}},
    )


def _requeue(study: optuna.Study) -> None:
    # The caller holds the study's lock, so a trial that is still marked as running was killed.
    known = [t.params for t in study.get_trials(states=DONE)]
    known += [
        t.system_attrs["fixed_params"] for t in study.get_trials(states=(TrialState.WAITING,))
    ]
    for trial in study.get_trials(states=(TrialState.RUNNING, TrialState.FAIL)):
        if trial.state == TrialState.RUNNING:
            study.tell(trial.number, state=TrialState.FAIL)
        if trial.params and trial.params not in known:
            known.append(trial.params)
            study.enqueue_trial(trial.params)


def _search(searched: Plan, trials: int) -> None:
    study = _study(searched)
    if len(study.get_trials(states=DONE)) < trials:
        stop = optuna.study.MaxTrialsCallback(trials, states=DONE)
        study.optimize(lambda trial: _try(searched, trial), callbacks=[stop], gc_after_trial=True)


def _in_processes(searched: Plan, *, trials: int, jobs: int) -> None:
    one_thread = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    context = multiprocessing.get_context("spawn")
    reasons = context.SimpleQueue()
    options = {"profile": searched.profile, "trials": trials, "root": searched.root}
    os.environ.update(one_thread)
    words = (searched.app.package, reasons)
    running = [context.Process(target=_in_process, args=words, kwargs=options) for _ in range(jobs)]
    try:
        for process in running:
            process.start()
        for process in running:
            process.join()
    finally:
        for process in running:
            process.terminate()
            process.join()
    if any(process.exitcode for process in running):
        reason = "it was killed" if reasons.empty() else reasons.get()
        raise UserError(f"{searched.app.name} tune: a process ended early: {reason}")


def _in_process(package: str, reasons: Any, *, profile: str, trials: int, root: Path) -> None:
    children.end_with_parent()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        _search(plan(contract.at(package), profile, words=[], root=root), trials)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except Exception as error:
        reasons.put(error_log.write(error, root))
        raise SystemExit(1) from None


def _conclude(searched: Plan, study: optuna.Study) -> str:
    text, folder = markdown(searched, study), searched.folder
    (folder / layout.TABLE_MARKDOWN).write_text(text + "\n")
    plots.save(draw(searched, study), folder / layout.TABLE_FIGURE)
    name = f"tune {searched.profile}"
    settings = {"searched": " ".join(searched.space)}
    runs = SweepRun(
        searched.app,
        profile=searched.profile,
        name=name,
        digest=study.study_name,
        params=settings,
        root=searched.root,
    )
    for trial in study.get_trials(states=(TrialState.COMPLETE,)):
        variant = trial.user_attrs["variant"]
        train = ProfileFolder(searched.root, searched.app.name, variant).stage("train")
        receipt = receipts.read(train)
        if receipt:
            runs.child(
                variant,
                receipt["key"],
                params=receipt["made_from"]["params"],
                metrics={f"best_{searched.params.train.monitor}": trial.value or 0}
                | {"seconds": receipt["seconds"]},
                curves=histories.curves(train),
                files=[],
            )
    runs.close("FINISHED", {}, [folder / layout.TABLE_MARKDOWN, folder / layout.TABLE_FIGURE])
    return text


def _words(values: dict[str, Any]) -> list[str]:
    return [f"train.{name}={_text(value)}" for name, value in values.items()]


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value)
