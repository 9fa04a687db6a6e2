import gzip
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from seqapps.apps.jazz import frontend, ingest, preprocess, tunes
from seqapps.apps.jazz.frontend import LONGEST
from seqapps.config import UserError
from seqapps.pipeline import fetch
from tests.apps.jazz.conftest import ABC, midi, notes


def run(out, **table):
    out.mkdir()
    given = {"source": "packages", "files": ()} | table
    return ingest.ingest(SimpleNamespace(ingest=SimpleNamespace(**given)), out)


@pytest.fixture
def cache(monkeypatch, repository):
    monkeypatch.setattr(fetch, "CACHE", repository / "data/cache")


def test_the_packages_tunes_have_known_counts(tmp_path, cache):
    """Eight rags of 18,760 notes and a ninth setting, 39 pitches in C beside the rest."""
    counts = run(tmp_path / "out")
    assert counts == {"tunes": 9, "notes": 18760 + 687 + 802}
    found = [tunes.arrange(score) for score in ingest.load(tmp_path / "out")][:8]
    values = [preprocess.values(tune.columns()) for tune in found]
    assert sum(map(len, values)) == 6020
    everything = set().union(*map(set, values))
    places = {value // LONGEST for value in everything}
    assert (len(places), 0 in places) == (40, True)
    assert len(everything) == 166
    assert {value % LONGEST + 1 for value in everything} <= set(range(1, LONGEST + 1))
    assert frontend.VALUES == 3168


def test_the_manifest_names_source_licence_and_digest_of_each_file(tmp_path, cache):
    run(tmp_path / "out")
    files = json.loads((tmp_path / "out/manifest.json").read_text())["files"]
    assert [entry["licence"] for entry in files[:8]] == ["Public-Domain"] * 8
    for entry in files:
        assert fetch.digest(tmp_path / "out/files" / entry["file"]) == entry["sha256"]


def test_a_users_folder_is_read_and_what_is_no_tune_is_counted(tmp_path, capsys):
    folder = tmp_path / "mine"
    (folder / "more").mkdir(parents=True)
    midi(folder / "good.mid", [notes([60 + n % 12 for n in range(20)]), notes([48, 43] * 5)])
    midi(folder / "drums.mid", [notes([36, 38] * 10, channel=9)])
    (folder / "more/set.abc").write_text(ABC)
    (folder / "broken.mid").write_bytes(b"MThd")
    counts = run(tmp_path / "out", source="user", files=(folder,))
    reasons = {name: n for name, n in counts.items() if name.startswith("skipped")}
    assert counts["tunes"] == 3
    assert reasons["skipped: no notes outside drums"] == 1
    assert sum("cannot be read" in name for name in reasons) == 1
    assert (
        f"1 left out: no notes outside drums ({folder}/drums.mid drums)" in capsys.readouterr().out
    )


def test_files_of_the_same_name_are_both_kept(tmp_path):
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        midi(tmp_path / place / "t.mid", [notes([60 + n % 12 for n in range(20)])])
    paths = (tmp_path / "a", tmp_path / "b")
    assert run(tmp_path / "out", source="user", files=paths)["tunes"] == 2
    assert {score.name for score in ingest.load(tmp_path / "out")} == {"t", "1-t"}


def test_tunes_of_one_stem_are_kept_apart(tmp_path):
    tune = notes([60 + n % 12 for n in range(20)])
    for name in ("a/2-t.mid", "a/t.mid", "b/t.mid", "b/t.midi"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        midi(tmp_path / name, [tune])
    paths = (tmp_path / "a", tmp_path / "b")
    assert run(tmp_path / "out", source="user", files=paths)["tunes"] == 4
    names = [score.name for score in ingest.load(tmp_path / "out")]
    assert names == ["2-t", "t", "1-t", "3-t"]
    preprocess._tunes.cache_clear()
    assert len(preprocess._tunes(str(tmp_path / "out"))) == 4


def test_a_file_that_is_left_out_is_named_as_the_user_named_it(tmp_path, capsys):
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
        midi(tmp_path / place / "t.mid", [notes([60 + n % 12 for n in range(20)])])
    damaged = gzip.compress((tmp_path / "b/t.mid").read_bytes())[:-6]
    (tmp_path / "b/t.mid").write_bytes(damaged)
    run(tmp_path / "out", source="user", files=(tmp_path / "a", tmp_path / "b"))
    said = f"{tmp_path}/b/t.mid is gzip that is damaged or cut short"
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ((), "without files"),
        ((Path("nowhere.mid"),), "nowhere.mid does not exist"),
    ],
)
def test_files_that_are_not_there_are_said(tmp_path, files, said):
    with pytest.raises(UserError, match=said):
        run(tmp_path / "out", source="user", files=files)


def test_a_folder_in_which_nothing_is_a_tune_is_said(tmp_path):
    (tmp_path / "bad.mid").write_bytes(b"x")
    with pytest.raises(UserError, match="no tune is left: no file of music"):
        run(tmp_path / "out", source="user", files=(tmp_path / "bad.mid",))
