import csv
import random

import numpy as np
import pytest
from PIL import Image

from seqapps.app import UserFile
from seqapps.apps.captioning import images, predict
from seqapps.config import UserError
from tests.apps.captioning.conftest import encoded, grey_ramp, jpeg_turned, speckled
from tests.mutations import TRIES, mutated


def answer(caption):
    words = [*caption.encode().split(), b"", b""]
    maps = np.zeros((len(words), 4, 6), np.float32)
    maps[: len(words) - 2, 1, 2] = 1
    return {
        "caption": caption.encode(),
        "log_probability": np.float32(-1.5),
        "words": np.array(words, object),
        "attention": maps,
    }


def asked(path, name=None):
    """The one request of a file."""
    [(meta, record)] = predict.requests(None, path.parent, UserFile(path, name or path.name))
    return meta, record


def test_a_picture_is_asked_about_under_its_name(tmp_path):
    path = tmp_path / "b.webp"
    path.write_bytes(encoded(speckled(2), "WEBP"))
    meta, record = asked(path, "x/b.webp")
    assert meta["file"] == "x/b.webp" and record["image"] is meta["image"]
    assert record["image"].startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"notes", "no image that Pillow reads"), (b"", "empty image file"),
     (encoded(speckled(1))[:70], "damaged image"), (encoded(speckled(1), "JPEG")[:300], "damaged"),
     (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC image and no pillow-heif")],
)  # fmt: skip
def test_what_is_no_whole_picture_is_refused_in_one_sentence(tmp_path, content, reason):
    path = tmp_path / "c.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"^x/c\.txt: {reason}.*; wanted a whole picture: save it"):
        asked(path, "x/c.txt")


def test_a_file_that_cannot_be_opened_is_refused(tmp_path):
    with pytest.raises(UserError, match="gone.png cannot be read"):
        asked(tmp_path / "gone.png")


PICTURES = {
    "PNG": encoded(speckled(1)),
    "16-bit PNG": encoded(Image.fromarray(grey_ramp().astype(np.uint16) * 257)),
    "palette PNG": encoded(speckled(1).quantize(8), transparency=0),
    "JPEG": jpeg_turned(6, speckled(1)),
    "GIF": encoded(speckled(1), "GIF"),
    "WebP": encoded(speckled(1), "WEBP"),
    "BMP": encoded(speckled(1), "BMP"),
    "TIFF": encoded(Image.fromarray(grey_ramp().astype(np.float32)), "TIFF"),
    "TIFF in LZW": encoded(speckled(1), "TIFF", compression="tiff_lzw"),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_no_change_of_a_picture_is_a_defect(tmp_path, kind):
    rng, path = random.Random(kind), tmp_path / kind
    answered = 0
    for _ in range(TRIES):
        path.write_bytes(mutated(PICTURES[kind], rng))
        try:
            meta, _ = asked(path)
        except UserError as error:
            assert str(error).startswith(kind)
            continue
        assert images.shown(meta["image"]).mode == "RGB"
        answered += 1
    assert 0 < answered < TRIES


def test_the_table_has_a_row_and_the_sheet_a_tile_per_word(tmp_path):
    rows = [({"file": f"<{n}>.png", "image": encoded(speckled(n))}, answer("a red star"))
            for n in range(2)]  # fmt: skip
    table, page = predict.render(None, tmp_path, rows, tmp_path)
    with table.open() as file:
        found = list(csv.DictReader(file))
    assert found[0] == {"file": "<0>.png", "caption": "a red star", "log_probability": "-1.5"}
    text = page.read_text()
    assert text.count("<figcaption>") == 6 and "&lt;1&gt;.png" in text and "<1>" not in text
    assert text.count("data:image/jpeg;base64,") == 8


def test_a_name_that_is_no_utf_8_stands_in_the_answers(tmp_path):
    rows = [({"file": "caf\udce9.png", "image": encoded(speckled(1))}, answer("a red star"))]
    table, page = predict.render(None, tmp_path, rows, tmp_path)
    assert "caf" in table.read_text() and "caf" in page.read_text()


@pytest.mark.parametrize(("kind", "name"), [("PNG", "example.png"), ("JPEG", "example.jpg")])
def test_the_example_is_a_file_named_after_its_format(tmp_path, kind, name):
    path = predict.example_input({"image": encoded(speckled(1), kind)}, tmp_path)
    assert path.name == name and path.read_bytes() == encoded(speckled(1), kind)
