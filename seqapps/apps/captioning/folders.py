"""The folders users bring, read as they are: Flickr8k, Flickr30k, COCO, with their splits.

A layout is known by the files that hold the captions; pictures are looked for by name anywhere in
the folder. A row that cannot be used is left out and named; a folder is refused only if nothing of
it is left.
"""

import csv
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from seqapps.app import Skip, UserFile
from seqapps.apps.captioning import APP
from seqapps.config import UserError
from seqapps.kit import files

SPLIT_LISTS = {
    "train": "Flickr_8k.trainImages.txt",
    "validation": "Flickr_8k.devImages.txt",
    "test": "Flickr_8k.testImages.txt",
}
SPLIT_OF_WORD = {
    "train": "train",
    "restval": "train",
    "val": "validation",
    "test": "test",
}
NAMED_REASONS = 3
NUMBERED = re.compile(r"\s*\d+(?:\s*\||\s)(?P<caption>.*)")
"""A comment's number and the comment; a few rows of Flickr30k have no bar between them."""


class Entry(NamedTuple):
    """A picture and its sentences; `split` is None where the source has none."""

    key: str
    image: Path
    captions: tuple[str, ...]
    split: str | None = None


class Listing(NamedTuple):
    """The usable pictures of a folder, and the rows and pictures that are left out."""

    entries: list[Entry]
    skips: list[Skip]


class Row(NamedTuple):
    """A caption as a file gives it, of any type, and its source, such as `captions.txt line 7`."""

    name: Any
    caption: Any
    source: str
    split: str | None = None


Reader = Callable[[UserFile], Iterator[Row | Skip]]


def read(folder: Path) -> Listing:
    """The entries of a user's folder, in the order of the files that list them.

    Left out are rows without a name or a caption, pictures that no row names, and captions whose
    picture is missing or has the name of another one.

    Raises:
        UserError: no such folder, no known layout, or nothing left.
    """
    if not folder.is_dir() or folder == Path():
        raise UserError(f"ingest.folder = '{folder}' is no folder; give the one with the captions")
    below = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    listings: list[UserFile] = []
    skips: list[Skip] = []
    for pattern, reader in LAYOUTS.items():
        tables = [
            UserFile(path, _printable(path.relative_to(folder).as_posix()))
            for path in below
            if path.match(pattern)
        ]
        listings += tables
        if entries := _gathered(tables, reader, Pictures(folder, below), skips):
            return Listing(entries, skips)
    if not listings:
        raise UserError(f"{folder}: no caption file; wanted one of {', '.join(LAYOUTS)}")
    reasons = "; ".join(f"{skip.key}: {skip.reason}" for skip in skips[:NAMED_REASONS])
    names = ", ".join(file.name for file in listings[:NAMED_REASONS])
    raise UserError(f"{folder}: no caption of a picture in {names} ({reasons or 'it is empty'})")


class Pictures:
    """Paths of a folder's files, by name."""

    def __init__(self, folder: Path, below: list[Path]):
        self._folder = folder
        self._by_name: defaultdict[str, list[Path]] = defaultdict(list)
        for path in below:
            self._by_name[path.name].append(path)
        self._below = below

    def named(self, name: str) -> list[Path]:
        """The files that a name means: alone or, as `train/1.jpg`, with the folders above it."""
        parts = Path(name).parts
        candidates = self._by_name[parts[-1]] if parts else []
        exact = [path for path in candidates if path.parts[-len(parts) :] == parts]
        return exact or candidates

    def without(self, used: set[Path]) -> Iterator[Skip]:
        """A skip for each picture, known by its ending, that is not among `used`."""
        for path in self._below:
            if path not in used and path.suffix.lower() in APP.asks.endings:
                key = path.relative_to(self._folder).as_posix()
                yield Skip("picture without a caption", _printable(key))


def _gathered(
    tables: list[UserFile],
    reader: Reader,
    pictures: Pictures,
    skips: list[Skip],
) -> list[Entry]:
    """The entries of all files of one layout; what is left out is added to `skips`."""
    captions: defaultdict[str, list[str]] = defaultdict(list)
    splits: dict[str, str | None] = {}
    listed = _official(pictures)
    for table in tables:
        for row in _rows(table, reader):
            if isinstance(row, Skip):
                skips.append(row)
            elif not (_is_text(row.name) and _is_text(row.caption)):
                skips.append(Skip("no picture's name and caption", row.source))
            else:
                name = row.name.strip()
                split = row.split or listed.get(name)
                if splits.setdefault(name, split) != split:
                    skips.append(Skip("the picture is in another part of the split", row.source))
                else:
                    captions[name].append(_printable(row.caption.strip()))
    entries = []
    used: set[Path] = set()
    for name, texts in captions.items():
        images = pictures.named(name)
        used.update(images)
        if len(images) == 1:
            key = _printable(name)
            entries.append(Entry(key, images[0].absolute(), tuple(texts), splits[name]))
        else:
            reason = "more than one picture has this name" if images else "image file is missing"
            skips.append(Skip(reason, _printable(name)))
    if entries:
        skips.extend(pictures.without(used))
    return entries


def _rows(file: UserFile, reader: Reader) -> Iterator[Row | Skip]:
    try:
        yield from reader(file)
    except UserError as error:
        yield Skip(str(error), file.name)


def _karpathy(file: UserFile) -> Iterator[Row | Skip]:
    for number, image in enumerate(_json(file, "images")):
        source = f"{file.name} image {number}"
        name, split = image.get("filename"), image.get("split")
        if not isinstance(split, str) or split not in SPLIT_OF_WORD:
            yield Skip(f"split is none of {', '.join(SPLIT_OF_WORD)}", source)
            continue
        if _is_text(image.get("filepath")) and _is_text(name):
            name = f"{image['filepath']}/{name}"
        sentences = image.get("sentences")
        for sentence in sentences if isinstance(sentences, list) else [None]:
            caption = sentence.get("raw") if isinstance(sentence, dict) else None
            yield Row(name, caption, source, SPLIT_OF_WORD[split])


