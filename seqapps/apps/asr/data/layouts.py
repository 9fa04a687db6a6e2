"""The user's own recordings: LibriSpeech, Common Voice and LJSpeech folders, as they are.

- LibriSpeech: `<speaker>/<chapter>/<speaker>-<chapter>.trans.txt` beside the sounds, at any depth;
  a folder whose name begins with train, dev or test makes the split.
- Common Voice: `train.tsv`, `dev.tsv`, `test.tsv` (or `validated.tsv` alone) with `client_id`,
  `path`, `sentence`; sounds under `clips/`.
- LJSpeech: `metadata.csv` (`id|text` or `id|text|normalised text`); sounds under `wavs/`.

A line that cannot be used, because it is cut short, say, is skipped and named; so are a repeated
line, and all lines that name one recording with different texts.
"""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from seqapps.app import Skip
from seqapps.apps.asr.data import audio
from seqapps.config import UserError
from seqapps.kit import files

Row = dict[str, Any]
MADE_SPLITS = {"train": "train", "dev": "validation", "test": "test"}
COMMON_VOICE_COLUMNS = ("client_id", "path", "sentence")
COUNT_COLUMNS = ("up_votes", "down_votes")
"""Columns of Common Voice that hold whole numbers; of use to see where a stray tab belongs."""

SHOWN_CHARACTERS = 40


class Line(NamedTuple):
    """A line of a table and the name it is skipped by: the table's and the line's number."""

    key: str
    text: str


def recordings(folder: Path) -> tuple[str, Iterator[Row | Skip]]:
    """The layout's name and its recordings as rows: key, file, text, speaker, corpus, split.

    Raises:
        UserError: there is no such folder, or its layout is not known.
    """
    if not folder.is_dir():
        raise UserError(f"ingest.folder = {folder}: no such folder; paths count from the project's")
    folder = folder.resolve()
    if (folder / "metadata.csv").exists():
        return "LJSpeech", _once(_ljspeech(folder))
    if any((folder / f"{name}.tsv").exists() for name in (*MADE_SPLITS, "validated")):
        return "Common Voice", _once(_common_voice(folder))
    if next(folder.rglob("*.trans.txt"), None):
        return "LibriSpeech", _once(_librispeech(folder))
    raise UserError(
        f"{folder} has no known layout: wanted metadata.csv (LJSpeech), train.tsv or validated.tsv "
        "(Common Voice), or *.trans.txt files (LibriSpeech)"
    )


def lines(path: Path, folder: Path) -> Iterator[Line | Skip]:
    """The lines of a table that are not empty.

    One encoding holds for a table: UTF-8 if any letter beyond ASCII is written in it, so that a
    damaged line is skipped, else the one that `files.decoded` finds, which is printed.
    """
    shown = path.relative_to(folder).as_posix()
    try:
        content = files.content(path, name=shown)
    except UserError as error:
        yield Skip(str(error), shown)
        return
    text, encoding = files.decoded(content)
    texts: list[str | None] = [*text.split("\n")]
    if not encoding.startswith("utf"):
        ends = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        as_utf8 = [_utf8(line) for line in ends.split(b"\n")]
        if any(line is not None and not line.isascii() for line in as_utf8):
            texts = as_utf8
        else:
            print(f"asr ingest: {shown} is not UTF-8; read as {encoding}", flush=True)
    elif not encoding.startswith("utf-8"):
        print(f"asr ingest: {shown} is read as {encoding}", flush=True)
    for number, line in enumerate(texts, 1):
        key = f"{shown} line {number}"
        if line is None:
            yield Skip("bytes that are not UTF-8, as the other lines are", key)
        elif "\0" in line:
            yield Skip("zero bytes in a line of text", key)
        elif line.strip():
            yield Line(key, line.strip("\ufeff"))


def _utf8(line: bytes) -> str | None:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return None


def _librispeech(folder: Path) -> Iterator[Row | Skip]:
    for table in sorted(folder.rglob("*.trans.txt")):
        split = next((_made(part) for part in table.relative_to(folder).parts if _made(part)), None)
        for line in lines(table, folder):
            if isinstance(line, Skip):
                yield line
                continue
            name, *rest = line.text.split(maxsplit=1)
            if not rest:
                yield Skip(f"wanted 'id text', got {_shown(line.text)}", line.key)
                continue
            speaker = f"librispeech-{name.partition('-')[0]}"
            yield _row(
                name,
                _sound(table.parent, name),
                text=rest[0].strip(),
                speaker=speaker,
                corpus="librispeech",
                split=split,
            )


