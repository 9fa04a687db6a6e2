import csv

import numpy as np

from seqapps.app import Skip
from seqapps.apps.captioning import predict
from tests.apps.captioning.conftest import encoded, speckled


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


def test_a_folder_is_read_in_order_and_what_is_no_picture_is_a_named_skip(tmp_path):
    (tmp_path / "b.webp").write_bytes(encoded(speckled(2), "WEBP"))
    (tmp_path / "a.png").write_bytes(encoded(speckled(1)))
    (tmp_path / "c.txt").write_text("notes")
    (tmp_path / "d.jpg").write_bytes(b"")
    (tmp_path / "e.png").write_bytes(encoded(speckled(1))[:70])
    found = list(predict.requests(None, tmp_path, [tmp_path]))
    assert [meta["file"].rpartition("/")[2] for meta, _ in found[:2]] == ["a.png", "b.webp"]
    assert found[1][1]["image"][1:4] == b"PNG"
    assert [(skip.reason, skip.key.rpartition("/")[2]) for skip in found[2:]] == [
        ("not an image", "c.txt"),
        ("empty image file", "d.jpg"),
        ("damaged image", "e.png"),
    ]
    assert all(isinstance(skip, Skip) for skip in found[2:])


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
