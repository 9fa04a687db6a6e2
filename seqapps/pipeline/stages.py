"""The five stages, one function each, and `run`, which brings a stage up to date.

A stage reads the folders of the stages before it and writes one folder. Its receipt decides if it
must run (see `receipts`). The caller passes a tracker, which is notified of the run.
"""

import contextlib
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Generic, Protocol

from seqapps import config
from seqapps.app import App, Item, Skip
from seqapps.artifacts import durable, layout, receipts
from seqapps.artifacts.layout import ProfileFolder
from seqapps.config import STAGES, P, UserError
from seqapps.kit import progress

Folders = dict[str, Path]
"""Stage -> its folder."""

Counts = dict[str, Any]
"""Numbers of a stage, by name, as its receipt keeps them."""


class Tracker(Protocol):
    """Callbacks of one stage's run, such as those of an MLflow run."""

    def start(self) -> None:
        """The stage begins."""

    def epoch(self, fold: str, epoch: int, values: dict[str, float]) -> None:
        """An epoch of a single fold has ended with these metrics."""

    def finish(self, folder: Path, params: dict[str, Any]) -> None:
        """The stage has ended, its files are in `folder`."""

    def fail(self) -> None:
        """The stage was stopped by an error or an interrupt."""

    def catch_up(self, folder: Path, params: dict[str, Any]) -> None:
        """The stage is fresh and did not run."""


class Quiet:
    """A tracker that does nothing, for a caller that logs by itself or not at all."""

    def start(self) -> None:
        """Does nothing."""

    def epoch(self, fold: str, epoch: int, values: dict[str, float]) -> None:
        """Does nothing."""

    def finish(self, folder: Path, params: dict[str, Any]) -> None:
        """Does nothing."""

    def fail(self) -> None:
        """Does nothing."""

    def catch_up(self, folder: Path, params: dict[str, Any]) -> None:
        """Does nothing."""


def run(
    app: App[P],
    stage: str,
    *,
    profile: str,
    tracker: Tracker,
    overrides: Iterable[str] = (),
    force: bool = False,
    root: Path,
) -> bool:
    """Brings one stage up to date and returns True if it had to run.

    Args:
        app: the application.
        stage: one of `STAGES`.
        profile: a profile or variant; the stage is made in its `config.home`.
        tracker: notified of the start, the epochs and the end.
        overrides: `table.key=value` words.
        force: run even if the stage is fresh.
        root: the project's folder.

    Raises:
        UserError: bad parameters or data, or an earlier stage has not run.
    """
    for name in (profile, config.home(profile, stage)):
        _share(ProfileFolder(root, app.name, name))
    profile = config.home(profile, stage)
    params = config.load(app, profile, overrides, root=root)
    profile_folder = ProfileFolder(root, app.name, profile)
    folders = {name: profile_folder.stage(name) for name in STAGES}
    folder = folders[stage]
    _require_earlier(app, stage, folders)
    with receipts.locked(folder):
        parts = receipts.wanted(app, stage, params, profile=profile, root=root)
        receipts.mend(folder, parts)
        why = "FORCE=1" if force else receipts.stale(folder, parts)
        if why is None:
            print(f"{app.name} {stage}: fresh", flush=True)
            tracker.catch_up(folder, config.flat(params))
            return False
        print(f"{app.name} {stage}: stale: {why}", flush=True)
        _work(app, stage, params, folders=folders, parts=parts, tracker=tracker)
    return True


def fresh(app: App[P], profile: str, *, root: Path) -> Folders:
    """Stage -> folder of the fresh stages, up to the first stale one.

    Raises:
        UserError: bad parameters.
    """
    params = config.load(app, profile, root=root)
    folders: Folders = {}
    for stage in STAGES:
        folder = ProfileFolder(root, app.name, config.home(profile, stage)).stage(stage)
        parts = receipts.wanted(app, stage, params, profile=profile, root=root)
        if receipts.stale(folder, parts) is not None:
            break
        folders[stage] = folder
    return folders


def status(app: App[P], profile: str, *, root: Path) -> Iterator[str]:
    """One line per stage: fresh, or why it is stale."""
    params = config.load(app, profile, root=root)
    upstream = None
    for stage in STAGES:
        folder = ProfileFolder(root, app.name, config.home(profile, stage)).stage(stage)
        parts = receipts.wanted(app, stage, params, profile=profile, root=root)
        why = receipts.stale(folder, parts)
        if why is None and upstream:
            why = f"{upstream} is stale"
        receipt = receipts.read(folder)
        when = f"  ({receipt['finished']}, {receipt['seconds']} s)" if receipt else ""
        yield f"{app.name:<11} {stage:<11} {'fresh' if why is None else 'stale: ' + why}{when}"
        upstream = upstream or (stage if why else None)


def ingest(app: App[P], params: P, folders: Folders, out: Path, _: Tracker) -> Counts:
    """Writes verified raw files."""
    return app.ingest(params, out)


