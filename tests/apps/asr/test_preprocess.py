"""Splits that do not leak, and clips that are refused."""

from collections import Counter

import numpy as np
import pytest

from seqapps import config
from seqapps.app import Item, Skip
from seqapps.apps.asr import preprocess
from seqapps.apps.asr.data import audio
from seqapps.config import UserError
from seqapps.kit import ngrams
from tests.apps.asr.conftest import noisy, parameters, write


def upto(**tables):
    return config.upto(parameters(**tables), "preprocess")


def many(speakers=("anna",), count=60):
    return [
        (f"c/{speaker}{n}", f"line {'abcdefghij'[n // 10]}{'abcdefghij'[n % 10]}", speaker)
        for speaker in speakers
        for n in range(count)
    ]


def splits(entries):
    return {entry.key: entry.split for entry in entries if isinstance(entry, Item)}


def skips(entries):
    return {entry.key: entry.reason for entry in entries if isinstance(entry, Skip)}


def test_recordings_with_one_text_share_a_group_and_a_split(listing):
    rows = [*many(), ("c/x", "Line AA!", "anna"), ("c/y", "LINE  aa", "bob")]
    entries = list(preprocess.index(upto(), listing(rows)))
    found = splits(entries)
    assert found["c/x"] == found["c/y"] == found["c/anna0"]
    assert {item.group for item in entries if item.key in ("c/x", "c/y", "c/anna0")} == {"c/anna0"}


def test_english_and_spanish_of_a_line_lie_on_the_same_side(listing):
    # Slots 1 and 2 are one line in English, 2 and 3 in Spanish: all three belong together,
    # whichever of them were recorded.
    scripts = [
        ("c/1", {"en": "yes", "es": "si"}),
        ("c/2", {"en": "Yes!", "es": "claro"}),
        ("c/3", {"en": "of course", "es": "Claro"}),
        ("c/4", {"en": "no", "es": "no"}),
    ]
    raw = listing([("c/1", "yes", "a"), ("c/4", "no", "a")], scripts=scripts, sounds=False)
    english = preprocess.groups(
        [{"key": "c/1", "normalised": "yes"}, {"key": "c/4", "normalised": "no"}], raw, "en"
    )
    spanish = preprocess.groups([{"key": "c/3", "normalised": "claro"}], raw, "es")
    assert english == {"c/1": "c/1", "c/4": "c/4"}
    assert spanish == {"c/3": "c/1"}


def test_shares_of_the_splits_are_about_those_asked_for(listing):
    rows = [(f"c/{n}", f"x{'y' * (n + 1)}", "anna") for n in range(400)]
    raw = listing(rows, sounds=False)
    for n in range(400):
        (raw / f"{n}.wav").touch()
    found = Counter(splits(preprocess.index(upto(), raw)).values())
    assert 30 <= found["test"] <= 70
    assert 15 <= found["validation"] <= 50


def test_whole_voices_are_held_out_and_their_lines_do_not_train(listing):
    rows = [
        *((f"c/a{n}", f"line {'abcdefghijklmnopqrst'[n]}", "anna") for n in range(20)),
        *((f"c/b{n}", f"line {'abcde'[n]}", "bob") for n in range(5)),
        *((f"c/c{n}", f"line {'klmno'[n]}", "carl") for n in range(5)),
        *((f"c/d{n}", f"song {'klmno'[n]}", "dora") for n in range(5)),
    ]
    params = upto(preprocess={"split_by": "speaker", "test_percent": 10, "validation_percent": 10})
    entries = list(preprocess.index(params, listing(rows)))
    voices = {}
    lines = {}
    for item in entries:
        if isinstance(item, Item):
            voices.setdefault(item.split, set()).add(item.where[2])
            lines.setdefault(item.split, set()).add(item.where[1])
    assert "anna" in voices["train"]
    assert not voices["train"] & voices["test"] and not voices["validation"] & voices["test"]
    assert not lines["train"] & (lines["test"] | lines["validation"])
    assert "a held-out voice says the same line" in skips(entries).values()


def test_a_split_the_user_made_is_kept_and_lines_of_test_do_not_train(listing):
    rows = [("c/1", "one", "a"), ("c/2", "two", "a"), ("c/3", "three", "a"), ("c/4", "Three", "a")]
    made = {"c/1": "validation", "c/2": "train", "c/3": "test", "c/4": "train"}
    entries = list(preprocess.index(upto(), listing(rows, made=made.items())))
    assert splits(entries) == {"c/1": "validation", "c/2": "train", "c/3": "test"}
    assert skips(entries) == {"c/4": "the same line is in the test split"}


