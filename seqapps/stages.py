"""The five stages, one function each, and the run that surrounds them.

A stage reads the folders of the stages before it and writes its own. Whether it runs at all is
decided by its receipt (see `receipts`).
"""

import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seqapps import config, progress, receipts, tracking
from seqapps.app import STAGES, App, Item, Skip, UserError


def run(
    app: App,
    stage: str,
    profile: str,
    *,
    overrides: list[str] | None = None,
    force: bool = False,
    track: Any = None,
    root: Path,
) -> bool:
    """Brings one stage up to date and returns whether it had to work.

    Args:
        app: the application.
        stage: one of `STAGES`.
        profile: a profile or a variant of one; what a variant shares is made where it is shared.
        overrides: `table.key=value` words.
        force: work even if the stage is fresh.
        track: told of epochs and of the end; None: the stage is an MLflow run.
        root: the project's folder.

    Raises:
        UserError: bad parameters or data, or an earlier stage has not run.
    """
    for name in (profile, config.home(profile, stage)):
        _share(root / "data" / app.name, name)
    profile = config.home(profile, stage)
    params = config.load(app, profile, overrides, root=root)
    folders = {name: root / "data" / app.name / profile / name for name in STAGES}
    folder = folders[stage]
    _require_earlier(app, stage, folders)
    with receipts.locked(folder):
        parts = receipts.wanted(app, profile, stage, params, root=root)
        _mend(folder, parts)
        why = "FORCE=1" if force else receipts.stale(folder, parts)
        shown = config.flat(params)
        if why is None:
            print(f"{app.name} {stage}: fresh", flush=True)
            if track is None:
                tracking.catch_up(app, profile, stage, folder, shown, root)
            return False
        print(f"{app.name} {stage}: stale: {why}", flush=True)
        track = track or tracking.StageRun(app, profile, stage, root)
        _work(app, stage, params, folders, parts, shown, track)
    return True


def status(app: App, profile: str, overrides: list[str] | None, *, root: Path) -> Iterator[str]:
    """One line per stage: fresh, or why it is stale."""
    params = config.load(app, profile, overrides, root=root)
    upstream = None
    for stage in STAGES:
        folder = root / "data" / app.name / profile / stage
        parts = receipts.wanted(app, profile, stage, params, root=root)
        why = receipts.stale(folder, parts)
        if why is None and upstream:
            why = f"{upstream} is stale"
        receipt = receipts.read(folder)
        when = f"  ({receipt['finished']}, {receipt['seconds']} s)" if receipt else ""
        yield f"{app.name:<12}{stage:<12}{'fresh' if why is None else 'stale: ' + why}{when}"
        upstream = upstream or (stage if why else None)


def ingest(app: App, params: Any, folders: dict[str, Path], out: Path, _: Any) -> dict[str, Any]:
    """Raw files, verified."""
    return app.ingest(params, out)


def preprocess(
    app: App, params: Any, folders: dict[str, Path], out: Path, _: Any
) -> dict[str, Any]:
    """Assets fitted on the train split, and TFRecord shards, per fold."""
    from seqapps import records

    raw = folders["ingest"]
    sizes, skipped = _survey(app, params, raw, out)
    places = {fold: out / fold for fold in sorted({fold for fold, _ in sizes})}
    for fold, place in places.items():
        (place / "assets").mkdir(parents=True)
        app.assets(params, _TrainItems(app, params, raw, fold), place / "assets")
    with (out / "skipped.tsv").open("a") as file:

        def on_skip(skip: Skip) -> None:
            skipped[skip.reason] += 1
            file.write(f"{skip.reason}\t{skip.key}\n")

        total = sum(sizes.values())
        items = (entry for entry in app.index(params, raw) if isinstance(entry, Item))
        shown = progress.over(items, what=f"{app.name} preprocess", unit="examples", total=total)
        workers = (os.cpu_count() or 1) if total > records.ITEMS_PER_SHARD else 1
        counts = records.write(app, params, shown, places, workers=workers, on_skip=on_skip)
    for fold, place in places.items():
        receipts.write_json(
            place / "counts.json", {s: n for (f, s), n in counts.items() if f == fold}
        )
    _say_skips(app, skipped)
    return {f"{fold}.{split}": n for (fold, split), n in sorted(counts.items())} | {
        f"skipped: {reason}": n for reason, n in sorted(skipped.items())
    }


def train(app: App, params: Any, folders: dict[str, Path], out: Path, track: Any) -> dict[str, Any]:
    """Weights and history, per fold."""
    from seqapps import evaluation, training

    folds = evaluation.fold_folders(folders["preprocess"])
    return training.fit_folds(app, params, folds, out, on_epoch=track.epoch)


