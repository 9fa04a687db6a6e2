"""The champion: the exported version that answers requests, and its history.

`champion.json` beside `model/` decides: the server, `seqapps.open` and predict follow it (see
`layout.answering`) and need no MLflow; MLflow's alias mirrors it. Each version carries its scores
(`version.json`), so that a later one can be compared with it. Versions are compared on validation
rows; a champion chosen on test rows would make their score too good.
"""

import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from seqapps.app import App
from seqapps.artifacts import durable, layout
from seqapps.config import P, UserError


def scores(app: App[P], report: dict[str, Any], *, version: int) -> dict[str, Any]:
    """The content of `version.json`: test scores of model and baselines, the validation score."""
    metric, value = report["headline"]["metric"], report["headline"]["value"]
    return {
        "app": app.name,
        "profile": report["profile"],
        "version": version,
        "exported": datetime.now(UTC).isoformat(timespec="seconds"),
        "metric": metric,
        "value": value,
        "baselines": {name: rival[metric] for name, rival in report["baselines"].items()},
        "beats_baselines": report["beats_baselines"],
        "refusals": report["refusals"],
        "validation": report["validation"],
    }


def challenge(app: App[P], out: Path, version: int, *, previous: Path) -> str:
    """Compares a new version with the champion, writes `champion.json`; returns the verdict.

    Args:
        app: the application.
        out: the export folder being written, whose `model/` holds the version.
        version: the number of the new version.
        previous: the export folder before this run.
    """
    champions = history(previous)
    current = champions[-1]["version"] if champions else None
    wins, verdict = _verdict(app, out, version, current)
    if wins:
        champions = [*champions, _entry(version, verdict)]
    if champions:
        _write(out, champions)
    return verdict


def promote(app: App[P], exported: Path, version: int | None, *, force: bool) -> str:
    """Makes a version (None: the newest) the champion; returns a sentence about the change.

    Raises:
        UserError: no such version, it is the champion already, or (without `force`) the judge
            refuses it.
    """
    known, champions = layout.versions(exported), history(exported)
    if not known:
        raise UserError(f"{app.name}: nothing is exported in {exported}; run make {app.name}")
    number = known[-1] if version is None else version
    if number not in known:
        there = ", ".join(map(str, known))
        raise UserError(f"{app.name} has no version {number}; VERSION= one of {there}")
    if champions and champions[-1]["version"] == number:
        raise UserError(
            f"{app.name}: version {number} is the champion already; "
            f"VERSION= another of {', '.join(str(n) for n in known if n != number) or 'none'}"
        )
    scores = _scores(exported, number)
    if scores is None and not force:
        raise UserError(f"{app.name}: version {number} carries no scores; FORCE=1 promotes it")
    if scores and (refusals := _refusals(scores)) and not force:
        raise UserError(f"{app.name}: not promoted: {refusals}; FORCE=1 promotes it all the same")
    _write(exported, [*champions, _entry(number, "promoted by hand")])
    before = champions[-1]["version"] if champions else None
    return _changed(app, exported, before=before, now=number)


def rollback(app: App[P], exported: Path) -> str:
    """Makes the previous champion the champion again; returns a sentence about the change.

    Raises:
        UserError: there is no previous champion, or its files are gone.
    """
    champions, known = history(exported), layout.versions(exported)
    earlier = [entry for entry in champions[:-1] if entry["version"] in known]
    way_out = f"make promote APP={app.name} VERSION= one of {', '.join(map(str, known)) or 'none'}"
    if not champions:
        raise UserError(f"{app.name} has no champion yet; {way_out}")
    if not earlier:
        was = champions[-1]["version"]
        raise UserError(f"{app.name}: no earlier champion than version {was} is kept; {way_out}")
    _write(exported, earlier)
    return _changed(app, exported, before=champions[-1]["version"], now=earlier[-1]["version"])


