import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from seqapps.app import Item, Skip
from seqapps.apps.captioning import encoders, fitted, images, preprocess
from seqapps.apps.captioning.params import Preprocess
from seqapps.config import UserError
from tests.apps.captioning.conftest import encoded, jpeg_turned, speckled


def params(**table):
    return SimpleNamespace(preprocess=Preprocess(seed=1, **table))


def raw(tmp_path, entries):
    lines = [
        {
            "key": f"k{n}",
            "image": f"k{n}.png",
            "twin": n,
            "split": None,
            "captions": [f"picture {n}"],
        }
        | entry
        for n, entry in enumerate(entries)
    ]
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return tmp_path


def test_same_captions_and_twins_share_a_group_through_one_another(tmp_path):
    entries = [{}, {"captions": ["Picture 0!"]}, {"twin": 1}, {}]
    items = list(preprocess.index(params(test_share=0.25), raw(tmp_path, entries)))
    assert [item.group for item in items] == ["k0", "k0", "k0", "k3"]
    assert len({item.split for item in items[:3]}) == 1


def test_five_folds_test_every_picture_once_and_leak_no_group(tmp_path):
    entries = [{"twin": n - n % 2} for n in range(60)]
    found = list(preprocess.index(params(folds=5), raw(tmp_path, entries)))
    tested = [item.key for item in found if item.split == "test"]
    assert sorted(tested) == sorted(f"k{n}" for n in range(60))
    for fold in {item.fold for item in found}:
        splits = {}
        for item in (item for item in found if item.fold == fold):
            assert splits.setdefault(item.group, item.split) == item.split
        assert set(splits.values()) == {"train", "validation", "test"}


def widened(entries):
    """The entries, each drawn again; k0 and k1 look the same once turned."""
    swapped = {"k0": ["k1"], "k1": ["k0"]}
    marked = [
        entry | {"alike": [f"k{n}"], "alike_turned": swapped.get(f"k{n}", [])}
        for n, entry in enumerate(entries)
    ]
    captions = [entry.get("captions", [f"picture {n}"]) for n, entry in enumerate(entries)]
    return marked + [
        entry | {"key": f"k{n}~again", "widens": f"k{n}", "captions": captions[n]}
        for n, entry in enumerate(marked)
    ]


def by_place(found):
    return {(item.fold, item.key): item.split for item in found if isinstance(item, Item)}


def test_further_drawings_train_with_their_flag_and_change_no_split(tmp_path):
    entries = [{} for _ in range(20)]
    alone = by_place(preprocess.index(params(folds=5), raw(tmp_path, entries)))
    beside = by_place(preprocess.index(params(folds=5), raw(tmp_path, widened(entries))))
    again = {place: split for place, split in beside.items() if place not in alone}
    assert {place: split for place, split in beside.items() if place in alone} == alone
    trained = {place for place, split in alone.items() if split == "train"}
    assert {(fold, key.removesuffix("~again")) for fold, key in again} == trained
    assert set(again.values()) == {"train"}


def test_turned_bands_train_with_turned_words(tmp_path):
    entries = [{"captions": ["two equal vertical bands of red (hoist side) and white"]}]
    entries += [{} for _ in range(9)]
    table = params(turn_bands=True, folds=5)
    found = list(preprocess.index(table, raw(tmp_path, widened(entries))))
    again = [item for item in found if isinstance(item, Item) and item.key.endswith("~turned")]
    assert {item.key for item in again} == {"k0~turned", "k0~again~turned"}
    assert {item.split for item in again} == {"train"}
    words_said = {caption for item in again for caption in item.where.captions}
    assert words_said == {"two equal horizontal bands of red top and white"}
    splits = by_place(found)
    held_out = {fold for (fold, key), split in splits.items() if key == "k1" and split != "train"}
    assert held_out and not held_out & {item.fold for item in again}
    reasons = {entry.reason for entry in found if isinstance(entry, Skip)}
    assert reasons == {"widening: looks or reads like a held-out flag"}


def test_turned_bands_that_read_like_a_held_out_flag_do_not_train(tmp_path):
    both = [["two bands, vertical, of red and white"], ["two bands horizontal of red and white"]]
    entries = [{"captions": captions} for captions in both] + [{} for _ in range(8)]
    entries = [entry | {"alike_turned": [], "alike": []} for entry in entries]
    found = by_place(preprocess.index(params(turn_bands=True, folds=5), raw(tmp_path, entries)))
    for (fold, key), split in found.items():
        if key == "k1":
            own = found[fold, "k0"] == "train"
            assert ((fold, "k0~turned") in found) == (own and split == "train")


