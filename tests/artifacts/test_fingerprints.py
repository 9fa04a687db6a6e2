import hashlib
from dataclasses import replace

from seqapps.artifacts import fingerprints
from tests.toy import APP


def test_a_fact_of_the_application_counts_where_it_decides_something(project):
    wide = replace(APP, features=APP.features | {"more": APP.features["target"]})
    for app, changed in ((replace(APP, title="Other"), ()), (wide, ("preprocess", "train"))):
        for stage in ("ingest", "preprocess", "train"):
            same = fingerprints.facts(app, stage) == fingerprints.facts(APP, stage)
            assert same == (stage not in changed), stage


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
    assert documented == reworded == plain
    assert digest('X = 1\n"""Of x."""\n') == digest('X = 1\n"""The number of x."""\n')
    assert digest('X = """Of x."""\n') != digest('X = """The number of x."""\n')
    assert plain == digest("def f(x):\n    return x + 1  # why\n")
    fingerprints._module.cache_clear()


def test_train_depends_on_the_model_but_not_on_the_figures():
    modules = fingerprints.code("seqapps.apps.dna", "train")
    assert "seqapps.apps.dna.model" in modules
    assert "seqapps.kit.layers" in modules
    assert "seqapps.apps.dna.evaluate" not in modules
    assert "seqapps.experiments.stage_run" not in modules


def test_the_digest_of_a_file_is_its_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert fingerprints.digest(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
