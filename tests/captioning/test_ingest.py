import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from seqapps.app import UserError
from seqapps.captioning import folders, images, ingest
from seqapps.captioning.params import Ingest
from tests.captioning.conftest import encoded, speckled


def taken(folder, tmp_path, **table):
    out = tmp_path / "out"
    out.mkdir()
    params = SimpleNamespace(ingest=Ingest(source="user", folder=str(folder), **table))
    counts = ingest.ingest(params, out)
    lines = (out / "captions.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines], counts


@pytest.fixture
def mine(tmp_path):
    """A folder with pictures a.png, b.png, c.png."""
    folder = tmp_path / "mine"
    (folder / "Images").mkdir(parents=True)
    for seed, name in enumerate("abc"):
        (folder / f"Images/{name}.png").write_bytes(encoded(speckled(seed)))
    return folder


def test_flickr8k_captions_with_commas_and_a_byte_order_mark(mine):
    text = '\ufeffimage,caption\na.png,"A dog, running ."\na.png,A dog, unquoted\nb.png,A cat\n'
    (mine / "captions.txt").write_text(text)
    first, second = folders.read(mine)
    assert first.captions == ("A dog, running .", "A dog, unquoted")
    assert (second.key, second.captions, second.split) == ("b.png", ("A cat",), None)


def test_flickr8k_official_lists_give_the_split(mine):
    (mine / "Flickr8k.token.txt").write_text("a.png#0\tA dog\na.png#1\tA hound\nb.png#0\tA cat\n")
    (mine / "Flickr_8k.trainImages.txt").write_text("a.png\n")
    (mine / "Flickr_8k.testImages.txt").write_text("b.png\n")
    first, second = folders.read(mine)
    assert (first.captions, first.split) == (("A dog", "A hound"), "train")
    assert second.split == "test"


def test_flickr30k_results_keep_bars_in_captions(mine):
    text = "image_name| comment_number| comment\na.png| 0| A dog .\na.png| 1| One | two\n"
    (mine / "results.csv").write_text(text)
    [entry] = folders.read(mine)
    assert entry.captions == ("A dog .", "One | two")


def test_coco_train_and_val_are_train_and_test(mine):
    (mine / "annotations").mkdir()
    for part, name, number in (("train2017", "a.png", 7), ("val2017", "b.png", 9)):
        content = {
            "images": [{"id": number, "file_name": name}],
            "annotations": [{"image_id": number, "caption": f"in {part}"}] * 2,
        }
        (mine / f"annotations/captions_{part}.json").write_text(json.dumps(content))
    first, second = folders.read(mine)
    assert (first.key, first.split, len(first.captions)) == ("a.png", "train", 2)
    assert (second.key, second.split) == ("b.png", "test")


def test_karpathys_split_wins_over_coco_and_restval_is_train(mine):
    entries = [
        {"filename": f"{name}.png", "split": split, "sentences": [{"raw": "A dog."}]}
        for name, split in (("a", "restval"), ("b", "val"), ("c", "test"))
    ]
    (mine / "dataset_coco.json").write_text(json.dumps({"images": entries}))
    (mine / "captions_val2014.json").write_text("{}")
    assert [entry.split for entry in folders.read(mine)] == ["train", "validation", "test"]


def test_a_folder_of_no_known_layout_is_refused_with_what_is_wanted(mine):
    with pytest.raises(UserError, match="no caption file; wanted one of .*results.csv"):
        folders.read(mine)


def test_a_line_without_a_caption_is_named(mine):
    (mine / "captions.txt").write_text("image,caption\na.png,\n")
    with pytest.raises(UserError, match="captions.txt line 2: wanted a picture's name"):
        folders.read(mine)


def test_missing_empty_and_cut_pictures_are_named_and_twins_found(mine, tmp_path):
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
    assert [entry["problem"] for entry in entries[3:]] == [
        "image file is missing",
        "empty image file",
        "damaged image",
        "not an image",
    ]
    assert (counts["pictures"], counts["twins"]) == (7, 1)


def test_webp_and_turned_jpeg_become_upright_png_and_others_stay_as_they_are():
    picture = speckled(3, (30, 20))
    plain = encoded(picture)
    assert images.upright(plain) is plain
    webp = images.upright(encoded(picture, "WEBP", lossless=True))
    assert webp[1:4] == b"PNG"
    exif = Image.Exif()
    exif[images.ORIENTATION] = 6  # the camera was held a quarter turn to the left
    turned = Image.open(
        io.BytesIO(images.upright(encoded(picture, "JPEG", exif=exif, quality=95, subsampling=0)))
    )
    assert turned.size == (20, 30)
    wanted = np.asarray(picture.rotate(-90, expand=True), float)
    assert np.abs(np.asarray(turned, float) - wanted).mean() < 12


def test_a_clear_picture_counts_as_white():
    clear = Image.new("RGBA", (16, 16), (255, 0, 0, 0))
    assert images.thumbnail(encoded(clear)) == pytest.approx(1.0)


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
    params = SimpleNamespace(ingest=Ingest(widened_by=("svg_country_flags",)))
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


def test_a_turned_picture_has_on_the_left_what_was_on_top():
    turned = Image.open(io.BytesIO(images.turned(encoded(speckled(4)))))
    wanted = np.asarray(speckled(4)).transpose(1, 0, 2)
    assert (np.asarray(turned.convert("RGB")) == wanted).all()


def test_only_flags_are_drawn_again():
    with pytest.raises(ValueError, match='set source = "flags"'):
        Ingest(source="tuxpaint", widened_by=("svg_country_flags",))