def history(exported: Path) -> list[dict[str, Any]]:
    """The champions, the current one last, as dicts of version, since, why; empty if none."""
    path = exported / layout.CHAMPION
    return json.loads(path.read_text())["history"] if path.exists() else []


def kept(exported: Path) -> set[int]:
    """Versions that are never deleted: the champion, and the one that a rollback restores."""
    known = layout.versions(exported)
    return set([e["version"] for e in history(exported) if e["version"] in known][-2:])


def _verdict(app: App[P], out: Path, version: int, champion: int | None) -> tuple[bool, str]:
    scores = _scores(out, version)
    assert scores
    by_hand = f"make promote APP={app.name} VERSION={version} PROFILE={scores['profile']}"
    if refusals := _refusals(scores):
        answers = f"version {champion} stays the champion" if champion else "there is no champion"
        return False, f"{answers}: {refusals}"
    if champion is None:
        score = f"{scores['metric']} {scores['value']:.4f}"
        return (
            True,
            f"version {version} is the champion: {score}, the first that the judge lets pass",
        )
    other = _scores(out, champion)
    stays = f"version {champion} stays the champion"
    replaced = f"version {version} is the champion in place of {champion}"
    if not (mine := _validation(scores)):
        return False, f"{stays}: version {version} has no validation score; {by_hand} changes that"
    if not (theirs := _validation(other)):
        return True, f"{replaced}, of which no validation score is known"
    if not _comparable(mine, theirs):
        return False, (
            f"{stays}: it and version {version} were not judged on the same validation rows, so "
            f"their numbers do not compare; {by_hand} changes that"
        )
    against = f"{mine['metric']} on validation {mine['value']:.4f} against {theirs['value']:.4f}"
    if app.better(theirs["value"], than=mine["value"]):
        return False, f"{stays}: version {version} has {against}"
    return True, f"{replaced}: {against}"


def _changed(app: App[P], exported: Path, *, before: int | None, now: int) -> str:
    change = f"{app.name}: version {now} is the champion"
    change += f" in place of {before}" if before else ""
    mine = _validation(_scores(exported, now))
    if mine is None:
        return change
    score = f"{change}: {mine['metric']} on validation {mine['value']:.4f}"
    theirs = _validation(_scores(exported, before)) if before else None
    if theirs is None:
        return score
    if not _comparable(mine, theirs):
        return f"{score}; version {before} was judged on other validation rows"
    if mine["value"] == theirs["value"]:
        return f"{score}, the same as version {before}"
    better = now if app.better(mine["value"], than=theirs["value"]) else before
    return f"{score} against {theirs['value']:.4f}; on validation version {better} was better"


def _validation(scores: dict[str, Any] | None) -> dict[str, Any] | None:
    """The validation score: metric, value and the digest of its rows; None if it is not known."""
    known = (scores or {}).get("validation")
    return known if known and math.isfinite(known["value"]) else None


def _refusals(scores: dict[str, Any]) -> str:
    """The judge's reasons against a version, as a clause; empty if there is none."""
    if "refusals" in scores:
        reasons = scores["refusals"]
    else:  # exported before there was a judge
        reasons = [] if scores["beats_baselines"] else ["it does not beat every baseline"]
    score = f"version {scores['version']} ({scores['metric']} {scores['value']:.4f})"
    return f"{score} is refused: {'; '.join(reasons)}" if reasons else ""


def _comparable(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(one[name] == other[name] for name in ("metric", "digest"))


def _scores(exported: Path, version: int) -> dict[str, Any] | None:
    path = layout.version(exported, version) / layout.EXTRA / layout.VERSION
    return json.loads(path.read_text()) if path.exists() else None


def _entry(version: int, why: str) -> dict[str, Any]:
    return {
        "version": version,
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        "why": why,
    }


def _write(exported: Path, champions: list[dict[str, Any]]) -> None:
    current = {"version": champions[-1]["version"], "history": champions}
    durable.write_json(exported / layout.CHAMPION, current)
