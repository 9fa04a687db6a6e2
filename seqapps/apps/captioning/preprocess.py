"""Preprocess: the split, the vocabulary of the train captions, one record per picture.

Leak groups: pictures that share a caption, word for word, or look alike (see `images.twins`), and
whatever hangs together through them. Where a source brings its own split and a group lies in
several parts of it, the part most in need of protection keeps it (test before validation before
train) and the others' members are left out, counted.

Further drawings (`ingest.extra_train_images`) train where their flag trains, and have no say in the
split and the vocabulary; one that looks like a held-out flag is left out. Nor has a picture of
bands that comes a second time with its rows and columns swapped (`turn_bands`).

Axis letters: R references, W words of a row, N cells of the grid, C channels.
"""

import json
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seqapps.app import Item, Record, Skip, Split
from seqapps.apps.captioning import encoders, fitted, images
from seqapps.apps.captioning.clauses import first_clause, turned
from seqapps.apps.captioning.params import Params, Preprocess
from seqapps.config import UserError
from seqapps.kit import files, text
from seqapps.kit.text import tokenize

Entry = dict[str, Any]
"""A line of the raw listing: key, image, captions, split, twin."""

PROTECTED = ("test", "validation", "train")


class Where(NamedTuple):
    """The content of an item: a picture and its captions.

    `widens`: it only trains, and its words are not counted; `turned`: rows and columns are swapped.
    """

    path: str
    captions: tuple[str, ...]
    widens: bool = False
    turned: bool = False


def index(params: Params, raw: Path) -> Iterator[Item | Skip]:
    """Each picture of each fold, and what trains beside it; `where` is a `Where`."""
    table = params.preprocess
    entries: list[Entry] = []
    further: list[Entry] = []
    for entry in _usable(table, raw):
        if isinstance(entry, Skip):
            yield entry
        else:
            (further if "widens" in entry else entries).append(entry)
    if not entries:
        return
    groups = _groups(entries)
    assign = _by_list if any(entry["split"] for entry in entries) else _by_share
    placed = list(assign(table, entries, groups))
    yield from placed
    items = [item for item in placed if isinstance(item, Item)]
    yield from _widening([*entries, *further], items, turn_bands=table.turn_bands)


def assets(params: Params, items: Iterable[Item], out: Path) -> None:
    """Writes `vocabulary.json` and `facts.json`, and the weights of an encoder that is not small.

    The vocabulary holds the special words and the train captions' words, most frequent first.
    """
    table = params.preprocess
    counts: Counter[str] = Counter()
    longest = pictures = 0
    for item in items:
        pictures += 1
        where = Where(*item.where)
        for caption in () if where.widens else where.captions:
            tokens = tokenize(caption)
            counts.update(tokens)
            longest = max(longest, len(tokens))
    vocabulary = text.vocabulary(counts, min_count=table.min_count)
    fitted.write_json(out / fitted.VOCABULARY, vocabulary)
    facts = {
        "encoder": table.encoder,
        "image_height": table.image_height,
        "image_width": table.image_width,
        "max_words": min(longest, table.max_words),
        "train_pictures": pictures,
    }
    fitted.write_json(out / fitted.FACTS, facts)
    if table.encoder != "small":
        encoders.save_pretrained(table, out)


def example(params: Params, assets: Path, item: Item) -> Record | Skip:
    """One record: the picture's bytes, the input of the encoder, and the references."""
    path, captions, _, turns = Where(*item.where)
    try:
        content = files.content(Path(path), name=Path(path).name)
        content = images.turned(content) if turns else images.decodable(content)
        view, cells = encoders.cached(assets, content)
    except (images.Refused, UserError) as refused:
        return Skip(str(refused), item.key)
    longest = fitted.facts(assets)["max_words"]
    numbers = {word: number for number, word in enumerate(fitted.vocabulary(assets))}
    tokens = [tokenize(caption) for caption in captions]
    rows = [text.encode(caption, numbers, max_words=longest) for caption in tokens]
    return {
        "image": content,
        "view": view,
        "cells": cells,
        "captions": "\n".join(map(" ".join, tokens)),
        "words": np.array(rows, np.int64),
    }


def _usable(table: Preprocess, raw: Path) -> Iterator[dict[str, Any] | Skip]:
    with (raw / "captions.jsonl").open(encoding="utf-8") as file:
        for line in file:
            entry = json.loads(line)
            if "problem" in entry:
                yield Skip(entry["problem"], entry["key"])
                continue
            cut = first_clause if table.caption == "first_clause" else str.strip
            captions = [cut(caption) for caption in entry["captions"]]
            kept = [c for c in captions if tokenize(c) and not _left_out(table, c)]
            if kept:
                yield entry | {"captions": kept, "image": str(raw / entry["image"])}
            else:
                matched = any(_left_out(table, caption) for caption in captions)
                reason = "caption matches preprocess.leave_out" if matched else "empty caption"
                yield Skip(reason, entry["key"])


