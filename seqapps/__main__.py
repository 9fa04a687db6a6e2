"""The command line: `python -m seqapps <app> <stage>`, and the words in `COMMANDS` and `WORDED`.

Nothing heavy is imported until a stage needs it. A mistake of the user's ends with one sentence
and exit code 2; a defect of ours with one sentence and a file that holds the traceback.
"""

import argparse
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

from seqapps import app as contract
from seqapps.app import STAGES, UserError, nearest

COMMANDS = ("status", "report", "ui", "demo")
EVERYWHERE = ("extra", "seqapps_pipeline")
"""Variables of Make's that a command may be given and has no use for."""
UI_PORT, DEMO_PORT = 5000, 7860
WORDS = {"app": "APP", "input": "INPUT", "out": "OUT", "profile": "PROFILE", "set": "SET"}


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    root = Path.cwd()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # 2 still prints oneDNN's notices
    # Each fold has graphs of its own; TensorFlow takes them for one that is traced again and again.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    try:
        return _run(words, root)
    except UserError as error:
        print(f"seqapps: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("seqapps: interrupted; the same command goes on where it stopped", file=sys.stderr)
        return 130
    except Exception as error:
        print(f"seqapps: {contract.defect(error, root)}", file=sys.stderr)
        return 1


def _run(words: list[str], root: Path) -> int:
    if words and words[0] in WORDED:
        given = {name.lower(): value for name, _, value in (w.partition("=") for w in words[1:])}
        return WORDED[words[0]](given, root)
    options = _parser().parse_args(words)
    if options.what == "status":
        return _status(options, root)
    if options.what == "report":
        from seqapps import report

        pages = [str(page.relative_to(root)) for page in report.write(root, options.profile)]
        print(report.results(root, options.profile))
        print(f"report: {options.profile}: {', '.join(pages) or 'no page has its marks'}")
        return 0
    if options.what == "ui":
        from seqapps import store

        return store.ui(root, options.port or UI_PORT)
    if options.what == "demo":
        from seqapps import demo

        return demo.run(root, options.profile, options.port or DEMO_PORT, options.serve_port)
    if options.what in contract.names() and options.stage is None:
        raise UserError(f"which stage of {options.what}? one of {', '.join(STAGES)}")
    app = contract.load(options.what)
    if options.stage not in STAGES:
        raise UserError(f"no stage '{options.stage}'; {nearest(options.stage, STAGES)}")
    from seqapps import stages

    stages.run(
        app,
        options.stage,
        options.profile,
        overrides=options.set.split(),
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
    parser.add_argument("--set", default="", help="'table.key=value ...', wins over the profile")
    parser.add_argument("--force", action="store_true", help="work even if the stage is fresh")
    parser.add_argument("--port", type=int, help=f"of ui ({UI_PORT}) or demo ({DEMO_PORT})")
    parser.add_argument("--serve-port", type=int, default=8080, help="of the server demo asks")
    return parser


def _status(options: argparse.Namespace, root: Path) -> int:
    from seqapps import stages

    for name in contract.names():
        app = contract.load(name)
        for line in stages.status(app, options.profile, options.set.split(), root=root):
            print(line)
    return 0


def _only(command: str, given: dict[str, str], needed: tuple[str, ...], *more: str) -> None:
    example = " ".join(f"{name.upper()}=" for name in needed)
    for name in needed:
        if not given.get(name):
            raise UserError(f"{command} needs {name.upper()}=: make {command} {example}")
    for name in given:
        if name not in (*needed, *more, *EVERYWHERE):
            raise UserError(
                f"{command} has no {name.upper()}=; "
                + nearest(name.upper(), [known.upper() for known in (*needed, *more)])
            )


def _sweep(given: dict[str, str], root: Path) -> int:
    _only("sweep", given, ("app", "key", "values"), "seeds", "profile", "set")
    app = contract.load(given["app"])
    from seqapps import sweep

    planned = sweep.plan(
        app,
        given.get("profile", "full"),
        given["key"],
        given["values"],
        seeds=given.get("seeds", ""),
        words=given.get("set", "").split(),
        root=root,
    )
    print(f"{sweep.run(planned)}{app.name} sweep: wrote {planned.folder.relative_to(root)}")
    return 0


def _tune(given: dict[str, str], root: Path) -> int:
    _only("tune", given, ("app", "trials"), "profile", "set", "jobs")
    for name in ("trials", "jobs"):
        if not given.get(name, "1").isdecimal() or int(given.get(name, "1")) < 1:
            raise UserError(f"{name.upper()}={given[name]}: how many? a number from 1 up")
    app = contract.load(given["app"])
    from seqapps import tune

    profile, changed = given.get("profile", "full"), given.get("set", "").split()
    planned = tune.plan(app, profile, words=changed, root=root)
    print(tune.run(planned, trials=int(given["trials"]), jobs=int(given.get("jobs", "1"))))
    print(f"{app.name} tune: wrote {planned.folder.relative_to(root)}")
    return 0


def _compare(given: dict[str, str], root: Path) -> int:
    _only("compare", given, ("app",), "runs", "profile")
    app = contract.load(given["app"])
    from seqapps import compare

    names = [name for name in given.get("runs", "").replace(",", " ").split() if name]
    print(compare.table(app, names, profile=given.get("profile", ""), root=root))
    return 0


def _predict(given: dict[str, str], root: Path) -> int:
    if not given.get("app"):
        raise UserError("predict needs APP= and INPUT=: make predict APP=dna INPUT=sites.fa")
    app = contract.load(given["app"])
    if not any(given.get(name) for name in ("input", *app.instead_of_input)):
        wanted = " or ".join(f"{name.upper()}=" for name in ("input", *app.instead_of_input))
        raise UserError(f"predict needs {wanted}: make predict APP={app.name} INPUT=...")
    profile = given.get("profile", "full")
    own = [f"predict.{name}={value}" for name, value in given.items() if name not in WORDS]
    from seqapps import config

    params = config.load(app, profile, given.get("set", "").split() + own, root=root)
    from seqapps import predict

    paths = [Path(path) for path in given.get("input", "").split()]
    out = Path(given.get("out") or f"predictions/{app.name}")
    exported = root / "data" / app.name / profile / "export"
    for path in predict.run(app, params, exported, paths, out):
        print(f"{app.name} predict: wrote {path}")
    return 0


def _promote(given: dict[str, str], root: Path) -> int:
    version, force = given.get("version") or "", bool(given.get("force"))
    if version and not version.isdecimal():
        raise UserError(f"VERSION={version} is not a number")
    number = int(version) if version else None
    return _crown("promote", given, root, force=force, version=number)


def _rollback(given: dict[str, str], root: Path) -> int:
    return _crown("rollback", given, root)


def _crown(what: str, given: dict[str, str], root: Path, **options: Any) -> int:
    if not given.get("app"):
        raise UserError(f"{what} needs APP=: make {what} APP={contract.names()[0]}")
    app, profile = contract.load(given["app"]), given.get("profile", "full")
    from seqapps import champion, receipts, tracking

    exported = root / "data" / app.name / profile / "export"
    with receipts.locked(exported):
        print(getattr(champion, what)(app, exported, **options), flush=True)
        tracking.mirror(app, profile, exported, root)
    return 0


WORDED = {
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