def test_what_widens_training_changes_no_split_and_repeats_no_held_out_line(listing, tmp_path):
    alone = splits(preprocess.index(upto(), listing(many())))
    (tmp_path / "raw").rename(tmp_path / "first")
    wide = [(f"a/{n}", row[1], "eve") for n, row in enumerate(many())] + [("a/new", "new", "eve")]
    raw = listing([*many(), *wide], widening=[row[0] for row in wide])
    entries = list(preprocess.index(upto(), raw))
    found, left_out = splits(entries), skips(entries)
    assert {key: found[key] for key in alone} == alone
    assert {found[key] for key, *_ in wide if key in found} == {"train"} and "a/new" in found
    for n, (own, *_) in enumerate(many()):
        held_out = alone[own] != "train"
        reason = f"the same line is in the {alone[own]} split"
        assert left_out.get(f"a/{n}") == (reason if held_out else None)


def test_own_clips_that_repeat_do_so_in_train_alone(listing):
    raw = listing(many())
    once = splits(preprocess.index(upto(), raw))
    thrice = splits(preprocess.index(upto(preprocess={"own_repeats": 3}), raw))
    found = Counter(key.partition("#")[0] for key in thrice)
    assert found == {key: 3 if split == "train" else 1 for key, split in once.items()}


def test_an_empty_split_is_refused(listing):
    with pytest.raises(UserError, match="no recording fell into the"):
        list(preprocess.index(upto(), listing([("c/1", "one", "a")])))


def test_transcripts_that_cannot_be_learnt_are_counted_and_named(listing):
    rows = [*many(), ("c/empty", "...", "a"), ("c/greek", "αβγ", "a"), ("c/gone", "gone", "a")]
    raw = listing(rows)
    (raw / f"{len(rows) - 1}.wav").unlink()
    assert skips(preprocess.index(upto(), raw)) == {
        "c/empty": "no transcript",
        "c/greek": "characters outside the alphabet: αβγ",
        "c/gone": "the sound file is missing",
    }


@pytest.mark.parametrize(
    ("samples", "said", "reason"),
    [
        (np.zeros(8000), "hello there", "silence"),
        (np.zeros(0), "hello there", "0 frames of sound"),
        (noisy(1.0), "x" * 27, "more characters a second than speech has"),
        (noisy(4.0), "so slow", "fewer characters a second than speech has"),
        (noisy(5.0), "a longer line of speech", "longer than 4 s"),
        (noisy(1.4), "yes", None),
        (noisy(1.0), "x" * 26, None),
    ],
)
def test_clips_that_hold_no_such_speech_are_refused(tmp_path, samples, said, reason):
    path = write(tmp_path / "a.wav", samples)
    item = Item("a", "train", "a", (str(path), said, "anna", "c"))
    found = preprocess.example(upto(preprocess={"max_seconds": 4.0}), tmp_path, item)
    if reason is None:
        assert isinstance(found, dict)
    else:
        assert found == Skip(reason, "a")


def test_a_record_keeps_the_wave_at_the_models_rate(tmp_path):
    path = write(tmp_path / "a.flac", noisy(1.0, rate_hz=16000), 16000)
    item = Item("a", "train", "a", (str(path), "hello there", "anna", "c"))
    record = preprocess.example(upto(), tmp_path, item)
    samples, rate_hz = audio.samples(record["wav"])
    assert (rate_hz, len(samples), record["seconds"]) == (8000, 8000, 1.0)
    assert record["text"] == "hello there"


def test_an_unreadable_file_is_skipped_with_its_reason(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"no sound at all, nothing but text " * 9)
    item = Item("a", "train", "a", (str(tmp_path / "a.wav"), "hello", "anna", "c"))
    assert "broken" in preprocess.example(upto(), tmp_path, item).reason


def test_assets_see_the_texts_of_train(tmp_path):
    params = upto(preprocess={"lm_order": 2})
    items = [Item("a", "train", "a", ("", "ab", "anna", "c"))]
    preprocess.assets(params, items, tmp_path)
    lm = ngrams.load(tmp_path / "lm.npz")
    letters = preprocess.facts(tmp_path)["letters"]
    first = lm.log_probability[ngrams.START]
    assert letters[int(np.argmax(first))] == "a"
