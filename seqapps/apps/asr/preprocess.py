"""Preprocess: clips become records that keep the wave, split so that no line is in two splits.

Split by text: recordings are grouped that share a normalised text, in either language, or a line of
a script; a hash of the group decides, so that a line lies on the same side in English and Spanish.
Split by speaker: whole voices are held out, and lines that a held-out voice says too are left out
of train. A split the user made is kept, with the same care. What widens training has no say in the
split; its lines that are held out elsewhere are left out.

Left out, and counted: what cannot be read, holds no sound or only silence, has no transcript or one
outside the alphabet, is too long, or is spoken faster or slower than people do.
"""

import hashlib
import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from seqapps.app import Item, Record, Skip, Split
from seqapps.apps.asr import ingest
from seqapps.apps.asr.data import audio, normaliser, phones
from seqapps.apps.asr.decode import language_model, word_model
from seqapps.apps.asr.nn import frontend
from seqapps.apps.asr.params import Params, Preprocess
from seqapps.artifacts import layout
from seqapps.config import UserError
from seqapps.kit import ngrams

SLOWEST, FASTEST = 3.0, 26.0
"""Characters a second; outside of it, transcript and sound hardly belong together."""

SHORT_WORDS_SECONDS = 1.5
"""A single word in a longer clip may well be slower than SLOWEST; up to here it may be."""

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
"""In the order in which a split that somebody made wins."""


def index(params: Params, raw: Path) -> Iterator[Item | Skip]:
    """Each recording, in the listing's order; `where` is (path, text, speaker, corpus).

    Raises:
        UserError: a split is empty.
    """
    entries = list(_usable(params, raw))
    assign = _by_speaker if params.preprocess.split_by == "speaker" else _by_text
    rows = [entry for entry in entries if isinstance(entry, dict)]
    placed = list(assign(params.preprocess, [row for row in rows if not row.get("widens")], raw))
    again = range(2, params.preprocess.own_repeats + 1)
    placed += [
        replace(item, key=f"{item.key}#{number}")
        for item in placed
        if isinstance(item, Item) and item.split == "train"
        for number in again
    ] + list(_widening([row for row in rows if row.get("widens")], placed))
    yield from (entry for entry in entries if isinstance(entry, Skip))
    counts = Counter(entry.split for entry in placed if isinstance(entry, Item))
    for split in SPLITS:
        if not counts[split]:
            raise UserError(
                f"{raw}: no recording fell into the {split} split ({dict(counts)}); bring more "
                "recordings, or raise preprocess.test_percent and validation_percent"
            )
    yield from placed


def assets(params: Params, items: Iterable[Item], out: Path) -> None:
    """Writes `assets.json` (language, alphabet, rate) and what comes of the train texts.

    That is `lm.npz` and `words.npz`, the language models of their characters and their words, and
    `phones.json`, how the words of the latter sound.
    """
    table = params.preprocess
    facts = {
        "language": params.ingest.language,
        "letters": normaliser.LETTERS[params.ingest.language],
        "sample_rate_hz": table.sample_rate_hz,
    }
    (out / "assets.json").write_text(json.dumps(facts, ensure_ascii=False, indent=1) + "\n")
    texts = sorted({item.where[1] for item in items})
    words = language_model.general_words(facts["language"], table.word_list_weight)
    characters = ngrams.fit(texts, facts["letters"], order=table.lm_order, words=words)
    characters.save(out / "lm.npz")
    general = word_model.general(facts["language"], words)
    word_model.fit(texts, facts["letters"], general).save(out / "words.npz")
    known = {*general.words, *(word for text in texts for word in text.split())}
    spellable = [word for word in known if set(word) <= set(facts["letters"])]
    phones.save(spellable, facts["language"], out)


def example(params: Params, assets: Path, item: Item) -> Record | Skip:
    """One record: the wave as a mono 16-bit WAV at `sample_rate_hz`, its text, speaker, corpus."""
    del assets
    path, transcript, speaker, corpus = item.where
    table = params.preprocess
    try:
        samples, rate_hz = audio.read(Path(path))
    except audio.Unreadable as error:
        return Skip(str(error), item.key)
    if reason := _refusal(samples, rate_hz, transcript, table):
        return Skip(reason, item.key)
    samples = audio.resample(samples, rate_hz, wanted_hz=table.sample_rate_hz)
    return {
        "wav": audio.wav(samples, table.sample_rate_hz),
        "text": transcript,
        "speaker": speaker,
        "corpus": corpus,
        "seconds": len(samples) / table.sample_rate_hz,
    }


def facts(assets: Path) -> dict[str, Any]:
    """Content of `assets.json`: language, letters, sample_rate_hz."""
    return json.loads((assets / "assets.json").read_text())


def groups(rows: Iterable[dict[str, Any]], raw: Path, language: str) -> dict[str, str]:
    """Key of each recording -> name of its leak group.

    A group is joined by equal normalised texts of one language and by lines of a script; its name
    is the least of its lines' names, whichever of them were recorded.
    """
    joined = _Joined()
    for script in ingest.scripts(raw):
        for spoken, written in script["texts"].items():
            if words := normaliser.normalise(written, spoken):
                joined.join(script["slot"], f"{spoken}:{words}")
    for row in rows:
        joined.join(row["key"], f"{language}:{row['normalised']}")
    return {row["key"]: joined.name(row["key"]) for row in rows}