def _common_voice(folder: Path) -> Iterator[Row | Skip]:
    names = [name for name in MADE_SPLITS if (folder / f"{name}.tsv").exists()] or ["validated"]
    for name in names:
        path = folder / f"{name}.tsv"
        table = lines(path, folder)
        first = next(table, Line(path.name, ""))
        header = [] if isinstance(first, Skip) else [one.strip() for one in first.text.split("\t")]
        missing = [column for column in COMMON_VOICE_COLUMNS if column not in header]
        if missing:
            reason = f"lacks the columns {', '.join(missing)}; it has {_shown(', '.join(header))}"
            yield first if isinstance(first, Skip) else Skip(reason, path.name)
            continue
        for line in table:
            if isinstance(line, Skip):
                yield line
                continue
            cells = _cells(line.text.split("\t"), header)
            if isinstance(cells, str):
                yield Skip(cells, line.key)
                continue
            name_of_sound = cells["path"].strip()
            yield _row(
                str(Path(name_of_sound).with_suffix("")),
                _sound(folder / "clips", name_of_sound),
                text=cells["sentence"],
                speaker=f"commonvoice-{cells['client_id'][:16]}",
                corpus="commonvoice",
                split=MADE_SPLITS.get(name),
            )


def _cells(cells: list[str], header: list[str]) -> dict[str, str] | str:
    """Column -> cell of a row of Common Voice, or why it cannot be used.

    Cells too many are tabs in the sentence; a row that ends with its sentence, or before, is cut.
    """
    at, spare = header.index("sentence"), len(cells) - len(header)
    if spare > 0:
        cells = [*cells[:at], " ".join(cells[at : at + spare + 1]), *cells[at + spare + 1 :]]
    row = dict(zip(header, cells, strict=False))
    empty = [column for column in COMMON_VOICE_COLUMNS if not row.get(column, "").strip()]
    if empty:
        return f"no {', '.join(empty)}"
    if len(cells) < len(header) and len(cells) <= at + 1:
        return f"cut short: {len(cells)} columns of {len(header)}"
    counts = [row[column].strip() for column in COUNT_COLUMNS if row.get(column)]
    if not all(count.isdecimal() for count in counts):
        return f"{' and '.join(COUNT_COLUMNS)} are {_shown(', '.join(counts))}, not numbers"
    if Path(row["path"].strip()).name in ("", ".."):
        return f"{_shown(row['path'])} is no name of a sound"
    return row


def _ljspeech(folder: Path) -> Iterator[Row | Skip]:
    rows = [*lines(folder / "metadata.csv", folder)]
    bars = Counter(row.text.count("|") for row in rows if isinstance(row, Line))
    pairs = bars[1] > sum(count for number, count in bars.items() if number > 1)
    for line in rows:
        if isinstance(line, Skip):
            yield line
            continue
        name, *texts = line.text.split("|")
        text = "|".join(texts) if pairs else _normalised(texts)
        if not name.strip() or Path(name.strip()).name in ("", ".."):
            yield Skip(f"no id in {_shown(line.text)}", line.key)
        elif not text or not text.strip():
            reason = f"wanted id|text|normalised text, got {_shown(line.text)}"
            yield Skip(reason, line.key)
        else:
            sound = _sound(folder / "wavs", name.strip())
            key = name.strip().removesuffix(sound.suffix)
            yield _row(key, sound, text=text, speaker="ljspeech", corpus="ljspeech", split=None)


def _normalised(texts: list[str]) -> str | None:
    """The second of two texts, or the first if the second is empty.

    Bars within the texts are told from the one between by equal words on both sides; None if they
    cannot be.
    """
    if len(texts) <= 2:
        return next((text for text in reversed(texts) if text.strip()), None)
    cuts = [("|".join(texts[:at]), "|".join(texts[at:])) for at in range(1, len(texts))]
    alike = [second for first, second in cuts if _words(first) == _words(second)]
    return alike[0] if len(alike) == 1 else None


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _once(rows: Iterator[Row | Skip]) -> Iterator[Row | Skip]:
    """Rows, a repeated one as a skip, and all rows of a recording that has two texts."""
    entries, texts = [*rows], defaultdict(set)
    for row in entries:
        if not isinstance(row, Skip):
            texts[row["key"]].add(row["text"])
    keys = set()
    for row in entries:
        if not isinstance(row, Skip):
            key = row["key"]
            if len(texts[key]) > 1:
                row = Skip("the recording is listed with two texts", key)
            elif key in keys:
                row = Skip("the recording is listed twice", key)
            keys.add(key)
        yield row


def _row(key: str, sound: Path, *, text: str, speaker: str, corpus: str, split: str | None) -> Row:
    return {
        "key": f"{corpus}/{key}",
        "file": str(sound),
        "text": text,
        "speaker": speaker,
        "corpus": corpus,
        "split": split,
    }


def _sound(folder: Path, name: str) -> Path:
    """The sound of that name, or of that name and a known suffix; the first if there is none."""
    suffixes = ("", *audio.SUFFIXES, *audio.FFMPEG_SUFFIXES)
    paths = [folder / f"{name}{suffix}" for suffix in suffixes]
    # os.path answers no for a name that no file can have, where Path raises.
    return next((path for path in paths if os.path.isfile(path)), paths[1])


def _shown(text: str) -> str:
    short = text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}..."
    return repr(short)


def _made(folder_name: str) -> str | None:
    return MADE_SPLITS.get(folder_name.partition("-")[0])
