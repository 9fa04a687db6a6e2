"""Predict: a user's pictures to captions, as a table and as a sheet to look at."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

from seqapps.app import Meta, Record, Skip, UserFile
from seqapps.apps.captioning import images
from seqapps.apps.captioning.params import Params
from seqapps.apps.captioning.sheet import Sheet, text
from seqapps.config import UserError
from seqapps.kit import files


def requests(
    params: Params, assets: Path, file: UserFile | None
) -> Iterator[tuple[Meta, Record] | Skip]:
    """`(meta, {"image": bytes})` of a picture: of an animation the first frame, of a TIFF a page.

    Whatever Pillow reads is taken, upright; what the graph does not decode is sent as PNG, see
    `images.decodable`.

    Raises:
        UserError: the file is empty, damaged, too large, or no picture.
    """
    del params, assets
    assert file is not None  # no option holds an input
    try:
        content = images.decodable(files.content(file.path, name=file.name))
    except images.Refused as refused:
        raise UserError(
            f"{file.name}: {refused}; wanted a whole picture: save it anew as PNG or JPEG"
        ) from None
    yield {"file": file.name, "image": content}, {"image": content}


def render(
    params: Params, assets: Path, rows: Iterable[tuple[Meta, Record]], out: Path
) -> list[Path]:
    """Writes `captions.csv` and `captions.html` as the answers come."""
    del params, assets
    table, page = out / "captions.csv", out / "captions.html"
    # A file's name may hold bytes that are no UTF-8.
    with (
        table.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
        Sheet(page) as sheet,
    ):
        writer = csv.writer(file)
        writer.writerow(["file", "caption", "log_probability"])
        for meta, answer in rows:
            log_probability = f"{float(answer['log_probability']):.6g}"
            writer.writerow([meta["file"], text(answer["caption"]), log_probability])
            sheet.add(meta["file"], meta["image"], answer)
    return [table, page]


def example_input(row: Record, out: Path) -> Path:
    """The picture of a request, as a file in `out` named after its format, JPEG or PNG."""
    path = out / ("example.png" if row["image"].startswith(b"\x89PNG") else "example.jpg")
    path.write_bytes(row["image"])
    return path
