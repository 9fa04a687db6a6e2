"""Runs stages of the toy application; TOY_KILL=module.function:n dies at the n-th call of it."""

import importlib
import os
import signal
import sys
from pathlib import Path

from seqapps.config import STAGES
from seqapps.experiments.stage_run import StageRun
from seqapps.pipeline import stages
from tests.toy import APP


def arm(spec: str) -> None:
    target, _, count = spec.partition(":")
    module, _, name = target.rpartition(".")
    owner = importlib.import_module(module)
    original, calls = getattr(owner, name), 0

    def deadly(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == int(count):
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)

    setattr(owner, name, deadly)


if __name__ == "__main__":
    if "TOY_KILL" in os.environ:
        arm(os.environ["TOY_KILL"])
    force = "--force" in sys.argv
    for stage in [word for word in sys.argv[1:] if word in STAGES] or STAGES:
        overrides = [word for word in sys.argv[1:] if "=" in word]
        run = StageRun(APP, profile="smoke", stage=stage, root=Path.cwd())
        stages.run(
            APP,
            stage,
            profile="smoke",
            tracker=run,
            overrides=overrides,
            force=force,
            root=Path.cwd(),
        )
