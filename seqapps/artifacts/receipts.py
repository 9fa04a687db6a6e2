"""Receipts of stages: the recorded inputs, the check for changes, atomic writes of folders.

A stage's key has four parts: its parameters, the digests of all outputs of earlier stages, its code
(without comments and docstrings) and the package versions. The receipt `done.json` keeps all four,
so that the reason why a stage is stale can be shown. A stage writes `.<stage>.partial/`, the
receipt last, then the folder is renamed; a folder without a receipt is not complete. Each step can
be repeated, so a kill between any two of them costs nothing. A receipt holds the sha256 of each
output: an output that has changed since makes its stage stale.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from seqapps.app import App
from seqapps.artifacts import durable, fingerprints
from seqapps.artifacts.layout import (
    MUTABLE,
    RECEIPT,
    ProfileFolder,
    lock,
    partial,
    replaced,
)
from seqapps.config import STAGES, P, UserError, home, paths

ENTRIES = {"key", "made_from", "outputs", "counts", "seconds", "finished"}
KEY, SECONDS = ".key", ".seconds"
"""Files of a partial folder: the key of what is being made, and the time it has taken so far."""


def wanted(app: App[P], stage: str, params: P, *, profile: str, root: Path) -> dict[str, Any]:
    """The four parts of a stage's key as they are now."""
    stage_params = getattr(params, stage)
    table = stage_params.model_dump(mode="json") | _stamps(paths(stage_params))
    return {
        "params": {f"{stage}.{name}": value for name, value in table.items()},
        "inputs": {
            earlier: _outputs_digest(
                ProfileFolder(root, app.name, home(profile, earlier)).stage(earlier)
            )
            for earlier in STAGES[: STAGES.index(stage)]
        },
        "code": fingerprints.code(app.package, stage)
        | {"facts of the application": fingerprints.facts(app, stage)},
        "versions": fingerprints.versions(),
    }


def key(parts: dict[str, Any]) -> str:
    """The content key: sha256 over the four parts."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def stale(folder: Path, parts: dict[str, Any]) -> str | None:
    """The reason why the stage in `folder` must run again, in words; None if it is fresh."""
    receipt = read(folder)
    if receipt is None:
        return "its receipt is damaged" if (folder / RECEIPT).exists() else "not made yet"
    return _difference(receipt["made_from"], parts) or damage(folder)


def read(folder: Path) -> dict[str, Any] | None:
    """The receipt in a folder, or None if there is none that can be read."""
    receipt = durable.read_json(folder / RECEIPT)
    whole = isinstance(receipt, dict) and receipt.keys() >= ENTRIES
    return receipt if whole else None


def rows_digest(preprocess: Path, split: str) -> str:
    """Digest of a split's shards, 16 hex digits: equal for models that are judged on the same rows.

    Raises:
        UserError: the receipt of preprocess is missing or damaged.
    """
    receipt = read(preprocess)
    if receipt is None:
        raise UserError(f"{preprocess / RECEIPT} cannot be read; run preprocess again")
    shards = {n: one["sha256"] for n, one in receipt["outputs"].items() if f"/{split}-" in n}
    return hashlib.sha256(json.dumps(shards, sort_keys=True).encode()).hexdigest()[:16]


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds the lock of one stage; prints a line if it must wait for another process."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(lock(folder))
    try:
        held.acquire(timeout=0)
    except Timeout:
        print(f"{folder}: another process works on it; waiting", flush=True)
        held.acquire()
    try:
        yield
    finally:
        held.release()


def begin(folder: Path, parts: dict[str, Any], *, resume: bool) -> Path:
    """The partial folder of a stage; kept if `resume` and the key is the same, else emptied."""
    work = partial(folder)
    mark = work / KEY
    if not (resume and mark.exists() and mark.read_text() == key(parts)):
        if work.exists():
            shutil.rmtree(work)
        work.mkdir(parents=True)
        durable.write_bytes(mark, key(parts).encode())
    return work


def spent(folder: Path) -> float:
    """Seconds that interrupted calls have worked on a partial folder."""
    try:
        return float((partial(folder) / SECONDS).read_text())
    except (OSError, ValueError):
        return 0.0


def finish(
    folder: Path, parts: dict[str, Any], *, counts: dict[str, Any], seconds: float
) -> dict[str, Any]:
    """Writes the receipt into the partial folder, renames the folder, returns the receipt."""
    work = partial(folder)
    for path in work.rglob(".*"):  # what a kill left of a file that was being written
        if path.is_file() and path.name not in (KEY, SECONDS):
            path.unlink()
    outputs = {str(path.relative_to(work)): path for path in _outputs(work)}
    receipt = {
        "app": folder.parts[-3],
        "profile": folder.parts[-2],
        "stage": folder.name,
        "key": key(parts),
        "made_from": parts,
        "outputs": {
            name: {"sha256": fingerprints.digest(path), "bytes": path.stat().st_size}
            for name, path in outputs.items()
        },
        "counts": counts,
        "seconds": round(seconds, 1),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "changed_ns": {name: path.stat().st_mtime_ns for name, path in outputs.items()},
    }
    durable.write_json(work / RECEIPT, receipt)
    place(folder)
    return receipt


def place(folder: Path) -> None:
    """Renames a complete partial folder to the stage's; can be repeated after a kill."""
    work, old = partial(folder), replaced(folder)
    for name in (KEY, SECONDS):
        (work / name).unlink(missing_ok=True)
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        durable.rename(folder, old)
    durable.rename(work, folder)
    shutil.rmtree(old, ignore_errors=True)