def preprocess(app: App[P], params: P, folders: Folders, out: Path, _: Tracker) -> Counts:
    """Writes assets fitted on the train split, and TFRecord shards, per fold."""
    from seqapps.pipeline import records

    raw = folders["ingest"]
    sizes, skipped = _survey(app, params, raw=raw, out=out)
    fold_folders = {fold: out / fold for fold in sorted({fold for fold, _ in sizes})}
    for fold, fold_folder in fold_folders.items():
        (fold_folder / layout.ASSETS).mkdir(parents=True)
        app.assets(params, _TrainItems(app, params, raw, fold), fold_folder / layout.ASSETS)
    with (out / layout.SKIPPED).open("a") as file:

        def on_skip(skip: Skip) -> None:
            skipped[skip.reason] += 1
            file.write(f"{skip.reason}\t{skip.key}\n")

        total = sum(sizes.values())
        items = (entry for entry in app.index(params, raw) if isinstance(entry, Item))
        shown = progress.over(items, what=f"{app.name} preprocess", unit="examples", total=total)
        workers = (os.cpu_count() or 1) if total > records.ITEMS_PER_SHARD else 1
        counts = records.write(app, params, shown, fold_folders, workers=workers, on_skip=on_skip)
    for fold, fold_folder in fold_folders.items():
        per_split = {split: n for (f, split), n in counts.items() if f == fold}
        durable.write_json(fold_folder / layout.COUNTS, per_split)
    _say_skips(app, skipped)
    return {f"{fold}.{split}": n for (fold, split), n in sorted(counts.items())} | {
        f"skipped: {reason}": n for reason, n in sorted(skipped.items())
    }


def train(app: App[P], params: P, folders: Folders, out: Path, tracker: Tracker) -> Counts:
    """Writes weights and history, per fold."""
    from seqapps.pipeline import training

    folds = layout.folds(folders["preprocess"])
    return training.fit_folds(app, params, folds, out, on_epoch=tracker.epoch)


def evaluate(app: App[P], params: P, folders: Folders, out: Path, _: Tracker) -> Counts:
    """Writes metrics, predictions and figures on the test split."""
    from seqapps.pipeline import evaluation

    return evaluation.run(app, params, folders, out, previous=folders["evaluate"])


def export(app: App[P], params: P, folders: Folders, out: Path, _: Tracker) -> Counts:
    """Writes the next version of the SavedModel, checked against evaluate's answers."""
    from seqapps.pipeline import export as exporting

    return exporting.run(app, params, folders, out, previous=folders["export"])


Body = Callable[[App[P], P, Folders, Path, Tracker], Counts]
BODIES: dict[str, Body] = dict(
    zip(STAGES, (ingest, preprocess, train, evaluate, export), strict=True)
)


class _TrainItems(Generic[P]):
    """The train items of one fold; can be iterated any number of times."""

    def __init__(self, app: App[P], params: P, raw: Path, fold: str):
        self._entries = lambda: app.index(params, raw)
        self._fold = fold

    def __iter__(self) -> Iterator[Item]:
        for entry in self._entries():
            if isinstance(entry, Item) and (entry.fold, entry.split) == (self._fold, "train"):
                yield entry


def _work(
    app: App[P],
    stage: str,
    params: P,
    *,
    folders: Folders,
    parts: dict[str, Any],
    tracker: Tracker,
) -> None:
    tracker.start()
    out = receipts.begin(folders[stage], parts, resume=stage == "train")
    started = time.monotonic() - receipts.spent(folders[stage])
    try:
        counts = BODIES[stage](app, config.upto(params, stage), folders, out, tracker)
    except BaseException:
        with contextlib.suppress(OSError):  # the disk may be full
            (out / receipts.SECONDS).write_text(str(time.monotonic() - started))
        tracker.fail()
        raise
    effective = {t: v.model_dump(mode="json") for t, v in vars(config.upto(params, stage)).items()}
    durable.write_json(out / layout.PARAMS, effective)
    seconds = time.monotonic() - started
    receipts.finish(folders[stage], parts, counts=counts, seconds=seconds)
    print(f"{app.name} {stage}: done in {seconds:.1f} s", flush=True)
    tracker.finish(folders[stage], config.flat(params))


def _share(folder: ProfileFolder) -> None:
    # A stage that a variant's changes do not reach is a link to the shared folder.
    for stage in STAGES:
        made_in, link = config.home(folder.profile, stage), folder.stage(stage)
        if made_in != folder.profile and not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(Path("..") / made_in / stage)


def _require_earlier(app: App[P], stage: str, folders: Folders) -> None:
    for earlier in STAGES[: STAGES.index(stage)]:
        if receipts.read(folders[earlier]) is None:
            raise UserError(f"{app.name} {stage} needs {earlier}: run make {app.name}-{stage}")
        if why := receipts.damage(folders[earlier]):
            raise UserError(f"{folders[earlier]}: {why}: run make {app.name}-{stage}")


def _survey(
    app: App[P], params: P, *, raw: Path, out: Path
) -> tuple[Counter[tuple[str, str]], Counter[str]]:
    """Counts items by (fold, split) and skips by reason, writes skipped.tsv, refuses leaks."""
    sizes: Counter[tuple[str, str]] = Counter()
    skipped: Counter[str] = Counter()
    splits: dict[tuple[str, str], str] = {}
    with (out / layout.SKIPPED).open("w") as file:
        file.write("reason\texample\n")
        entries = app.index(params, raw)
        for entry in progress.over(entries, what=f"{app.name} index", unit="examples"):
            if isinstance(entry, Skip):
                skipped[entry.reason] += 1
                file.write(f"{entry.reason}\t{entry.key}\n")
                continue
            sizes[entry.fold, entry.split] += 1
            first = splits.setdefault((entry.fold, entry.group), entry.split)
            if first != entry.split:
                raise ValueError(
                    f"{entry.key}: group '{entry.group}' of fold '{entry.fold}' lies in "
                    f"{first} and in {entry.split}"
                )
    if not sizes:
        reasons = "; ".join(f"{n} x {reason}" for reason, n in skipped.items()) or "no examples"
        raise UserError(f"{raw}: nothing is left to learn from ({reasons})")
    return sizes, skipped


def _say_skips(app: App[P], skipped: Counter[str]) -> None:
    for reason, count in sorted(skipped.items()):
        print(
            f"{app.name} preprocess: left out {count}: {reason} (named in skipped.tsv)", flush=True
        )
