"""Folders of pictures in the layouts that users have."""

import json
import random

import pytest

from seqapps.apps.captioning import folders
from seqapps.config import UserError
from tests.apps.captioning.conftest import encoded, speckled
from tests.mutations import TRIES, mutated


def captions(folder):
    return {entry.key: entry.captions for entry in folders.read(folder).entries}


def left_out(folder):
    return {skip.key: skip.reason for skip in folders.read(folder).skips}


def coco(folder, part, images, annotations):
    folder.mkdir(exist_ok=True)
    content = {"images": images, "annotations": annotations}
    (folder / f"captions_{part}.json").write_text(json.dumps(content))


def karpathy(folder, entries):
    (folder / "dataset_mine.json").write_text(json.dumps({"images": entries}))


def test_flickr8k_captions_with_commas_and_a_byte_order_mark(mine):
    text = '\ufeffimage,caption\na.png,"A dog, running ."\na.png,A dog, unquoted\nb.png,A cat\n'
    (mine / "captions.txt").write_text(text)
    first, second = folders.read(mine).entries
    assert first.captions == ("A dog, running .", "A dog, unquoted")
    assert (second.key, second.captions, second.split) == ("b.png", ("A cat",), None)


def test_flickr8k_official_lists_give_the_split(mine):
    (mine / "Flickr8k.token.txt").write_text("a.png#0\tA dog\na.png#1\tA hound\nb.png#0\tA cat\n")
    (mine / "Flickr_8k.trainImages.txt").write_text("a.png\n")
    (mine / "Flickr_8k.testImages.txt").write_text("b.png\n")
    first, second = folders.read(mine).entries
    assert (first.captions, first.split) == (("A dog", "A hound"), "train")
    assert second.split == "test"


def test_flickr30k_results_keep_bars_in_captions(mine):
    text = "image_name| comment_number| comment\na.png| 0| A dog .\na.png| 1| One | two\n"
    (mine / "results.csv").write_text(text)
    assert captions(mine) == {"a.png": ("A dog .", "One | two")}


def test_a_flickr30k_row_without_its_second_bar_is_read(mine):
    text = "image_name| comment_number| comment\na.png| 4   A dog runs .\nb.png| 0| 2 cats\n"
    (mine / "results.csv").write_text(text)
    assert captions(mine) == {"a.png": ("A dog runs .",), "b.png": ("2 cats",)}


def test_coco_train_and_val_are_train_and_test(mine):
    for part, name, number in (("train2017", "a.png", 7), ("val2017", "b.png", 9)):
        notes = [{"image_id": number, "caption": f"in {part}"}] * 2
        coco(mine / "annotations", part, [{"id": number, "file_name": name}], notes)
    first, second = folders.read(mine).entries
    assert (first.key, first.split, len(first.captions)) == ("a.png", "train", 2)
    assert (second.key, second.split) == ("b.png", "test")


def test_a_coco_annotation_or_image_that_lacks_a_part_is_left_out(mine):
    images = [{"id": 1, "file_name": "a.png"}, {"id": 2}, {"file_name": "b.png"}, [], None]
    notes = [{"image_id": 1}, {"image_id": 1, "caption": None}, {"image_id": 2, "caption": "x"}]
    notes += [{"caption": "y"}, {"image_id": [1], "caption": "z"}, 7]
    coco(mine, "val2017", images, [*notes, {"image_id": 1, "caption": "A dog"}])
    assert captions(mine) == {"a.png": ("A dog",)}
    skips = left_out(mine)
    assert [skips[f"captions_val2017.json image {n}"] for n in (1, 2, 3, 4)] == [
        "no file_name and id"
    ] * 4
    missing, unknown = "no picture's name and caption", "the image_id of no image, or of two"
    assert [skips[f"captions_val2017.json annotation {n}"] for n in range(6)] == [
        missing, missing, unknown, unknown, unknown, unknown,
    ]  # fmt: skip


def test_captions_of_an_id_that_two_images_have_are_left_out(mine):
    images = [{"id": 1, "file_name": "a.png"}, {"id": 1, "file_name": "b.png"}]
    images += [{"id": 2, "file_name": "c.png"}]
    notes = [{"image_id": n, "caption": f"of {n}"} for n in (1, 2)]
    coco(mine, "train2017", images, notes)
    assert captions(mine) == {"c.png": ("of 2",)}


@pytest.mark.parametrize("content", ["[]", "7", "", "{", '{"images": 3}', "[" * 99999, "null"])
def test_json_of_another_kind_is_refused_in_words(mine, content):
    (mine / "captions_val2017.json").write_text(content)
    with pytest.raises(UserError, match=r"captions_val2017.json: no JSON"):
        folders.read(mine)


