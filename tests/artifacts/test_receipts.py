import json
import multiprocessing
import os
import time
from pathlib import Path

import pytest

from seqapps import app as contract
from seqapps import config
from seqapps.artifacts import layout, receipts
from tests.toy import APP


def parts(project, *overrides, stage="ingest"):
    params = config.load(APP, "smoke", list(overrides), root=project)
    return receipts.wanted(APP, stage, params, profile="smoke", root=project)


@pytest.fixture
def finished(project):
    folder = project / "data/toy/smoke/ingest"
    work = receipts.begin(folder, parts(project), resume=False)
    (work / "runs.json").write_text("[]")
    receipts.finish(folder, parts(project), counts={"runs": 0}, seconds=1.0)
    return folder


def test_an_unchanged_stage_is_fresh(project, finished):
    assert receipts.stale(finished, parts(project)) is None


def test_a_changed_parameter_is_named_with_both_values(project, finished):
    why = receipts.stale(finished, parts(project, "ingest.sequences=151"))
    assert why == "ingest.sequences 150 -> 151"


def test_another_stages_parameter_does_not_make_it_stale(project, finished):
    assert receipts.stale(finished, parts(project, "train.units=9")) is None


def test_a_missing_or_cut_output_makes_it_stale(project, finished):
    (finished / "runs.json").write_text("[1]")
    assert receipts.stale(finished, parts(project)) == "runs.json has 3 bytes, was written with 2"
    (finished / "runs.json").unlink()
    assert receipts.stale(finished, parts(project)) == "runs.json is missing"


def test_a_flipped_byte_makes_it_stale(project, finished):
    (finished / "runs.json").write_text("{}")
    why = receipts.stale(finished, parts(project))
    assert why == "runs.json has changed since it was written (its sha256 differs)"


def test_a_copied_folder_is_fresh_and_hashed_once(project, finished, monkeypatch):
    os.utime(finished / "runs.json", ns=(1, 1))
    assert receipts.stale(finished, parts(project)) is None
    monkeypatch.setattr(receipts.fingerprints, "digest", None)
    assert receipts.damage(finished) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff", b'{"key": "1"}'])
def test_a_damaged_receipt_counts_as_absent_and_is_named(project, finished, content):
    (finished / "done.json").write_bytes(content)
    assert receipts.read(finished) is None
    assert receipts.stale(finished, parts(project)) == "its receipt is damaged"


def test_a_kill_between_the_renames_is_mended_or_taken_back(project, finished):
    work = receipts.begin(finished, parts(project), resume=False)
    (work / "runs.json").write_text("[7]")
    other = parts(project, "ingest.sequences=151")
    finished.rename(layout.replaced(finished))
    receipts.mend(finished, parts(project))
    assert (finished / "runs.json").read_text() == "[]", "the new one was not whole"
    receipts.finish(finished, other, counts={}, seconds=1.0)
    finished.rename(layout.partial(finished))
    receipts.mend(finished, other)
    assert (finished / "runs.json").read_text() == "[7]"


@pytest.mark.parametrize("content", [None, "", "half", "12.5"])
def test_the_time_an_interrupted_stage_took_may_be_damaged(project, content):
    folder = project / "data/toy/smoke/train"
    work = receipts.begin(folder, parts(project), resume=True)
    if content is not None:
        (work / ".seconds").write_text(content)
    assert receipts.spent(folder) == (12.5 if content == "12.5" else 0.0)


def test_what_a_kill_left_of_an_unfinished_file_is_no_output(project):
    folder = project / "data/toy/smoke/ingest"
    work = receipts.begin(folder, parts(project), resume=True)
    (work / "runs.json").write_text("[]")
    (work / ".runs.json.tmp").write_text("[")
    receipt = receipts.finish(folder, parts(project), counts={}, seconds=1.0)
    assert list(receipt["outputs"]) == ["runs.json"]
    assert sorted(path.name for path in folder.iterdir()) == ["done.json", "runs.json"]


def test_a_changed_version_and_changed_code_are_named(project, finished):
    now = parts(project)
    now["versions"] = now["versions"] | {"keras": "9.9"}
    assert receipts.stale(finished, now).startswith("keras ")
    now = parts(project)
    now["code"] = now["code"] | {"tests.toy.ingest": "0"}
    assert receipts.stale(finished, now) == "code of tests.toy.ingest changed"


def test_new_outputs_of_an_earlier_stage_reach_the_later_key(project, finished):
    before = parts(project, stage="preprocess")
    receipt = json.loads((finished / "done.json").read_text())
    receipt["outputs"]["runs.json"]["sha256"] = "other"
    (finished / "done.json").write_text(json.dumps(receipt))
    after = parts(project, stage="preprocess")
    assert before["inputs"] != after["inputs"]
    assert receipts.key(before) != receipts.key(after)


class UserTable(config.Table):
    """A table that names files of a user, and texts that look like files."""

    files: tuple[Path, ...]
    note: str = "tunes"


def stamps(*names):
    return receipts._stamps(config.paths(UserTable(files=names)))


def test_a_users_changed_file_makes_ingest_stale(project):
    (project / "mine.fa").write_text(">a\nACGT\n")
    before = stamps("mine.fa")
    assert before.keys() == {"file mine.fa"}
    (project / "mine.fa").write_text(">a\nACGTA\n")
    assert stamps("mine.fa") != before


def test_a_folder_is_watched_by_its_type_whatever_its_name_and_a_text_is_not(project):
    folder = project / "tunes"  # neither "/" nor "." in its name
    folder.mkdir()
    (folder / "one.mid").write_bytes(b"1")
    before = stamps("tunes")
    assert before.keys() == {"file tunes"}
    (folder / "two.mid").write_bytes(b"2")
    assert stamps("tunes") != before
    assert stamps() == {}


@pytest.mark.parametrize("name", contract.names())
def test_paths_of_users_in_every_application_are_typed_as_paths(name):
    table = contract.load(name).params.model_fields["ingest"].annotation
    for key in ("files", "folder", "genome"):
        if key in table.model_fields:
            assert "Path" in str(table.model_fields[key].annotation), key


def test_a_folder_without_a_receipt_does_not_count(project):
    folder = project / "data/toy/smoke/ingest"
    folder.mkdir(parents=True)
    (folder / "runs.json").write_text("[]")
    assert receipts.stale(folder, parts(project)) == "not made yet"


def test_a_begun_folder_is_kept_only_for_the_same_key(project):
    folder = project / "data/toy/smoke/train"
    work = receipts.begin(folder, parts(project), resume=True)
    (work / "checkpoint").write_text("1")
    assert (receipts.begin(folder, parts(project), resume=True) / "checkpoint").exists()
    other = parts(project, "ingest.sequences=151")
    assert not (receipts.begin(folder, other, resume=True) / "checkpoint").exists()


def _hold(folder, seconds):
    with receipts.locked(folder):
        (folder.parent / "held").write_text("")
        time.sleep(seconds)


def test_a_stage_waits_for_the_process_that_works_on_it(project, capsys):
    folder = project / "data/toy/smoke/ingest"
    folder.parent.mkdir(parents=True)
    other = multiprocessing.get_context("spawn").Process(target=_hold, args=(folder, 1.0))
    other.start()
    while not (folder.parent / "held").exists():
        time.sleep(0.02)
    started = time.monotonic()
    with receipts.locked(folder):
        waited = time.monotonic() - started
    other.join()
    assert waited > 0.3
    assert "another process works on it" in capsys.readouterr().out
