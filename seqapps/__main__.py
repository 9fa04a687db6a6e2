"""The command line: `python -m seqapps <app> <stage>`, and the commands of `COMMANDS` and `WORDED`.

Large packages are imported only when a command needs them. A user's error ends with one sentence
and exit code 2; any other error with one sentence, exit code 1 and the traceback in a file.
"""

import argparse
import glob
import json
import logging
import os
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seqapps import app as contract
from seqapps.artifacts import error_log, layout
from seqapps.artifacts.layout import ProfileFolder
from seqapps.config import STAGES, UserError, nearest
from seqapps.kit import quick_keras

quick_keras.install()  # in the processes that a stage starts, too

COMMANDS = ("status", "idle", "report", "ui", "demo")
EVERYWHERE = ("extra", "seqapps_pipeline")
"""Variables of Make that may be among the settings of a command and are ignored."""
UI_PORT, DEMO_PORT = 5000, 7860
WORDS = {"app": "APP", "input": "INPUT", "out": "OUT", "profile": "PROFILE", "set": "SET"}


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    root = Path.cwd()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # 2 still prints oneDNN's notices
    # TensorFlow would warn that a function is retraced; each fold has a different graph.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    return ended(lambda: _run(words, root), root)


def ended(work: Callable[[], int], root: Path) -> int:
    """The exit code of a command; an error becomes one sentence on the screen."""
    try:
        return work()
    except KeyboardInterrupt:
        print("seqapps: interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130
    except Exception as error:
        print(f"seqapps: {error_log.write(error, root)}", file=sys.stderr)
        return 2 if isinstance(error, UserError) or error_log.of_disk(error) else 1


def _run(words: list[str], root: Path) -> int:
    if words and words[0] in WORDED:
        settings = {n.lower(): value for n, _, value in (w.partition("=") for w in words[1:])}
        return WORDED[words[0]](settings, root)
    options = _parser().parse_args(words)
    if options.what == "status":
        return _status(options, root)
    if options.what == "idle":
        return _idle(options, root)
    if options.what == "report":
        from seqapps.experiments import report

        pages = [str(page.relative_to(root)) for page in report.write(root, options.profile)]
        print(report.results(root, options.profile))
        for name in report.left_out(root, options.profile):
            print(f"report: {name} is left out: its metrics cannot be used; make {name}-evaluate")
        print(f"report: {options.profile}: {', '.join(pages) or 'no page has its marks'}")
        return 0
    if options.what == "ui":
        from seqapps.experiments import mlflow_store

        return mlflow_store.ui(root, options.port or UI_PORT)
    if options.what == "demo":
        from seqapps.serving import demo

        return demo.run(
            root,
            profile=options.profile,
            port=options.port or DEMO_PORT,
            serve_port=options.serve_port,
        )
    if options.what in contract.names() and options.stage is None:
        raise UserError(f"which stage of {options.what}? one of {', '.join(STAGES)}")
    return _stage(options, root)


def _stage(options: argparse.Namespace, root: Path) -> int:
    app, stage = contract.load(options.what), options.stage
    if stage not in STAGES:
        raise UserError(f"no stage '{stage}'; {nearest(stage, STAGES)}")
    from seqapps import config
    from seqapps.experiments.stage_run import StageRun
    from seqapps.pipeline import stages

    profile = config.variant(options.profile, options.set.split())
    made_in = config.home(profile, stage)
    stages.run(
        app,
        stage,
        profile=profile,
        tracker=StageRun(app, profile=made_in, stage=stage, root=root),
        force=options.force,
        root=root,
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m seqapps",
        description="Brings one stage of one application up to date, or shows what there is.",
        epilog=f"applications: {', '.join(contract.names())}; stages: {', '.join(STAGES)}; "
        f"{', '.join(WORDED)} take KEY=VALUE words: predict APP=dna INPUT=sites.fa",
    )
    parser.add_argument("what", help=f"an application, or one of {', '.join([*COMMANDS, *WORDED])}")
    parser.add_argument("stage", nargs="?", help="of the application")
    parser.add_argument("--profile", default="full", help="pipelines/<app>/<profile>.toml")
    parser.add_argument("--set", default="", help="'table.key=value ...': a variant of the profile")
    parser.add_argument("--force", action="store_true", help="work even if the stage is fresh")
    parser.add_argument("--port", type=int, help=f"of ui ({UI_PORT}) or demo ({DEMO_PORT})")
    parser.add_argument("--serve-port", type=int, default=8080, help="of the server demo asks")
    return parser


def _status(options: argparse.Namespace, root: Path) -> int:
    from seqapps import config
    from seqapps.pipeline import stages

    profile = config.variant(options.profile, options.set.split())
    for name in contract.names():
        app = contract.load(name)
        for line in stages.status(app, profile, root=root):
            print(line)
    return 0


def _idle(options: argparse.Namespace, root: Path) -> int:
    """Prints `<app>/<stage>` of each stage that is fresh and logged; Make calls this once."""
    from seqapps import config
    from seqapps.experiments import stage_run
    from seqapps.pipeline import stages

    profile = config.variant(options.profile, options.set.split())
    for name in contract.names():
        app = contract.load(name)
        try:
            fresh = stages.fresh(app, profile, root=root)
        except UserError:  # the stage itself reports it
            continue
        for stage, folder in fresh.items():
            if stage_run.is_logged(stage, folder, root=root):
                print(f"{name}/{stage}")
    return 0


def _only(command: str, settings: dict[str, str], needed: tuple[str, ...], *more: str) -> None:
    example = " ".join(f"{name.upper()}=" for name in needed)
    for name in needed:
        if not settings.get(name):
            raise UserError(f"{command} needs {name.upper()}=: make {command} {example}")
    for name in settings:
        if name not in (*needed, *more, *EVERYWHERE):
            raise UserError(
                f"{command} has no {name.upper()}=; "
                + nearest(name.upper(), [known.upper() for known in (*needed, *more)])
            )


def _sweep(settings: dict[str, str], root: Path) -> int:
    _only("sweep", settings, ("app", "key", "values"), "seeds", "profile", "set")
    app = contract.load(settings["app"])
    from seqapps.experiments import sweep

    planned = sweep.plan(
        app,
        profile=settings.get("profile", "full"),
        key=settings["key"],
        values=settings["values"],
        seeds=settings.get("seeds", ""),
        words=settings.get("set", "").split(),
        root=root,
    )
    print(f"{sweep.run(planned)}{app.name} sweep: wrote {planned.folder.relative_to(root)}")
    return 0


def _tune(settings: dict[str, str], root: Path) -> int:
    _only("tune", settings, ("app", "trials"), "profile", "set", "jobs")
    for name in ("trials", "jobs"):
        if not settings.get(name, "1").isdecimal() or int(settings.get(name, "1")) < 1:
            raise UserError(f"{name.upper()}={settings[name]}: how many? a number from 1 up")
    app = contract.load(settings["app"])
    from seqapps.experiments import tune

    profile, changed = settings.get("profile", "full"), settings.get("set", "").split()
    planned = tune.plan(app, profile, words=changed, root=root)
    print(tune.run(planned, trials=int(settings["trials"]), jobs=int(settings.get("jobs", "1"))))
    print(f"{app.name} tune: wrote {planned.folder.relative_to(root)}")
    return 0


def _compare(settings: dict[str, str], root: Path) -> int:
    _only("compare", settings, ("app",), "runs", "profile")
    app = contract.load(settings["app"])
    from seqapps.experiments import compare

    names = [name for name in settings.get("runs", "").replace(",", " ").split() if name]
    print(compare.table(app, names, profile=settings.get("profile", ""), root=root))
    return 0


def _predict(settings: dict[str, str], root: Path) -> int:
    if not settings.get("app"):
        raise UserError("predict needs APP= and INPUT=: make predict APP=dna INPUT=sites.fa")
    app = contract.load(settings["app"])
    if not any(settings.get(name) for name in ("input", *app.instead_of_input)):
        wanted = " or ".join(f"{name.upper()}=" for name in ("input", *app.instead_of_input))
        raise UserError(f"predict needs {wanted}: make predict APP={app.name} INPUT=...")
    options = [n for n in settings if n not in WORDS and n not in EVERYWHERE]
    from seqapps import config

    profile = config.variant(settings.get("profile", "full"), settings.get("set", "").split())
    texts = config.texts(app.params.model_fields["predict"].annotation)
    overrides = [
        f"predict.{name}={json.dumps(settings[name]) if name in texts else settings[name]}"
        for name in options
    ]
    params = config.load(app, profile, overrides, root=root)
    from seqapps.serving import predict

    out = Path(settings.get("out") or layout.PREDICTIONS_FOLDER / app.name)
    exported = ProfileFolder(root, app.name, config.home(profile, "export")).stage("export")
    paths = _input(settings.get("input", ""))
    for path in predict.run(app, params, paths, exported=exported, out=out, root=root):
        print(f"{app.name} predict: wrote {path}")
    return 0


def _input(text: str) -> list[Path]:
    """The paths in INPUT: one, with any signs in its name, or several, quoted where they need it.

    A pattern with `*` or `?` that no file is called stands for all files it fits.
    """
    if not text or Path(text).exists():
        return [Path(text)] if text else []
    try:
        words = shlex.split(text)
    except ValueError:
        words = [text]
    paths: list[Path] = []
    for word in words:
        matching = [] if Path(word).exists() else sorted(glob.glob(word, recursive=True))
        paths += [Path(match) for match in matching] or [Path(word)]
    if not any(path.exists() for path in paths):
        raise UserError(f"INPUT={text}: no such file or folder")
    return paths


def _promote(settings: dict[str, str], root: Path) -> int:
    version, force = settings.get("version") or "", bool(settings.get("force"))
    if version and not version.isdecimal():
        raise UserError(f"VERSION={version} is not a number")
    number = int(version) if version else None
    return _change_champion("promote", settings, root, force=force, version=number)


def _rollback(settings: dict[str, str], root: Path) -> int:
    return _change_champion("rollback", settings, root)


def _change_champion(what: str, settings: dict[str, str], root: Path, **options: Any) -> int:
    if not settings.get("app"):
        raise UserError(f"{what} needs APP=: make {what} APP={contract.names()[0]}")
    app, profile = contract.load(settings["app"]), settings.get("profile", "full")
    from seqapps.artifacts import champion, receipts
    from seqapps.experiments import stage_run

    exported = ProfileFolder(root, app.name, profile).stage("export")
    with receipts.locked(exported):
        print(getattr(champion, what)(app, exported, **options), flush=True)
        stage_run.mirror(app, profile=profile, exported=exported, root=root)
    return 0


def _new(settings: dict[str, str], root: Path) -> int:
    _only("new", settings, ("app",))
    from seqapps.kit import skeleton

    folders = skeleton.write(settings["app"], root, commands=(*COMMANDS, *WORDED))
    print(f"wrote {', '.join(str(folder.relative_to(root)) for folder in folders)}")
    print(f"next: make {settings['app']} PROFILE=smoke, then replace the data in ingest.py")
    return 0


WORDED = {
    "new": _new,
    "predict": _predict,
    "sweep": _sweep,
    "tune": _tune,
    "compare": _compare,
    "promote": _promote,
    "rollback": _rollback,
}
"""Commands that take KEY=VALUE words, as Make's variables are written."""


if __name__ == "__main__":
    sys.exit(main())
