import json
import multiprocessing
import time
from dataclasses import replace

import pytest

from seqapps import config, fingerprints, receipts
from tests.toy import APP


def parts(project, *overrides, stage="ingest"):
    params = config.load(APP, "smoke", list(overrides), root=project)
    return receipts.wanted(APP, "smoke", stage, params, root=project)


@pytest.fixture
def made(project):
    folder = project / "data/toy/smoke/ingest"
    work = receipts.begin(folder, parts(project), resume=False)
    (work / "runs.json").write_text("[]")
    receipts.finish(folder, parts(project), counts={"runs": 0}, seconds=1.0)
    return folder


def test_an_unchanged_stage_is_fresh(project, made):
    assert receipts.stale(made, parts(project)) is None


def test_a_changed_parameter_is_named_with_both_values(project, made):
    why = receipts.stale(made, parts(project, "ingest.sequences=61"))
    assert why == "ingest.sequences 60 -> 61"


def test_another_stages_parameter_does_not_make_it_stale(project, made):
    assert receipts.stale(made, parts(project, "train.units=9")) is None


def test_a_missing_or_cut_output_makes_it_stale(project, made):
    (made / "runs.json").write_text("[1]")
    assert receipts.stale(made, parts(project)) == "runs.json has 3 bytes, was written with 2"
    (made / "runs.json").unlink()
    assert receipts.stale(made, parts(project)) == "runs.json is missing"


def test_a_changed_version_and_changed_code_are_named(project, made):
    now = parts(project)
    now["versions"] = now["versions"] | {"keras": "9.9"}
    assert receipts.stale(made, now).startswith("keras ")
    now = parts(project)
    now["code"] = now["code"] | {"tests.toy.ingest": "0"}
    assert receipts.stale(made, now) == "code of tests.toy.ingest changed"


def test_a_fact_of_the_application_counts_where_it_decides_something(project):
    wide = replace(APP, features=APP.features | {"more": APP.features["target"]})
    for app, changed in ((replace(APP, title="Other"), ()), (wide, ("preprocess", "train"))):
        for stage in ("ingest", "preprocess", "train"):
            same = fingerprints.facts(app, stage) == fingerprints.facts(APP, stage)
            assert same == (stage not in changed), stage


def test_new_outputs_of_an_earlier_stage_reach_the_later_key(project, made):
    before = parts(project, stage="preprocess")
    receipt = json.loads((made / "done.json").read_text())
    receipt["outputs"]["runs.json"]["sha256"] = "other"
    (made / "done.json").write_text(json.dumps(receipt))
    after = parts(project, stage="preprocess")
    assert before["inputs"] != after["inputs"]
    assert receipts.key(before) != receipts.key(after)


def test_a_users_changed_file_makes_ingest_stale(project):
    (project / "mine.fa").write_text(">a\nACGT\n")
    table = {"files": {"x": "mine.fa"}}
    before = receipts._stamps(table)
    assert before.keys() == {"file mine.fa"}
    (project / "mine.fa").write_text(">a\nACGTA\n")
    assert receipts._stamps(table) != before


def test_comments_and_docstrings_do_not_count_as_code(tmp_path, monkeypatch):
    source = tmp_path / "room.py"
    monkeypatch.setattr(fingerprints, "_source", lambda name: source if name == "room" else None)

    def digest(text):
        source.write_text(text)
        fingerprints._module.cache_clear()
        return fingerprints._module("room")[0]

    plain = digest("def f(x):\n    return x + 1\n")
    assert digest('def f(x):\n    """Says."""\n    # why\n    return x + 1\n') != digest(
        "def f(x):\n    return x + 2\n"
    )
    documented = digest('"""Room."""\ndef f(x):\n    """Says."""\n    return x + 1\n')
    reworded = digest('"""Other."""\ndef f(x):\n    """Says it."""  # why\n    return x + 1\n')
    assert documented == reworded
    assert plain == digest("def f(x):\n    return x + 1  # why\n")
    fingerprints._module.cache_clear()


def test_train_depends_on_the_model_but_not_on_the_figures():
    modules = fingerprints.code("seqapps.dna", "train")
    assert "seqapps.dna.model" in modules
    assert "seqapps.layers" in modules
    assert "seqapps.dna.evaluate" not in modules
    assert "seqapps.tracking" not in modules


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
    other = parts(project, "ingest.sequences=61")
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
