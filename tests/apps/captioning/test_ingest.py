import json
import os
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from seqapps.apps.captioning import ingest
from seqapps.apps.captioning.params import Ingest
from tests.apps.captioning.conftest import encoded, grey_ramp, speckled


def taken(folder, tmp_path, **table):
    out = tmp_path / "out"
    out.mkdir()
    params = SimpleNamespace(ingest=Ingest(source="user", folder=str(folder), **table))
    counts = ingest.ingest(params, out)
    lines = (out / "captions.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines], counts


def test_missing_empty_and_cut_pictures_are_named_and_twins_found(mine, tmp_path, capsys):
    whole = encoded(speckled(1))
    (mine / "Images/empty.png").write_bytes(b"")
    (mine / "Images/cut.png").write_bytes(whole[: len(whole) // 2])
    (mine / "Images/text.jpg").write_text("no picture")
    (mine / "Images/twin.jpg").write_bytes(encoded(speckled(1), "JPEG", quality=95, subsampling=0))
    names = ["a.png", "b.png", "twin.jpg", "gone.png", "empty.png", "cut.png", "text.jpg"]
    lines = "".join(f"{name},caption of {name}\n" for name in names)
    (mine / "captions.txt").write_text("image,caption\n" + lines)
    entries, counts = taken(mine, tmp_path)
    assert [entry.get("twin") for entry in entries[:3]] == [0, 1, 1]
    assert {entry["key"]: entry["problem"] for entry in entries[3:]} == {
        "empty.png": "empty image file",
        "cut.png": "damaged image",
        "text.jpg": "no image that Pillow reads",
        "gone.png": "image file is missing",
        "Images/c.png": "picture without a caption",
    }
    assert (counts["pictures"], counts["twins"]) == (6, 1)
    assert counts["skipped: damaged image"] == counts["skipped: picture without a caption"] == 1
    assert "ingest: left out gone.png: image file is missing\n" in capsys.readouterr().out
    (tmp_path / "strict").mkdir()
    assert taken(mine, tmp_path / "strict", twin_rms=0.0)[1]["twins"] == 0


def test_a_copy_of_a_picture_in_16_bits_is_its_twin(mine, tmp_path):
    deep = Image.fromarray(grey_ramp().astype(np.uint16) * 257)
    (mine / "Images/a.png").write_bytes(encoded(Image.fromarray(grey_ramp())))
    (mine / "Images/b.png").write_bytes(encoded(deep))
    (mine / "Images/d.tif").write_bytes(encoded(deep, "TIFF"))
    (mine / "captions.txt").write_text("a.png,A ramp\nb.png,Grey\nd.tif,Deep\nc.png,Blocks\n")
    entries, _ = taken(mine, tmp_path)
    assert [entry["twin"] for entry in entries] == [0, 0, 0, 3]


def test_a_name_that_is_no_utf_8_is_read_again_by_preprocess(mine, tmp_path):
    content = encoded(speckled(9))
    strange = os.fsencode(mine / "Images") + b"/\xe9.png"
    with open(strange, "wb") as file:
        file.write(content)
    (mine / "captions.txt").write_text("a.png,A dog\n")
    entries, _ = taken(mine, tmp_path)
    assert [entry["problem"] for entry in entries[1:]] == ["picture without a caption"] * 3


def test_a_stamps_sentence_in_each_language():
    text = "A red apple.\nde.utf8=Ein roter Apfel.\nes.utf8=Una manzana roja.\n"
    assert ingest.stamp_caption(text, "en") == "A red apple."
    assert ingest.stamp_caption(text, "es") == "Una manzana roja."
    assert ingest.stamp_caption("A red apple.\n", "es") == ""


def banded(*colours, vertical=False):
    picture = Image.new("RGB", (48, 48))
    for number, colour in enumerate(colours):
        width = 48 // len(colours)
        place = (number * width, 0) if vertical else (0, number * width)
        picture.paste(colour, (*place, 48, 48))
    return picture


@pytest.fixture
def flags(monkeypatch, tmp_path):
    """Flags of countries xa to xd out of packages made here; returns lines by key, and counts."""
    drawn = {
        "xa": banded("red", "white", "black"),
        "xb": banded("red", "white", "black", vertical=True),
        "xc": speckled(1),
        "mr": speckled(2),
    }
    country = lambda key: {  # noqa: E731
        "Government": {"Flag description": {"text": f"words of {key}"}},
        "Communications": {"Internet country code": {"text": f".{key}"}},
    }
    held = {
        ingest.FLAGS.name: {f"x/{key}.png": encoded(flag) for key, flag in drawn.items()},
        ingest.FACTBOOK.name: {f"{key}.json": json.dumps(country(key)) for key in drawn},
        "svg-country-flags": {
            f"{ingest.FURTHER_FOLDER}{key}.png": encoded(drawn[key].resize((90, 50)))
            for key in ("xa", "xb", "mr")
        },
    }
    monkeypatch.setattr(ingest, "_fetch", lambda package: package.name)
    monkeypatch.setattr(
        ingest.fetch,
        "members",
        lambda name, wanted: ((n, held[name][n]) for n in held[name] if wanted(n)),
    )
    params = SimpleNamespace(ingest=Ingest(extra_train_images=("svg_country_flags",)))
    counts = ingest.ingest(params, tmp_path)
    lines = map(json.loads, (tmp_path / "captions.jsonl").read_text().splitlines())
    return {line["key"]: line for line in lines}, counts


def test_further_drawings_come_last_and_have_the_words_of_their_flag(flags, tmp_path):
    lines, counts = flags
    assert list(lines) == [
        "mr", "xa", "xb", "xc", "xa~svg_country_flags", "xb~svg_country_flags",
    ]  # fmt: skip
    further = lines["xa~svg_country_flags"]
    assert (further["widens"], further["captions"]) == ("xa", ["words of xa"])
    with Image.open(tmp_path / further["image"]) as picture:
        assert picture.size == (90, 50)
    assert counts["drawn again by svg_country_flags"] == 2


def test_a_drawing_of_another_flag_or_of_none_is_counted_and_left_out(flags):
    _, counts = flags
    assert counts["skipped: svg_country_flags draws another flag"] == 1  # mr
    assert counts["skipped: svg_country_flags draws no such flag"] == 1  # xc


def test_a_flag_looks_like_another_one_with_rows_and_columns_swapped(flags):
    lines, _ = flags
    assert lines["xa"]["alike"] == lines["xa~svg_country_flags"]["alike"] == ["xa"]
    assert lines["xa"]["alike_turned"] == lines["xa~svg_country_flags"]["alike_turned"] == ["xb"]
    assert lines["xc"]["alike_turned"] == []
