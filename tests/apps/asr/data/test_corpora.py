"""The packaged corpora: counts made by hand, thinning, marks."""

import json

import pytest

from seqapps import config
from seqapps.apps.asr import ingest
from seqapps.apps.asr.data import corpora
from seqapps.config import UserError
from tests.apps.asr.conftest import parameters


def test_a_corpus_with_another_number_of_lines_is_refused(monkeypatch):
    line = corpora.Line("asterisk", "a", "voice", {"en": "one"}, b"sound")
    monkeypatch.setattr(corpora, "asterisk", lambda language: iter([line]))
    with pytest.raises(UserError, match="1 spoken lines were found, 553 were expected"):
        list(corpora.lines("asterisk", "en"))


@pytest.mark.slow
@pytest.mark.parametrize(("corpus", "language"), sorted(corpora.SPOKEN))
def test_the_packages_hold_the_lines_that_were_counted_by_hand(corpus, language):
    spoken = [line for line in corpora.lines(corpus, language) if line.sound]
    assert len({line.slot for line in spoken}) == len(spoken)
    if corpus == "drascula" and language == "en":
        first = {line.slot: line.texts["en"] for line in spoken}
        assert first["1"] == "THAT'S THE SECOND BIGGEST DOOR I'VE SEEN IN MY LIFE"
    if corpus == "tuxpaint":
        assert len({line.sound for line in spoken}) == 753


def test_packaged_clips_are_thinned_evenly_and_scripts_kept_whole(tmp_path, monkeypatch):
    lines = [
        corpora.Line("asterisk", f"s{n}", "voice", {"en": f"line {n}"}, b"sound%d" % n)
        for n in range(6)
    ]
    lines.append(corpora.Line("asterisk", "mute", "voice", {"es": "nada"}))
    monkeypatch.setattr(corpora, "asterisk", lambda language: iter(lines))
    monkeypatch.setitem(corpora.SPOKEN, ("asterisk", "en"), 6)
    params = parameters(ingest={"corpora": ["asterisk"], "clips_per_corpus": 3})
    counts = ingest.ingest(config.upto(params, "ingest"), tmp_path)
    assert counts == {"clips of asterisk": 3}
    assert [row["key"] for row in ingest.clips(tmp_path)] == [
        "asterisk/s0",
        "asterisk/s2",
        "asterisk/s4",
    ]
    assert len(list(ingest.scripts(tmp_path))) == 7
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["origin"][0]["licence"] == "CC-BY-SA 3.0"


def test_what_widens_training_is_marked_and_has_no_say_in_scripts(tmp_path, monkeypatch):
    for name in ("asterisk", "amazon_queen"):
        line = corpora.Line(name, "s", "voice", {"en": "hello"}, name.encode())
        monkeypatch.setattr(corpora, name, lambda language, line=line: iter([line]))
        monkeypatch.setitem(corpora.SPOKEN, (name, "en"), 1)
    table = {"corpora": ["asterisk"], "extra_train_corpora": ["amazon_queen"]}
    ingest.ingest(config.upto(parameters(ingest=table), "ingest"), tmp_path)
    found = {row["key"]: row["widens"] for row in ingest.clips(tmp_path)}
    assert found == {"asterisk/s": False, "amazon_queen/s": True}
    assert [row["slot"] for row in ingest.scripts(tmp_path)] == ["asterisk/s"]