def mend(folder: Path, parts: dict[str, Any]) -> None:
    """Completes, or takes back, the renames that a kill interrupted in `place`."""
    receipt, old = read(partial(folder)), replaced(folder)
    if receipt and receipt["key"] == key(parts):
        place(folder)
    elif folder.exists():
        shutil.rmtree(old, ignore_errors=True)
    elif old.exists():
        durable.rename(old, folder)


def damage(folder: Path) -> str | None:
    """The output of a finished stage that is missing or has changed, in words; None if none has.

    A file is hashed only if its time of change is not the one in the receipt; if its content is as
    it was (a copied folder), the receipt takes over the new time.
    """
    receipt = read(folder)
    if receipt is None:
        return None
    times = dict(receipt.get("changed_ns", {}))
    for name, output in receipt["outputs"].items():
        path = folder / name
        if not path.exists():
            return f"{name} is missing"
        stat = path.stat()
        if stat.st_size != output["bytes"]:
            return f"{name} has {stat.st_size} bytes, was written with {output['bytes']}"
        if stat.st_mtime_ns != times.get(name):
            if fingerprints.digest(path) != output["sha256"]:
                return f"{name} has changed since it was written (its sha256 differs)"
            times[name] = stat.st_mtime_ns
    if times != receipt.get("changed_ns") and os.access(folder, os.W_OK):
        durable.write_json(folder / RECEIPT, receipt | {"changed_ns": times})
    return None


def _outputs(work: Path) -> list[Path]:
    return [
        path
        for path in sorted(work.rglob("*"))
        if path.is_file() and path.name not in (*MUTABLE, KEY, SECONDS, RECEIPT)
    ]


def _stamps(files: list[Path]) -> dict[str, str]:
    # Size and time of change stand for the content of a user's files.
    stamps = {}
    for path in files:
        if path.exists():
            parts = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
            lines = [f"{p} {p.stat().st_size} {p.stat().st_mtime_ns}" for p in parts]
            stamps[f"file {path}"] = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
    return stamps


def _outputs_digest(folder: Path) -> str | None:
    receipt = read(folder)
    if receipt is None:
        return None
    outputs = json.dumps(receipt["outputs"], sort_keys=True)
    return hashlib.sha256(outputs.encode()).hexdigest()[:16]


def _difference(old: dict[str, Any], new: dict[str, Any]) -> str | None:
    for part in ("params", "inputs", "code", "versions"):
        for name in [*new[part], *old[part]]:
            before, after = old[part].get(name), new[part].get(name)
            if before != after:
                return _in_words(part, name, before=before, after=after)
    return None


def _in_words(part: str, name: str, *, before: Any, after: Any) -> str:
    if part == "params" and " " not in name:
        return f"{name} {_short(before)} -> {_short(after)}"
    if part == "versions":
        return f"{name} {before} -> {after}"
    if part == "inputs":
        return f"{name} has new outputs"
    return f"code of {name} changed" if part == "code" else f"{name} changed"


def _short(value: Any) -> str:
    text = json.dumps(value) if not isinstance(value, str) else value
    return text if len(text) <= 40 else text[:37] + "..."
