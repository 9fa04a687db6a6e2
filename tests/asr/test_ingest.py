"""Readers: the packages' byte layouts on hand-made bytes, and the user's three layouts."""

import json
import struct

import pytest

from seqapps import config
from seqapps.app import UserError
from seqapps.asr import corpora, drascula_files, ingest, layouts
from tests.asr.conftest import noisy, parameters, write


def drascula_block(texts):
    """A block as the game has it: the two bytes before a text say how far the next one lies."""
    block = struct.pack(">HH", 0, 4) + b"\0\0"
    for text in texts:
        raw = text.encode("cp850") + b"\0"
        block += struct.pack(">H", len(raw) + 2) + raw
    return block


def drascula_table(tables):
    """`drascula.dat` with texts: one (EN, ES) pair of lists for each prefix."""
    out = drascula_files.MAGIC.ljust(drascula_files.TEXTS_AT, b"\0")
    for english, spanish in tables:
        out += struct.pack(">H", len(english) + 1)
        for column in range(drascula_files.COLUMNS):
            block = drascula_block([english, spanish][column]) if column < 2 else b""
            out += struct.pack(">H", len(block)) + block
    return out


def test_drasculas_table_gives_each_line_in_both_languages():
    tables = [(["HELLO", "BYE"], ["HOLA", "ADIÓS"])] + [(["X"], ["Y"])] * 9
    texts = drascula_files.texts(drascula_table(tables))
    assert texts["", 0] == {"en": "", "es": ""}
    assert texts["", 1] == {"en": "HELLO", "es": "HOLA"}
    assert texts["", 2] == {"en": "BYE", "es": "ADIÓS"}
    assert texts["VB", 1] == {"en": "X", "es": "Y"}


def test_another_file_under_drasculas_name_is_refused():
    with pytest.raises(UserError, match="DRASCULA"):
        drascula_files.texts(b"NOT IT".ljust(9000, b"\0"))


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


def librispeech(folder):
    for speaker, chapter in (("19", "198"), ("26", "495")):
        place = folder / "train-clean" / speaker / chapter
        lines = []
        for number, said in enumerate(("CHAPTER ONE", "HE SAID SO")):
            name = f"{speaker}-{chapter}-{number:04d}"
            write(place / f"{name}.flac", noisy(1.0, seed=number))
            lines.append(f"{name} {said}")
        (place / f"{speaker}-{chapter}.trans.txt").write_text("\n".join(lines) + "\n")
    return folder


def common_voice(folder):
    for split, said in (("train", "One two."), ("dev", "Three four!"), ("test", "Five six?")):
        write(folder / "clips" / f"{split}.mp3", noisy(1.0), 32000)
        (folder / f"{split}.tsv").write_text(
            f'client_id\tpath\tsentence\tup_votes\nabc{split}\t{split}.mp3\t{said} "x\t2\n'
        )
    return folder


def ljspeech(folder):
    lines = []
    for number, said in enumerate(("Dr. No|Doctor No", "In 1999|In nineteen ninety nine")):
        write(folder / "wavs" / f"LJ{number}.wav", noisy(1.0), 22050)
        lines.append(f"LJ{number}|{said}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_librispeech_is_read_as_it_is(tmp_path):
    layout, rows = layouts.recordings(librispeech(tmp_path / "libri"))
    rows = list(rows)
    assert layout == "LibriSpeech"
    assert [row["text"] for row in rows] == ["CHAPTER ONE", "HE SAID SO"] * 2
    assert {row["speaker"] for row in rows} == {"librispeech-19", "librispeech-26"}
    assert {row["split"] for row in rows} == {"train"}
    assert rows[0]["file"].endswith("19-198-0000.flac")


def test_common_voice_is_read_as_it_is_quotes_included(tmp_path):
    layout, rows = layouts.recordings(common_voice(tmp_path / "voice"))
    assert layout == "Common Voice"
    assert [(row["text"], row["split"]) for row in rows] == [
        ('One two. "x', "train"),
        ('Three four! "x', "validation"),
        ('Five six? "x', "test"),
    ]


def test_ljspeech_is_read_as_it_is_and_the_normalised_text_wins(tmp_path):
    layout, rows = layouts.recordings(ljspeech(tmp_path / "lj"))
    rows = list(rows)
    assert layout == "LJSpeech"
    assert [row["text"] for row in rows] == ["Doctor No", "In nineteen ninety nine"]
    assert [row["split"] for row in rows] == [None, None]


def test_a_folder_without_a_layout_is_refused(tmp_path):
    with pytest.raises(UserError, match="no known layout"):
        layouts.recordings(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        layouts.recordings(tmp_path / "none")


def test_a_table_without_its_columns_is_refused(tmp_path):
    (tmp_path / "train.tsv").write_text("path\ttext\na.mp3\thello\n")
    with pytest.raises(UserError, match="lacks the columns client_id, sentence"):
        list(layouts.recordings(tmp_path)[1])


def test_a_line_of_ljspeech_with_too_many_columns_is_named(tmp_path):
    (tmp_path / "metadata.csv").write_text("a|b\nc|d|e|f\n")
    with pytest.raises(UserError, match="line 2"):
        list(layouts.recordings(tmp_path)[1])


def test_ingest_of_a_users_folder_lists_the_clips_and_leaves_them_there(tmp_path):
    folder, out = ljspeech(tmp_path / "lj"), tmp_path / "out"
    out.mkdir()
    params = parameters(ingest={"source": "user", "folder": str(folder)})
    assert ingest.ingest(config.upto(params, "ingest"), out) == {"clips of user": 2}
    rows = list(ingest.clips(out))
    assert [row["path"].parent for row in rows] == [folder / "wavs"] * 2
    assert sorted(p.name for p in out.iterdir()) == [
        "clips.jsonl",
        "manifest.json",
        "scripts.jsonl",
    ]


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
    table = {"corpora": ["asterisk"], "widened_by": ["amazon_queen"]}
    ingest.ingest(config.upto(parameters(ingest=table), "ingest"), tmp_path)
    found = {row["key"]: row["widens"] for row in ingest.clips(tmp_path)}
    assert found == {"asterisk/s": False, "amazon_queen/s": True}
    assert [row["slot"] for row in ingest.scripts(tmp_path)] == ["asterisk/s"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"source": "user"}, "ingest.folder"),
        ({"corpora": ["tuxpaint"]}, "spoken in Spanish"),
        ({"widened_by": ["amazon_queen"], "language": "es"}, "amazon_queen is English"),
    ],
)
def test_a_table_that_cannot_work_is_refused(table, message):
    with pytest.raises(UserError, match=message):
        parameters(ingest=table)
