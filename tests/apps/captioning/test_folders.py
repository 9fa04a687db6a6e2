"""Folders of pictures in the layouts that users have."""

import json

import pytest

from seqapps.apps.captioning import folders
from seqapps.config import UserError


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