def _left_out(table: Preprocess, caption: str) -> bool:
    return bool(table.leave_out) and re.search(table.leave_out, caption) is not None


def _groups(entries: list[Entry]) -> list[str]:
    """For each entry the key of the first one in its leak group."""
    firsts: dict[Any, int] = {}
    pairs = [
        (firsts.setdefault(mark, number), number)
        for number, entry in enumerate(entries)
        for mark in [entry["twin"], *(_normal(c) for c in entry["captions"])]
    ]
    return [entries[root]["key"] for root in images.components(len(entries), pairs)]


def _by_share(table: Preprocess, entries: list[Entry], groups: list[str]) -> Iterator[Item]:
    """Slices of the shuffled groups: fold n tests the n-th slice and validates on what follows."""
    order = sorted(set(groups))
    random.Random(table.seed).shuffle(order)
    sizes = Counter(groups)
    passed, assign = 0, {}
    for group in order:
        assign[group] = (passed + sizes[group] / 2) / len(groups)
        passed += sizes[group]
    for fold in range(table.folds):
        name = "all" if table.folds == 1 else f"{fold + 1}of{table.folds}"
        for entry, group in zip(entries, groups, strict=True):
            ahead = (assign[group] - fold * table.test_share) % 1
            held = ahead < table.test_share + table.validation_share
            split = ("test" if ahead < table.test_share else "validation") if held else "train"
            yield _item(entry, split, group=group, fold=name)


def _by_list(table: Preprocess, entries: list[Entry], groups: list[str]) -> Iterator[Item | Skip]:
    """The source's own split, without the members of a group that straddles it."""
    present = {entry["split"] for entry in entries}
    if not {"train", "test"} <= present:
        raise UserError(
            f"the split lists name {sorted(filter(None, present))}; wanted train and test at least"
        )
    carved = set()
    if "validation" not in present:
        listed = zip(entries, groups, strict=True)
        order = sorted({group for entry, group in listed if entry["split"] == "train"})
        random.Random(table.seed).shuffle(order)
        carved = set(order[: max(1, round(table.validation_share * len(order)))])
    splits: list[Split | None] = [
        "validation" if entry["split"] == "train" and group in carved else entry["split"]
        for entry, group in zip(entries, groups, strict=True)
    ]
    keeper: dict[str, Split] = {}
    for group, split in zip(groups, splits, strict=True):
        if split:
            pair: tuple[Split, Split] = (split, keeper.get(group, split))
            keeper[group] = min(pair, key=PROTECTED.index)
    for entry, group, split in zip(entries, groups, splits, strict=True):
        if not split:
            yield Skip("picture is in none of the split lists", entry["key"])
        elif split != keeper[group]:
            yield Skip(f"{split}: a twin or the same caption lies in {keeper[group]}", entry["key"])
        else:
            yield _item(entry, split, group=group, fold="all")


def _widening(
    entries: list[Entry], placed: list[Item], *, turn_bands: bool
) -> Iterator[Item | Skip]:
    """Further train items: other drawings of the same flags, and bands turned."""
    drawings = defaultdict(list)
    for entry in entries:
        drawings[entry.get("widens", entry["key"])].append(entry)
    held_out = defaultdict(set)
    for item in placed:
        if item.split != "train":
            held_out[item.fold] |= {item.key, *map(_normal, Where(*item.where).captions)}
    for item in placed:
        for entry in drawings[item.key] if item.split == "train" else ():
            if "widens" in entry:
                where = Where(entry["image"], Where(*item.where).captions, widens=True)
                again = replace(item, key=entry["key"], where=where)
                yield _unlike(again, entry["alike"], held_out[item.fold])
            captions = tuple(filter(None, map(turned, entry["captions"])))
            if turn_bands and captions:
                where = Where(entry["image"], captions, widens=True, turned=True)
                again = replace(item, key=f"{entry['key']}~turned", where=where)
                yield _unlike(again, entry["alike_turned"], held_out[item.fold])


def _unlike(item: Item, alike: list[str], held_out: set[Any]) -> Item | Skip:
    if held_out.isdisjoint([*alike, *map(_normal, Where(*item.where).captions)]):
        return item
    return Skip("widening: looks or reads like a held-out flag", f"{item.key} in {item.fold}")


def _normal(caption: str) -> tuple[str, ...]:
    return tuple(tokenize(caption))


def _item(entry: dict[str, Any], split: Split, *, group: str, fold: str) -> Item:
    where = Where(entry["image"], tuple(entry["captions"]))
    return Item(entry["key"], split, group, where, fold)
