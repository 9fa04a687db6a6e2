"""The folders users bring, read as they are: Flickr8k, Flickr30k, COCO, with their splits.

A layout is known by the file that holds the captions; pictures are looked for by name anywhere in
the folder.
"""

import csv
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from seqapps.config import UserError

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
ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp")


class Entry(NamedTuple):
    """A picture and its sentences; `split` is None where the source has none."""

    key: str
    image: Path
    captions: tuple[str, ...]
    split: str | None = None


def read(folder: Path) -> Iterator[Entry]:
    """The entries of a user's folder, in the order of the file that lists them.

    Raises:
        UserError: no such folder, no known layout, or a line that cannot be read.
    """
    if not folder.is_dir() or folder == Path():
        raise UserError(f"ingest.folder = '{folder}' is no folder; give the one with the captions")
    for pattern, reader in LAYOUTS.items():
        if paths := sorted(folder.rglob(pattern)):
            pictures = {p.name: p for p in folder.rglob("*") if p.suffix.lower() in ENDINGS}
            entries = list(reader(paths, Pictures(folder, pictures)))
            if not entries:
                raise UserError(f"{paths[0]}: no caption is listed in it")
            return iter(entries)
    raise UserError(f"{folder}: no caption file; wanted one of {', '.join(LAYOUTS)}")


class Pictures(NamedTuple):
    """Paths of the pictures in a folder, by file name."""

    folder: Path
    paths: dict[str, Path]

    def entry(self, name: str, captions: list[str], split: str | None) -> Entry:
        """The entry of a picture; one that is not there keeps its name, to be counted later."""
        path = self.paths.get(name, self.folder / name)
        return Entry(name, path.absolute(), tuple(captions), split)


def _karpathy(paths: list[Path], pictures: Pictures) -> Iterator[Entry]:
    for image in _json(paths[0], "images"):
        captions = [sentence["raw"] for sentence in image["sentences"]]
        split = SPLIT_OF_WORD.get(image["split"])
        if split is None:
            raise UserError(
                f"{paths[0]}: {image['filename']} has split '{image['split']}'; wanted one of "
                f"{', '.join(SPLIT_OF_WORD)}"
            )
        yield pictures.entry(image["filename"], captions, split)


def _coco(paths: list[Path], pictures: Pictures) -> Iterator[Entry]:
    for path in paths:
        # COCO gives no captions for its test pictures: its val is where papers test.
        split = {"train": "train", "val": "test"}.get(path.stem.split("_")[1].rstrip("0123456789"))
        names = {image["id"]: image["file_name"] for image in _json(path, "images")}
        captions: defaultdict[int, list[str]] = defaultdict(list)
        for note in _json(path, "annotations"):
            captions[note["image_id"]].append(note["caption"])
        for number, name in names.items():
            if captions[number]:
                yield pictures.entry(name, captions[number], split)


def _flickr30k(paths: list[Path], pictures: Pictures) -> Iterator[Entry]:
    rows = (
        (number, [cell.strip() for cell in line.split("|", 2)])
        for number, line in enumerate(paths[0].read_text("utf-8-sig").splitlines(), 1)
    )
    next(rows)  # image_name| comment_number| comment
    yield from _gathered(paths[0], ((n, r[0], "".join(r[2:])) for n, r in rows), pictures)


def _flickr8k_tokens(paths: list[Path], pictures: Pictures) -> Iterator[Entry]:
    lines = enumerate(paths[0].read_text("utf-8-sig").splitlines(), 1)
    rows = ((n, line.partition("\t")) for n, line in lines if line.strip())
    named = ((n, name.rpartition("#")[0], text) for n, (name, _, text) in rows)
    yield from _gathered(paths[0], named, pictures)


def _flickr8k(paths: list[Path], pictures: Pictures) -> Iterator[Entry]:
    with paths[0].open(newline="", encoding="utf-8-sig") as file:
        rows = enumerate(csv.reader(file), 1)
        next(rows)  # image,caption
        # A caption with commas that was not quoted comes as several cells.
        named = [(n, row[0], ",".join(row[1:])) for n, row in rows if row]
    yield from _gathered(paths[0], iter(named), pictures)


def _gathered(
    path: Path, rows: Iterator[tuple[int, str, str]], pictures: Pictures
) -> Iterator[Entry]:
    captions: defaultdict[str, list[str]] = defaultdict(list)
    for number, name, text in rows:
        if not name or not text.strip():
            raise UserError(f"{path} line {number}: wanted a picture's name and its caption")
        captions[name].append(text.strip())
    splits = _official(pictures.folder)
    for name, texts in captions.items():
        yield pictures.entry(name, texts, splits.get(name))


def _official(folder: Path) -> dict[str, str]:
    splits = {}
    for split, name in SPLIT_LISTS.items():
        for path in folder.rglob(name):
            splits |= {
                line.strip(): split for line in path.read_text().splitlines() if line.strip()
            }
    return splits


def _json(path: Path, part: str) -> list:
    try:
        return json.loads(path.read_text("utf-8-sig"))[part]
    except (ValueError, KeyError) as error:
        raise UserError(f"{path}: wanted JSON with '{part}' ({error})") from None


LAYOUTS: dict[str, Callable[[list[Path], Pictures], Iterator[Entry]]] = {
    "dataset*.json": _karpathy,
    "captions_*.json": _coco,
    "results.csv": _flickr30k,
    "Flickr8k.token.txt": _flickr8k_tokens,
    "captions.txt": _flickr8k,
}
"""The file a layout is known by, in the order of preference: a Karpathy split wins over COCO's."""
