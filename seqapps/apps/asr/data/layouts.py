"""The user's own recordings: LibriSpeech, Common Voice and LJSpeech folders, as they are.

- LibriSpeech: `<speaker>/<chapter>/<speaker>-<chapter>.trans.txt` beside the sounds, at any depth;
  a folder whose name begins with train, dev or test makes the split.
- Common Voice: `train.tsv`, `dev.tsv`, `test.tsv` (or `validated.tsv` alone) with `client_id`,
  `path`, `sentence`; sounds under `clips/`.
- LJSpeech: `metadata.csv` (`id|text` or `id|text|normalised text`); sounds under `wavs/`.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seqapps.apps.asr.data import audio
from seqapps.config import UserError

Row = dict[str, Any]
MADE_SPLITS = {"train": "train", "dev": "validation", "test": "test"}
COMMON_VOICE_COLUMNS = ("client_id", "path", "sentence")


def recordings(folder: Path) -> tuple[str, Iterator[Row]]:
    """The layout's name and its recordings as rows: key, file, text, speaker, corpus, split.

    Raises:
        UserError: there is no such folder, its layout is not known, or a table is broken.
    """
    if not folder.is_dir():
        raise UserError(f"ingest.folder = {folder}: no such folder; paths count from the project's")
    folder = folder.resolve()
    if (folder / "metadata.csv").exists():
        return "LJSpeech", _ljspeech(folder)
    if any((folder / f"{name}.tsv").exists() for name in (*MADE_SPLITS, "validated")):
        return "Common Voice", _common_voice(folder)
    if next(folder.rglob("*.trans.txt"), None):
        return "LibriSpeech", _librispeech(folder)
    raise UserError(
        f"{folder} has no known layout: wanted metadata.csv (LJSpeech), train.tsv or validated.tsv "
        "(Common Voice), or *.trans.txt files (LibriSpeech)"
    )


def _librispeech(folder: Path) -> Iterator[Row]:
    for table in sorted(folder.rglob("*.trans.txt")):
        split = next((_made(part) for part in table.relative_to(folder).parts if _made(part)), None)
        for number, line in enumerate(table.read_text(encoding="utf-8").splitlines(), 1):
            name, space, text = line.strip().partition(" ")
            if not name:
                continue
            if not space:
                raise UserError(f"{table} line {number}: wanted 'id text', got {line!r}")
            speaker = f"librispeech-{name.partition('-')[0]}"
            yield _row(
                name,
                _sound(table.parent / name),
                text=text,
                speaker=speaker,
                corpus="librispeech",
                split=split,
            )


def _common_voice(folder: Path) -> Iterator[Row]:
    names = [name for name in MADE_SPLITS if (folder / f"{name}.tsv").exists()] or ["validated"]
    for name in names:
        path = folder / f"{name}.tsv"
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            missing = [c for c in COMMON_VOICE_COLUMNS if c not in (reader.fieldnames or ())]
            if missing:
                raise UserError(
                    f"{path} lacks the columns {', '.join(missing)}; it has "
                    f"{', '.join(reader.fieldnames or ['none'])}"
                )
            for row in reader:
                sound = folder / "clips" / row["path"]
                speaker = f"commonvoice-{row['client_id'][:16]}"
                text = row["sentence"] or ""
                key = Path(row["path"]).stem
                yield _row(
                    key,
                    sound,
                    text=text,
                    speaker=speaker,
                    corpus="commonvoice",
                    split=MADE_SPLITS.get(name),
                )


def _ljspeech(folder: Path) -> Iterator[Row]:
    path = folder / "metadata.csv"
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        name, *texts = line.split("|")
        if not line.strip():
            continue
        if not 1 <= len(texts) <= 2:
            raise UserError(f"{path} line {number}: wanted id|text|normalised text, got {line!r}")
        sound = _sound(folder / "wavs" / name)
        yield _row(name, sound, text=texts[-1], speaker="ljspeech", corpus="ljspeech", split=None)


def _row(key: str, sound: Path, *, text: str, speaker: str, corpus: str, split: str | None) -> Row:
    return {
        "key": f"{corpus}/{key}",
        "file": str(sound),
        "text": text,
        "speaker": speaker,
        "corpus": corpus,
        "split": split,
    }


def _sound(stem: Path) -> Path:
    """The sound file of that name with any known suffix (the first suffix if there is none)."""
    paths = [stem.with_name(stem.name + suffix) for suffix in audio.SUFFIXES]
    return next((path for path in paths if path.exists()), paths[0])


def _made(folder_name: str) -> str | None:
    return MADE_SPLITS.get(folder_name.partition("-")[0])