def test_karpathys_split_wins_over_coco_and_restval_is_train(mine):
    karpathy(mine, [
        {"filename": f"{name}.png", "split": split, "sentences": [{"raw": "A dog."}]}
        for name, split in (("a", "restval"), ("b", "val"), ("c", "test"))
    ])  # fmt: skip
    (mine / "captions_val2014.json").write_text("{}")
    assert [entry.split for entry in folders.read(mine).entries] == ["train", "validation", "test"]


def test_a_karpathy_entry_that_lacks_a_part_is_left_out(mine):
    whole = {"filename": "a.png", "split": "train", "sentences": [{"raw": "A dog."}, {}, 3]}
    without = [{k: v for k, v in whole.items() if k != key} for key in whole]
    karpathy(mine, [whole, *without, whole | {"split": ["train"]}, None])
    assert captions(mine) == {"a.png": ("A dog.",)}
    assert {f"dataset_mine.json image {n}" for n in range(6)} <= set(left_out(mine))


def test_a_file_called_dataset_that_holds_no_captions_is_passed_over(mine):
    (mine / "dataset-metadata.json").write_text('{"title": "Flickr 8k"}')
    (mine / "captions.txt").write_text("image,caption\na.png,A dog\n")
    assert captions(mine) == {"a.png": ("A dog",)}
    assert left_out(mine)["dataset-metadata.json"] == "no JSON object with a list 'images'"


def test_a_folder_of_no_known_layout_is_refused_with_what_is_wanted(mine):
    with pytest.raises(UserError, match="no caption file; wanted one of .*results.csv"):
        folders.read(mine)


@pytest.mark.parametrize("text", ["", "\n\n", "image,caption\n"])
@pytest.mark.parametrize("name", ["captions.txt", "results.csv", "Flickr8k.token.txt"])
def test_a_caption_file_without_rows_is_refused_in_words(mine, name, text):
    (mine / name).write_text(text)
    with pytest.raises(UserError, match=f"no caption of a picture in {name}"):
        folders.read(mine)


def test_a_line_without_a_caption_is_named_and_the_others_stay(mine):
    (mine / "captions.txt").write_text("image,caption\na.png,\nb.png,A cat\n,A dog\n")
    assert captions(mine) == {"b.png": ("A cat",)}
    skips = left_out(mine)
    assert skips["captions.txt line 2"] == skips["captions.txt line 4"]
    assert skips["captions.txt line 2"] == "no picture's name and caption"


@pytest.mark.parametrize(
    ("name", "text"),
    [("captions.txt", "a.png,A dog\nb.png,A cat\n"),
     ("results.csv", "a.png| 0| A dog\nb.png| 0| A cat\n")],
)  # fmt: skip
def test_a_missing_header_costs_no_row(mine, name, text):
    (mine / name).write_text(text)
    assert captions(mine) == {"a.png": ("A dog",), "b.png": ("A cat",)}


def test_the_column_of_the_comments_number_is_no_part_of_the_caption(mine):
    text = "image_name,comment_number,comment\na.png,0,A dog, running\nb.png,1,A cat\n"
    (mine / "captions.txt").write_text(text)
    assert captions(mine) == {"a.png": ("A dog, running",), "b.png": ("A cat",)}


def test_a_header_of_other_columns_takes_nothing_from_the_captions(mine):
    (mine / "captions.txt").write_text("image,caption,\na.png,A dog, running\n")
    assert captions(mine) == {"a.png": ("A dog, running",)}


def test_an_unbalanced_quotation_mark_ends_with_its_row(mine):
    text = 'image,caption\na.png,"A dog\nb.png,A 5" pipe\nc.png,"One ""two"" three"\n'
    (mine / "captions.txt").write_text(text)
    wanted = {"a.png": ("A dog",), "b.png": ('A 5" pipe',), "c.png": ('One "two" three',)}
    assert captions(mine) == wanted


def test_a_quoted_caption_goes_on_in_the_next_line(mine):
    (mine / "captions.txt").write_text('image,caption\na.png,"A dog\nruns"\nb.png,A cat\n')
    assert captions(mine) == {"a.png": ("A dog runs",), "b.png": ("A cat",)}


def test_lines_after_a_quotation_mark_that_is_never_closed_are_named(mine):
    (mine / "captions.txt").write_text('a.png,"A dog\nnotes, more\nb.png,A cat\n')
    assert captions(mine) == {"a.png": ("A dog",), "b.png": ("A cat",)}
    assert "captions.txt line 2" in left_out(mine)


def test_a_field_longer_than_the_csv_readers_limit_is_named(mine):
    (mine / "captions.txt").write_text(f"a.png,A dog\nb.png,{'x' * 140_000}\n")
    assert captions(mine) == {"a.png": ("A dog",)}
    assert "field larger" in left_out(mine)["captions.txt line 2"]


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig"])
def test_other_encodings_are_read_and_said(mine, encoding, capsys):
    text = "image,caption\r\na.png,Ein Hündchen läuft\r\n"
    (mine / "captions.txt").write_bytes(text.encode(encoding))
    assert captions(mine) == {"a.png": ("Ein Hündchen läuft",)}
    assert ("no UTF-8" in capsys.readouterr().out) == (encoding != "utf-8-sig")