def test_captions_that_are_no_description_are_counted(tmp_path):
    entries = [{"captions": ["the flag of France is used; it is old"]}, {}, {}, {}]
    table = params(leave_out="^the flag of .* is used", caption="first_clause")
    first = next(iter(preprocess.index(table, raw(tmp_path, entries))))
    assert first == Skip("caption matches preprocess.leave_out", "k0")


def test_a_group_across_the_official_split_keeps_to_the_test_side(tmp_path):
    entries = [{"split": s} for s in ("train", "test", "validation", "train", None)]
    entries[3]["captions"] = ["picture 1"]
    found = list(preprocess.index(params(), raw(tmp_path, entries)))
    assert [entry.split for entry in found if isinstance(entry, Item)] == [
        "train", "test", "validation",
    ]  # fmt: skip
    assert [(s.reason, s.key) for s in found if isinstance(s, Skip)] == [
        ("train: a twin or the same caption lies in test", "k3"),
        ("picture is in none of the split lists", "k4"),
    ]


def test_split_lists_without_a_test_part_are_refused(tmp_path):
    with pytest.raises(UserError, match="wanted train and test at least"):
        list(preprocess.index(params(), raw(tmp_path, [{"split": "train"}])))


def test_the_vocabulary_is_the_train_captions_most_frequent_first(tmp_path):
    items = [Item("a", "train", "a", ("a.png", ("red red star", "a star red"))), Item(
        "b", "train", "b", ("b.png", ("blue star",)))]  # fmt: skip
    preprocess.assets(params(min_count=2), items, tmp_path)
    assert fitted.vocabulary(tmp_path)[4:] == ["red", "star"]
    assert fitted.facts(tmp_path)["max_words"] == 3


def test_what_widens_training_has_no_say_in_the_vocabulary(tmp_path):
    items = [
        Item("a", "train", "a", preprocess.Where("a.png", ("red star",))),
        Item("b", "train", "b", preprocess.Where("b.png", ("blue star star",), widens=True)),
    ]
    preprocess.assets(params(), items, tmp_path)
    assert fitted.vocabulary(tmp_path)[4:] == ["red", "star"]
    assert fitted.facts(tmp_path)["train_pictures"] == 2


def test_a_record_holds_every_reference_as_numbers_and_the_pixels_of_the_graph(assets, tmp_path):
    content = encoded(speckled(5))
    (tmp_path / "p.png").write_bytes(content)
    item = Item("p", "train", "p", (str(tmp_path / "p.png"), ("Red with a cross", "a sun")))
    record = preprocess.example(params(), assets, item)
    assert record["words"].tolist() == [[1, 4, 8, 5, 7, 2, 0], [1, 5, 3, 2, 0, 0, 0]]
    assert record["captions"] == "red with a cross\na sun"
    assert record["image"] == content
    pixels = np.frombuffer(record["view"], np.uint8).reshape(32, 48, 3)
    assert (pixels == encoders.view(content, 32, width=48).numpy()).all()


def test_a_broken_picture_is_a_named_skip(assets, tmp_path):
    (tmp_path / "p.png").write_bytes(encoded(speckled(5))[:60])
    item = Item("p", "train", "p", (str(tmp_path / "p.png"), ("x",)))
    assert preprocess.example(params(), assets, item) == Skip("damaged image", "p")


def test_a_picture_that_only_the_graph_cannot_decode_is_a_named_skip(assets, tmp_path):
    content = bytearray(encoded(speckled(5)))
    content[content.index(b"IEND") - 5] ^= 1  # the checksum of the pixels, which Pillow passes over
    images.decodable(bytes(content))
    (tmp_path / "p.png").write_bytes(content)
    item = Item("p", "train", "p", (str(tmp_path / "p.png"), ("x",)))
    assert preprocess.example(params(), assets, item) == Skip("damaged image", "p")


def test_a_picture_that_is_gone_is_a_named_skip(assets, tmp_path):
    item = Item("p", "train", "p", (str(tmp_path / "gone.png"), ("x",)))
    skip = preprocess.example(params(), assets, item)
    assert skip == Skip("gone.png cannot be read: No such file or directory", "p")


def test_a_turned_photograph_is_upright_before_its_axes_are_swapped(assets, tmp_path):
    (tmp_path / "p.jpg").write_bytes(jpeg_turned(6, speckled(5)))
    where = preprocess.Where(str(tmp_path / "p.jpg"), ("x",), turned=True)
    record = preprocess.example(params(), assets, Item("p", "train", "p", where))
    upright = speckled(5).rotate(-90, expand=True)
    wanted = upright.transpose(Image.Transpose.TRANSPOSE).resize(
        (48, 32), Image.Resampling.BILINEAR
    )
    view = np.frombuffer(record["view"], np.uint8).reshape(32, 48, 3)
    assert np.abs(np.asarray(wanted, float) - view).mean() < 6