def evaluate(app: App, params: Any, folders: dict[str, Path], out: Path, _: Any) -> dict[str, Any]:
    """Metrics, predictions and figures on the test split."""
    from seqapps import evaluation

    return evaluation.run(app, params, folders, out)


def export(app: App, params: Any, folders: dict[str, Path], out: Path, _: Any) -> dict[str, Any]:
    """The next version of the SavedModel, checked against evaluate's answers."""
    from seqapps import export as saved_model

    return saved_model.run(app, params, folders, out, previous=folders["export"])


BODIES: dict[str, Any] = dict(
    zip(STAGES, (ingest, preprocess, train, evaluate, export), strict=True)
)


SECONDS = ".seconds"
"""File of a partial folder: what an interrupted stage has taken so far."""


class _TrainItems:
    """The train items of one fold; can be iterated any number of times."""

    def __init__(self, app: App, params: Any, raw: Path, fold: str):
        self._entries = lambda: app.index(params, raw)
        self._fold = fold

    def __iter__(self) -> Iterator[Item]:
        for entry in self._entries():
            if isinstance(entry, Item) and (entry.fold, entry.split) == (self._fold, "train"):
                yield entry


def _work(
    app: App,
    stage: str,
    params: Any,
    folders: dict[str, Path],
    parts: dict[str, Any],
    shown: dict[str, Any],
    track: Any,
) -> None:
    track.start()
    out = receipts.begin(folders[stage], parts, resume=stage == "train")
    spent = out / SECONDS
    started = time.monotonic() - (float(spent.read_text()) if spent.exists() else 0)
    try:
        counts = BODIES[stage](app, config.upto(params, stage), folders, out, track)
    except BaseException:
        spent.write_text(str(time.monotonic() - started))
        track.fail()
        raise
    spent.unlink(missing_ok=True)
    effective = {t: v.model_dump(mode="json") for t, v in vars(config.upto(params, stage)).items()}
    receipts.write_json(out / "params.json", effective)
    seconds = time.monotonic() - started
    receipts.finish(folders[stage], parts, counts=counts, seconds=seconds)
    print(f"{app.name} {stage}: done in {seconds:.1f} s", flush=True)
    track.finish(folders[stage], shown)


def _share(data: Path, profile: str) -> None:
    # A stage that a variant's words do not reach is a link to where it is made.
    for stage in STAGES:
        made_in, link = config.home(profile, stage), data / profile / stage
        if made_in != profile and not link.exists():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(Path("..") / made_in / stage)


def _require_earlier(app: App, stage: str, folders: dict[str, Path]) -> None:
    for earlier in STAGES[: STAGES.index(stage)]:
        if receipts.read(folders[earlier]) is None:
            raise UserError(f"{app.name} {stage} needs {earlier}: run make {app.name}-{stage}")


def _mend(folder: Path, parts: dict[str, Any]) -> None:
    # A kill between writing the receipt and renaming leaves a whole partial folder.
    receipt = receipts.read(receipts.partial(folder))
    if receipt and receipt["key"] == receipts.key(parts):
        receipts.place(folder)


def _survey(
    app: App, params: Any, raw: Path, out: Path
) -> tuple[Counter[tuple[str, str]], Counter[str]]:
    """Counts items by (fold, split), writes skipped.tsv, refuses leaks and repeated keys."""
    sizes: Counter[tuple[str, str]] = Counter()
    skipped: Counter[str] = Counter()
    splits: dict[tuple[str, str], str] = {}
    with (out / "skipped.tsv").open("w") as file:
        file.write("reason\texample\n")
        entries = app.index(params, raw)
        for entry in progress.over(entries, what=f"{app.name} index", unit="examples"):
            if isinstance(entry, Skip):
                skipped[entry.reason] += 1
                file.write(f"{entry.reason}\t{entry.key}\n")
                continue
            sizes[entry.fold, entry.split] += 1
            seen = splits.setdefault((entry.fold, entry.group), entry.split)
            if seen != entry.split:
                raise ValueError(
                    f"{entry.key}: group '{entry.group}' of fold '{entry.fold}' lies in "
                    f"{seen} and in {entry.split}"
                )
    if not sizes:
        reasons = "; ".join(f"{n} x {reason}" for reason, n in skipped.items()) or "no examples"
        raise UserError(f"{raw}: nothing is left to learn from ({reasons})")
    return sizes, skipped


def _say_skips(app: App, skipped: Counter[str]) -> None:
    for reason, count in sorted(skipped.items()):
        print(
            f"{app.name} preprocess: left out {count}: {reason} (named in skipped.tsv)", flush=True
        )
