"""Stops stages at every change they make to the disk, and compares what they end with.

`python -m tests.faults.campaign <project> tests.toy` is run with `stop.c` preloaded, see
`test_faults`. A run is a fork of one process that has imported everything, and begins with copies
of the earlier stages' folders, so that hundreds of stops take minutes. An application with data
from packages needs them in `<project>/data/cache`, and `--samples` for its size:
`python -m tests.faults.campaign <project> seqapps.apps.dna --samples 6`.
"""

import argparse
import ctypes
import errno
import hashlib
import json
import os
import random
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from seqapps import __main__ as command
from seqapps import app as contract
from seqapps.artifacts import layout
from seqapps.config import STAGES
from seqapps.pipeline import evaluation, export, stages, training  # noqa: F401  imported before a fork

FAILURES = {"kill": 0, "ENOSPC": errno.ENOSPC, "EROFS": errno.EROFS}
TIMES = ("finished", "seconds", "changed_ns", "since", "exported", "outputs")
"""Entries of JSON files that differ between two runs; outputs are compared as files."""

GRAPH = ("saved_model.pb", "fingerprint.pb", "variables.index", "variables.data-00000-of-00001")
"""TensorFlow numbers these anew each time; export compares the model's answers with evaluate's."""


def stage_of(package: str, stage: str, project: Path) -> int:
    """The exit code of one stage, run as the command line runs it, in a fork with its own log."""
    app = contract.at(package)

    def work() -> int:
        stages.run(app, stage, profile="smoke", tracker=stages.Quiet(), root=project)
        return 0

    return command.ended(work, project)


def run(package: str, stage: str, project: Path, *, at: int = 0, failure: str = "kill") -> tuple:
    """(exit code or -signal, changes made, what was said) of a stage that is stopped."""
    log, number = project.parent / "said.txt", project.parent / "changes.txt"
    sys.stdout.flush()
    child = os.fork()
    if not child:
        code = 99
        try:
            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(out, 1)
            os.dup2(out, 2)
            os.chdir(project)
            library = ctypes.CDLL(None)
            data = project / layout.DATA
            library.fault_arm(str(data).encode(), ctypes.c_long(at), FAILURES[failure])
            code = stage_of(package, stage, project)
            library.fault_count.restype = ctypes.c_long
            changes = library.fault_count()
            library.fault_arm(b"", ctypes.c_long(0), 0)
            number.write_text(str(changes))
            sys.stdout.flush()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code, int(number.read_text()) if at == 0 else 0, log.read_text()


def digest(data: Path) -> dict[str, str]:
    """File -> sha256 of all that lies below a folder, hidden files too, without times."""
    digests = {}
    for path in sorted(data.rglob("*")):
        if path.is_file() and path.suffix != ".lock":
            content = path.read_bytes() if path.name not in GRAPH else b""
            if path.suffix == ".json":
                content = json.dumps(_without_times(json.loads(content))).encode()
            digests[str(path.relative_to(data))] = hashlib.sha256(content).hexdigest()
    return digests


def restore(data: Path, before: Path) -> None:
    """Makes the folder of all data, without the cache of packages, a copy of `before`."""
    for path in data.iterdir():
        if path.is_dir() and path.name != layout.CACHE.name:
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()
    shutil.copytree(before, data, symlinks=True, dirs_exist_ok=True)


def problem(kind: str, code: int, said: str) -> str | None:
    """The rule that a stopped command broke; None if it ended as it should.

    A failure that costs nothing, such as one of a folder that may be left over, ends with 0.
    """
    sentences = [line for line in said.splitlines() if line.startswith("seqapps: ")]
    if "Traceback" in said or "defect" in said:
        return "no sentence"
    if kind == "kill":
        return None if code == -signal.SIGKILL else f"exit {code}"
    if code not in (0, 2):
        return f"exit {code}"
    return None if len(sentences) == code // 2 else f"{len(sentences)} sentences"


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {n: _without_times(v) for n, v in value.items() if n not in TIMES}
    return [_without_times(part) for part in value] if isinstance(value, list) else value


def campaign(package: str, project: Path, *, samples: int | None, kinds: list[str]) -> int:
    """Prints a line per stage and kind; returns the number of differences.

    Args:
        package: the application.
        project: a folder with its profile and no data but the cache of packages.
        samples: random stops per stage and kind, from a fixed seed; None: at every change.
        kinds: keys of `FAILURES`.
    """
    data, before = project / layout.DATA, project.parent / "before"
    data.mkdir(exist_ok=True)
    wrong = 0
    for stage in STAGES:
        shutil.rmtree(before, ignore_errors=True)
        cache = shutil.ignore_patterns(layout.CACHE.name)
        shutil.copytree(data, before, symlinks=True, ignore=cache)
        code, changes, said = run(package, stage, project)
        assert code == 0, said
        wanted = digest(data)
        for kind in kinds:
            points = list(range(1, changes + 1))
            if samples is not None and samples < len(points):
                points = sorted(random.Random(f"{stage} {kind}").sample(points, samples))
            differing = 0
            for at in points:
                restore(data, before)
                code, _, said = run(package, stage, project, at=at, failure=kind)
                why = problem(kind, code, said)
                code, _, again = run(package, stage, project)
                why = why or (f"then exit {code}" if code else None)
                ends = digest(data) if not why else {}
                names = [n for n in wanted | ends if wanted.get(n) != ends.get(n)]
                if why or names:
                    differing += 1
                    why = why or ", ".join(names)
                    print(f"  {stage} {kind} at {at}: {why}: {said[-400:]!r}, {again[-400:]!r}")
            wrong += differing
            print(f"| {stage} | {kind} | {changes} | {len(points)} | {differing} |", flush=True)
        restore(data, before)
        code, _, said = run(package, stage, project)
        assert code == 0, said
    return wrong


def main() -> None:
    """Runs the campaign on a project with a smoke profile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path)
    parser.add_argument("package")
    parser.add_argument("--samples", type=int)
    parser.add_argument("--kinds", nargs="+", default=list(FAILURES))
    options = parser.parse_args()
    print("| stage | stop | changes | stopped at | different |\n|---|---|---|---|---|")
    project = options.project.absolute()
    sys.exit(campaign(options.package, project, samples=options.samples, kinds=options.kinds) > 0)


if __name__ == "__main__":
    main()