def _coco(file: UserFile) -> Iterator[Row | Skip]:
    # COCO gives no captions for its test pictures: its val is where papers test.
    split = {"train": "train", "val": "test"}.get(file.path.stem.split("_")[1].rstrip("0123456789"))
    names: dict[Any, str | None] = {}
    for number, image in enumerate(_json(file, "images")):
        source = f"{file.name} image {number}"
        if not (_is_text(image.get("file_name")) and isinstance(image.get("id"), int | str)):
            yield Skip("no file_name and id", source)
        elif names.setdefault(image["id"], image["file_name"]) != image["file_name"]:
            names[image["id"]] = None
            yield Skip("the id of another image", source)
    for number, note in enumerate(_json(file, "annotations")):
        source = f"{file.name} annotation {number}"
        image = note.get("image_id")
        if isinstance(image, int | str) and names.get(image):
            yield Row(names[image], note.get("caption"), source, split)
        else:
            yield Skip("the image_id of no image, or of two", source)


def _flickr30k(file: UserFile) -> Iterator[Row | Skip]:
    for number, (line, source) in enumerate(_lines(file)):
        name, bar, comment = line.partition("|")
        if numbered := NUMBERED.fullmatch(comment):
            yield Row(name, numbered["caption"], source)
        elif number or bar and _names_picture(name):
            yield Skip("no picture's name, comment's number and caption between bars", source)


def _flickr8k_tokens(file: UserFile) -> Iterator[Row | Skip]:
    for line, source in _lines(file):
        name, _, caption = line.partition("\t")
        yield Row(re.sub(r"#\d+$", "", name), caption, source)


def _flickr8k(file: UserFile) -> Iterator[Row | Skip]:
    """Rows `name,caption`, or `name,number,caption` if the header's second column is a number.

    A caption with commas that was not quoted comes as several cells.
    """
    captions_at = 1
    for number, row in enumerate(_joined(_lines(file))):
        if isinstance(row, Skip):
            yield row
            continue
        line, source = row
        try:
            cells = [*next(csv.reader([line]), []), "", ""]  # a row may have no cell at all
        except csv.Error as error:
            yield Skip(str(error), source)
            continue
        if number == 0 and not _names_picture(cells[0]):
            captions_at = 2 if "number" in cells[1] else 1
        else:
            yield Row(cells[0], ",".join(cells[captions_at:-2]), source)


def _joined(lines: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str] | Skip]:
    """The rows of a table of comma-separated values, each with the source of its first line.

    A caption that begins with a quotation mark goes on in the next line until the mark is closed.
    Where that is not before the next picture's name, the caption ends with its first line.
    """
    parts: list[tuple[str, str]] = []
    is_open = False
    for line, source in lines:
        if parts and not (is_open and not _names_picture(line.partition(",")[0])):
            yield from _closed(parts, is_open)
            parts, is_open = [], False
        parts.append((line, source))
        quoted = len(parts) > 1 or ',"' in line
        is_open ^= bool(quoted) and line.count('"') % 2 == 1
    yield from _closed(parts, is_open)


def _closed(parts: list[tuple[str, str]], is_open: bool) -> Iterator[tuple[str, str] | Skip]:
    """One row of its lines; of lines whose quotation mark stays open only the first is a row."""
    whole, rest = (parts[:1], parts[1:]) if is_open else (parts, [])
    if whole:
        yield " ".join(line for line, _ in whole), whole[0][1]
    for _, source in rest:
        yield Skip("no picture's name and caption", source)


def _lines(file: UserFile) -> Iterator[tuple[str, str]]:
    """The lines of a text that are not blank, each with its source."""
    for number, line in enumerate(_text(file).split("\n"), 1):
        if line.strip():
            yield line, f"{file.name} line {number}"


def _text(file: UserFile) -> str:
    """The text of a file; another encoding than UTF-8 is printed."""
    read = files.text(file.path, name=file.name)
    if not read.encoding.startswith("utf-8"):
        print(f"ingest: {file.name} is no UTF-8; it is read as {read.encoding}")
    return read.text


def _names_picture(cell: str) -> bool:
    return cell.strip().strip('"').lower().endswith(APP.asks.endings)


def _official(pictures: Pictures) -> dict[str, str]:
    """Picture -> split, from the lists that Flickr8k has."""
    return {
        line.strip(): split
        for split, name in SPLIT_LISTS.items()
        for path in pictures.named(name)
        for line, _ in _lines(UserFile(path, name))
    }


def _json(file: UserFile, part: str) -> list[dict[str, Any]]:
    """The objects in a list of a JSON file.

    Raises:
        UserError: it is no JSON, or no object with such a list.
    """
    try:
        content = json.loads(_text(file))
    except (ValueError, RecursionError) as error:
        raise UserError(f"no JSON ({error})") from None
    entries = content.get(part) if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise UserError(f"no JSON object with a list '{part}'")
    return [entry if isinstance(entry, dict) else {} for entry in entries]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _printable(text: str) -> str:
    """The text without halves of UTF-16 pairs, which JSON may hold and no file can."""
    return text.encode("utf-8", "replace").decode()


LAYOUTS: dict[str, Reader] = {
    "dataset*.json": _karpathy,
    "captions_*.json": _coco,
    "results.csv": _flickr30k,
    "Flickr8k.token.txt": _flickr8k_tokens,
    "captions.txt": _flickr8k,
}
"""The files a layout is known by, in the order of preference: a Karpathy split wins over COCO's."""