class _Joined:
    """Sets that grow together (union-find); a set's name is its least member."""

    def __init__(self):
        self._above: dict[str, str] = {}

    def name(self, member: str) -> str:
        while (above := self._above.setdefault(member, member)) != member:
            self._above[member] = self._above[above]
            member = above
        return member

    def join(self, one: str, other: str) -> None:
        low, high = sorted((self.name(one), self.name(other)))
        self._above[high] = low


def _usable(params: Params, raw: Path) -> Iterator[dict[str, Any] | Skip]:
    language = params.ingest.language
    yield from ingest.left_out(raw)
    speaker_of: dict[str, str] = {}
    for row in ingest.clips(raw):
        words = normaliser.normalise(row["text"], language)
        if not os.path.isfile(row["path"]):  # where Path raises of a name that no file can have
            yield Skip("the sound file is missing", row["key"])
        elif not words:
            yield Skip("no transcript", row["key"])
        elif signs := normaliser.foreign(words, language):
            yield Skip(f"characters outside the alphabet: {signs}", row["key"])
        elif "sha256" in row and speaker_of.setdefault(row["sha256"], row["key"]) != row["key"]:
            yield Skip("the same sound under another name", row["key"])
        else:
            yield row | {"normalised": words}


def _by_text(table: Preprocess, rows: list[dict[str, Any]], raw: Path) -> Iterator[Item | Skip]:
    group_of = groups(rows, raw, _language(raw))
    split_of = _made_splits(rows, group_of)
    for row in rows:
        group = group_of[row["key"]]
        split = split_of.get(group) or _hashed(table, group)
        if row["split"] and row["split"] != split:
            yield Skip(f"the same line is in the {split} split", row["key"])
        else:
            yield _item(row, split, group=group)


def _by_speaker(table: Preprocess, rows: list[dict[str, Any]], raw: Path) -> Iterator[Item | Skip]:
    line_of = groups(rows, raw, _language(raw))
    split_of = _voices(table, rows)
    held_out = defaultdict(set)
    for row in rows:
        held_out[split_of[row["speaker"]]].add(line_of[row["key"]])
    for row in rows:
        split, line = split_of[row["speaker"]], line_of[row["key"]]
        stronger = {"train": ("validation", "test"), "validation": ("test",), "test": ()}[split]
        if any(line in held_out[other] for other in stronger):
            yield Skip("a held-out voice says the same line", row["key"])
        else:
            yield _item(row, split, group=row["speaker"])


def _widening(rows: list[dict[str, Any]], placed: list[Item | Skip]) -> Iterator[Item | Skip]:
    items = [entry for entry in placed if isinstance(entry, Item)]
    held_out = {item.where[1]: item.split for item in items if item.split != "train"}
    for row in rows:
        if split := held_out.get(row["normalised"]):
            yield Skip(f"the same line is in the {split} split", row["key"])
        else:
            yield _item(row, "train", group=f"widening:{row['normalised']}")


def _voices(table: Preprocess, rows: list[dict[str, Any]]) -> dict[str, Split]:
    """Speaker -> split: in the order of a hash, until test and validation have their share."""
    clips = Counter(row["speaker"] for row in rows)
    split_of: dict[str, Split] = {}
    filled = {"test": 0, "validation": 0}
    # The most frequent voice always trains: without it there is little to learn from.
    biggest = max(clips, key=lambda name: (clips[name], name))
    for speaker in sorted(clips, key=_number):
        wanted: dict[Split, int] = {
            "test": table.test_percent,
            "validation": table.validation_percent,
        }
        for split, percent in wanted.items():
            if speaker != biggest and filled[split] < percent / 100 * len(rows):
                split_of[speaker] = split
                filled[split] += clips[speaker]
                break
        else:
            split_of[speaker] = "train"
    return split_of


def _made_splits(rows: list[dict[str, Any]], group_of: dict[str, str]) -> dict[str, Split]:
    """Group -> the split somebody made for one of its recordings; test wins, then validation."""
    split_of: dict[str, Split] = {}
    for split in SPLITS:
        split_of |= {group_of[row["key"]]: split for row in rows if row["split"] == split}
    return split_of


def _hashed(table: Preprocess, group: str) -> Split:
    share = _number(group) % 1000 / 10
    if share < table.test_percent:
        return "test"
    return "validation" if share < table.test_percent + table.validation_percent else "train"


def _item(row: dict[str, Any], split: Split, *, group: str) -> Item:
    where = (str(row["path"]), row["normalised"], row["speaker"], row["corpus"])
    return Item(row["key"], split, group, where)


def _refusal(samples: np.ndarray, rate_hz: int, transcript: str, table: Preprocess) -> str | None:
    seconds = len(samples) / rate_hz
    if not len(samples):
        return "0 frames of sound"
    if np.abs(samples).max() < frontend.SILENCE:
        return "silence"
    if seconds > table.max_seconds:
        return f"longer than {table.max_seconds:g} s"
    rate = len(transcript) / seconds
    if rate > FASTEST or (rate < SLOWEST and seconds > SHORT_WORDS_SECONDS):
        return f"{'more' if rate > FASTEST else 'fewer'} characters a second than speech has"
    return None


def _language(raw: Path) -> str:
    return json.loads((raw / layout.MANIFEST).read_text())["language"]


def _number(name: str) -> int:
    return int(hashlib.sha256(name.encode()).hexdigest()[:15], 16)