def test_pictures_without_captions_and_captions_without_pictures_are_named(mine):
    (mine / "captions.txt").write_text("a.png,A dog\ngone.png,A cat\n../../x.png,A\n")
    assert captions(mine) == {"a.png": ("A dog",)}
    assert left_out(mine) == {
        "gone.png": "image file is missing",
        "../../x.png": "image file is missing",
        "Images/b.png": "picture without a caption",
        "Images/c.png": "picture without a caption",
    }


def test_a_name_that_two_pictures_have_needs_its_folder(mine):
    for folder in ("train", "val"):
        (mine / folder).mkdir()
        for name in ("1.png", "2.png"):
            (mine / folder / name).write_bytes(encoded(speckled(1)))
    (mine / "captions.txt").write_text("1.png,A dog\ntrain/2.png,A cat\nval/2.png,A cow\n")
    entries = folders.read(mine).entries
    assert [entry.image.relative_to(mine).as_posix() for entry in entries] == [
        "train/2.png", "val/2.png",
    ]  # fmt: skip
    assert left_out(mine)["1.png"] == "more than one picture has this name"


def test_all_caption_files_of_a_folder_are_read(mine):
    for name, row in (("train", "a.png,A dog\n"), ("test", "b.png,A cat\n")):
        (mine / name).mkdir()
        (mine / name / "captions.txt").write_text(row)
    assert captions(mine) == {"b.png": ("A cat",), "a.png": ("A dog",)}


def test_rows_of_caption_files_of_one_name_are_told_apart(mine):
    for name in ("train", "test"):
        (mine / name).mkdir()
        (mine / name / "captions.txt").write_text("a.png,A dog\nb.png,\n")
    reason = "no picture's name and caption"
    assert left_out(mine)["train/captions.txt line 2"] == reason
    assert left_out(mine)["test/captions.txt line 2"] == reason


def test_a_picture_in_two_parts_of_the_split_stays_in_the_first(mine):
    note = [{"image_id": 1, "caption": "A dog"}]
    for part in ("train2017", "val2017"):
        coco(mine, part, [{"id": 1, "file_name": "a.png"}], note)
    [entry] = folders.read(mine).entries
    assert (entry.split, len(entry.captions)) == ("train", 1)
    assert "captions_val2017.json annotation 0" in left_out(mine)


def test_halves_of_utf_16_pairs_in_json_are_replaced(mine):
    note = [{"image_id": 1, "caption": "A \ud83d dog"}]
    coco(mine, "train2017", [{"id": 1, "file_name": "a.png"}], note)
    assert captions(mine) == {"a.png": ("A ? dog",)}


NAMES, TEXTS = ("a.png", "b.png", "c.png"), ("eins rot", "zwei blau", "drei grün")


def layout_files():
    """A small file of each layout: the picture `x.png` of row n has TEXTS[n] and no other."""
    rows = [*zip(NAMES, TEXTS, strict=True)]
    images = [{"id": n, "file_name": name} for n, name in enumerate(NAMES)]
    notes = [{"image_id": n, "caption": text} for n, text in enumerate(TEXTS)]
    sentences = [
        {"filename": name, "split": "train", "sentences": [{"raw": text}]} for name, text in rows
    ]
    return {
        "captions.txt": "image,caption\n" + "".join(f'{n},"{t}"\n' for n, t in rows),
        "results.csv": "image| number| comment\n" + "".join(f"{n}| 0| {t}\n" for n, t in rows),
        "Flickr8k.token.txt": "".join(f"{n}#0\t{t}\n" for n, t in rows),
        "captions_train2017.json": json.dumps({"images": images, "annotations": notes}, indent=0),
        "dataset_mine.json": json.dumps({"images": sentences}, indent=0),
    }


@pytest.mark.parametrize("name", layout_files())
def test_no_change_of_a_caption_file_is_a_defect_or_moves_a_caption(mine, name):
    rng = random.Random(name)
    content = layout_files()[name]
    for _ in range(TRIES):
        changed = mutated(content.encode(), rng)
        (mine / name).write_bytes(changed)
        try:
            entries = folders.read(mine).entries
        except UserError:
            continue
        whole = {line.encode() for line in content.split("\n")} & {*changed.split(b"\n")}
        for entry in entries:
            for text in {*entry.captions} & {*TEXTS} - {TEXTS[NAMES.index(entry.key)]}:
                # Only the changed row of another picture may say it, so its own is not there.
                rows = [line for line in whole if text.encode() in line]
                assert not rows or changed.count(text.encode()) > 1 or name.endswith(".json")
