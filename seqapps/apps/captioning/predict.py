"""Predict: a user's pictures to captions, as a table and as a sheet to look at."""

import csv
import io
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

from PIL import Image

from seqapps.app import Meta, Record, Skip
from seqapps.apps.captioning import images
from seqapps.apps.captioning.params import Params
from seqapps.apps.captioning.sheet import Sheet, text


def requests(
    params: Params, assets: Path, paths: list[Path]
) -> Iterator[tuple[Meta, Record] | Skip]:
    """`(meta, {"image": bytes})` for each picture of the files and folders, or a Skip.

    Whatever Pillow reads is taken; what TensorFlow cannot decode upright (WebP, TIFF, a turned or
    CMYK JPEG) is sent as PNG.
    """
    del params, assets
    for path, name in itertools.chain.from_iterable(map(_files, paths)):
        try:
            content = images.upright(path.read_bytes())
        except images.Refused as refused:
            yield Skip(str(refused), str(path))
            continue
        yield {"file": name, "image": content}, {"image": content}


def render(
    params: Params, assets: Path, rows: Iterable[tuple[Meta, Record]], out: Path
) -> list[Path]:
    """Writes `captions.csv` and `captions.html` as the answers come."""
    del params, assets
    table, page = out / "captions.csv", out / "captions.html"
    with table.open("w", newline="", encoding="utf-8") as file, Sheet(page) as sheet:
        writer = csv.writer(file)
        writer.writerow(["file", "caption", "log_probability"])
        for meta, answer in rows:
            log_probability = f"{float(answer['log_probability']):.6g}"
            writer.writerow([meta["file"], text(answer["caption"]), log_probability])
            sheet.add(meta["file"], meta["image"], answer)
    return [table, page]


def example_input(row: Record, out: Path) -> Path:
    """The picture of a request, as a file in `out` named after its format."""
    with Image.open(io.BytesIO(row["image"])) as picture:
        path = out / f"example.{(picture.format or 'png').lower()}"
    path.write_bytes(row["image"])
    return path


def _files(path: Path) -> list[tuple[Path, str]]:
    """Pictures and the names they go by: within a folder, the path below it."""
    if path.is_file():
        return [(path, path.name)]
    files = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
    return [(p, p.relative_to(path).as_posix()) for p in files]
