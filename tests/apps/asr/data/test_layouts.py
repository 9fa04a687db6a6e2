"""The three layouts a user may bring, through all five stages, on generated sounds.

A letter is a tone of its own, so that a small network can learn to spell in seconds.
"""

import json
import random

import numpy as np
import pytest

from seqapps import config
from seqapps.app import Skip
from seqapps.apps.asr import APP, ingest, preprocess
from seqapps.apps.asr.data import layouts
from seqapps.artifacts import layout
from seqapps.artifacts.saved_model import SavedModel
from seqapps.config import STAGES, UserError
from seqapps.pipeline import stages
from seqapps.serving import predict
from tests.apps.asr.conftest import noisy, parameters, write
from tests.apps.asr.test_ingest import ljspeech as small_ljspeech
from tests.mutations import TRIES

PROFILE = """
[ingest]
source = "user"
folder = "recordings"
[preprocess]
test_percent = 20
validation_percent = 20
[train]
cell = "dense"
seed = 1
epochs = {epochs}
batch_size = 8
learning_rate = 0.01
clip_norm = 1.0
patience_epochs = 20
jit_compile = false
units = 24
layers = 1
conv_filters = 8
dropout = 0.0
time_masks = 0
mel_masks = 0
speed_change = 0.0
[evaluate]
beam_width = 4
lm_weight = 0.0
character_bonus = 0.0
bootstrap_samples = 20
[export]
gate = "warn"
"""


LETTER_SECONDS = 0.12


HZ = {"a": 400, "b": 900, "c": 1700, "d": 2900}


def spoken(text, rate_hz):
    """The letters of a text as tones, a space as silence."""
    place = np.arange(int(LETTER_SECONDS * rate_hz)) / rate_hz
    fade = np.hanning(len(place))
    sounds = [0.4 * fade * np.sin(2 * np.pi * HZ.get(letter, 0) * place) for letter in text]
    return np.concatenate(sounds).astype(np.float32)


def texts(count):
    rng = np.random.default_rng(5)
    words = [["".join(rng.choice([*HZ], rng.integers(2, 4))) for _ in "12"] for _ in range(count)]
    return [" ".join(pair) for pair in words]


def librispeech(folder):
    for speaker in range(3):
        place = folder / str(speaker) / "7"
        lines = []
        for number, said in enumerate(texts(60)[speaker::3]):
            name = f"{speaker}-7-{number:04d}"
            write(place / f"{name}.flac", spoken(said, 16000), 16000)
            lines.append(f"{name} {said.upper()}")
        (place / f"{speaker}-7.trans.txt").write_text("\n".join(lines))


def common_voice(folder):
    rows = dict.fromkeys(("train", "dev", "test"), "client_id\tpath\tsentence\n")
    for number, said in enumerate(texts(60)):
        split = ("train", "train", "train", "dev", "test")[number % 5]
        write(folder / "clips" / f"c{number}.mp3", spoken(said, 32000), 32000)
        rows[split] += f"voice{number}\tc{number}.mp3\t{said}.\n"
    for split, table in rows.items():
        (folder / f"{split}.tsv").write_text(table)


def ljspeech(folder):
    lines = []
    for number, said in enumerate(texts(120)):
        stereo = np.stack([spoken(said, 22050)] * 2, axis=1)
        write(folder / "wavs" / f"LJ-{number}.wav", stereo, 22050)
        lines.append(f"LJ-{number}|{said}|{said}")
    (folder / "metadata.csv").write_text("\n".join(lines))


def run(project, corpus, epochs):
    corpus(project / "recordings")
    (project / "pipelines/asr").mkdir(parents=True)
    (project / "pipelines/asr/mine.toml").write_text(PROFILE.format(epochs=epochs))
    for stage in STAGES:
        stages.run(APP, stage, profile="mine", tracker=stages.Quiet(), root=project)
    return json.loads((project / "data/asr/mine/evaluate/metrics.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("corpus", [librispeech, common_voice])
def test_a_users_folder_passes_all_stages(tmp_path, monkeypatch, corpus):
    monkeypatch.chdir(tmp_path)
    report = run(tmp_path, corpus, epochs=1)
    assert report["counts"]["test_examples"] >= 5
    assert (tmp_path / "data/asr/mine/export/model/1/saved_model.pb").exists()


@pytest.mark.slow
def test_one_clip_in_any_format_rate_or_silence_has_one_text_in_predict_and_the_endpoint(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    report = run(tmp_path, ljspeech, epochs=15)
    assert report["model"]["cer"] < 0.4
    for suffix, rate_hz in ((".mp3", 44100), (".flac", 16000), (".ogg", 22050)):
        write(tmp_path / f"in/clip{suffix}", spoken("abc dab", rate_hz), rate_hz)
    wavs = {hz: tmp_path / f"in/{hz}.wav" for hz in (8000, 11025, 16000, 44100)}
    for rate_hz, path in wavs.items():
        write(path, spoken("abc dab", rate_hz), rate_hz)
    sound, second = spoken("abc dab", 8000), np.zeros(8000)
    write(tmp_path / "in/zeros.wav", np.concatenate([second, sound, *[second] * 3]))
    params = config.load(APP, "mine", root=tmp_path)
    exported = tmp_path / "data/asr/mine/export"
    predict.run(APP, params, [tmp_path / "in"], exported=exported, out=tmp_path / "out")
    rows = (tmp_path / "out/transcripts.tsv").read_text().splitlines()[1:]
    texts_of = {row.split("\t")[0]: row.split("\t")[3] for row in rows}
    assert len(texts_of) == 8 and len({*texts_of.values()}) == 1
    assert texts_of["8000.wav"].strip()
    endpoint = SavedModel(layout.answering(exported)).endpoint("serving_default")
    posted = np.array([path.read_bytes() for path in wavs.values()], object)
    answers = endpoint.in_batches({"wav": posted}, len(posted))["text"]
    assert [*answers] == [texts_of[path.name] for path in wavs.values()]


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


def test_librispeech_is_read_as_it_is(tmp_path):
    name, rows = layouts.recordings(librispeech(tmp_path / "libri"))
    rows = list(rows)
    assert name == "LibriSpeech"
    assert [row["text"] for row in rows] == ["CHAPTER ONE", "HE SAID SO"] * 2
    assert {row["speaker"] for row in rows} == {"librispeech-19", "librispeech-26"}
    assert {row["split"] for row in rows} == {"train"}
    assert rows[0]["file"].endswith("19-198-0000.flac")


def test_common_voice_is_read_as_it_is_quotes_included(tmp_path):
    name, rows = layouts.recordings(common_voice(tmp_path / "voice"))
    assert name == "Common Voice"
    assert [(row["text"], row["split"]) for row in rows] == [
        ('One two. "x', "train"),
        ('Three four! "x', "validation"),
        ('Five six? "x', "test"),
    ]


def test_ljspeech_is_read_as_it_is_and_the_normalised_text_wins(tmp_path):
    name, rows = layouts.recordings(small_ljspeech(tmp_path / "lj"))
    rows = list(rows)
    assert name == "LJSpeech"
    assert [row["text"] for row in rows] == ["Doctor No", "In nineteen ninety nine"]
    assert [row["split"] for row in rows] == [None, None]


def test_a_folder_without_a_layout_is_refused(tmp_path):
    with pytest.raises(UserError, match="no known layout"):
        layouts.recordings(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        layouts.recordings(tmp_path / "none")


def ingested(folder, tmp_path):
    """What ingest keeps of a folder, key -> text, and what it leaves out, key -> reason."""
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    params = parameters(ingest={"source": "user", "folder": str(folder)})
    ingest.ingest(config.upto(params, "ingest"), out)
    kept = {row["key"]: row["text"] for row in ingest.clips(out)}
    return kept, {skip.key: skip.reason for skip in ingest.left_out(out)}


def table(folder, content):
    """A folder with one table of Common Voice, and its rows' sounds."""
    for name in "abcd":
        write(folder / "clips" / f"{name}.wav", noisy(0.1))
    encoded = content if isinstance(content, bytes) else content.encode()
    (folder / "validated.tsv").write_bytes(encoded)
    return folder


HEAD = "client_id\tpath\tsentence\tup_votes\tdown_votes\tage\n"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("me", "no path, sentence"),
        ("me\tb.wav", "no sentence"),
        ("me\tb.wav\ttwo wo", "cut short: 3 columns of 6"),
        ("\tb.wav\ttwo\t2\t0\t", "no client_id"),
        ("me\tb.wav\ttwo\t2\t0\tteens\tmore", "up_votes and down_votes are '0, teens', not"),
        ("me\t..\ttwo\t2\t0\t", "'..' is no name of a sound"),
        ("me\ta.wav\tone\t2\t0\t", "the recording is listed twice"),
    ],
)
def test_a_row_of_common_voice_that_cannot_be_used_is_named(tmp_path, row, reason):
    folder = table(
        tmp_path / "v", f"{HEAD}me\ta.wav\tone\t2\t0\t\n{row}\nme\tc.wav\tthree\t2\t0\t\n"
    )
    kept, left_out = ingested(folder, tmp_path)
    assert kept == {"commonvoice/a": "one", "commonvoice/c": "three"}
    [(key, told)] = left_out.items()
    assert told.startswith(reason)
    assert key == ("commonvoice/a" if "twice" in reason else "validated.tsv line 3")


def test_a_recording_with_two_texts_has_none(tmp_path):
    rows = "".join(f"me\t{name}.wav\t{text}\t2\t0\t\n" for name, text in ("aa", "bb", "ac"))
    kept, left_out = ingested(table(tmp_path / "v", HEAD + rows), tmp_path)
    assert kept == {"commonvoice/b": "b"}
    assert left_out == {"commonvoice/a": "the recording is listed with two texts"}


def test_a_tab_in_a_sentence_and_a_row_without_its_last_cells_are_read(tmp_path):
    rows = "me\ta.wav\tone\ttwo\t2\t0\tteens\nme\tb.wav\tthree\t2\n"
    kept, left_out = ingested(table(tmp_path / "v", HEAD + rows), tmp_path)
    assert (kept, left_out) == ({"commonvoice/a": "one two", "commonvoice/b": "three"}, {})


def test_a_field_of_any_length_is_read_and_a_name_no_file_can_have_is_missing(tmp_path):
    long = "word " * 40000
    rows = f"me\ta.wav\t{long}\t2\t0\t\nme\t{'x' * 150000}\tone\t2\t0\t\n"
    folder = table(tmp_path / "v", HEAD + rows)
    kept, left_out = ingested(folder, tmp_path)
    assert kept["commonvoice/a"] == long and not left_out
    raw = tmp_path / "out"
    params = config.upto(parameters(ingest={"source": "user", "folder": str(folder)}), "preprocess")
    with pytest.raises(UserError, match="no recording fell into"):
        list(preprocess.index(params, raw))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_table_of_any_encoding_and_line_end_has_all_its_rows(tmp_path, encoding, end, capsys):
    content = (HEAD + "me\ta.wav\tseñor\t2\t0\t\nme\tb.wav\ttwo\t2\t0\t\n").replace("\n", end)
    folder = table(tmp_path / "v", content.encode(encoding))
    kept, left_out = ingested(folder, tmp_path)
    assert (kept, left_out) == ({"commonvoice/a": "señor", "commonvoice/b": "two"}, {})
    told = "asr ingest: validated.tsv is " in capsys.readouterr().out
    assert told == (not encoding.startswith("utf-8"))


def test_a_damaged_line_changes_no_letter_of_the_others(tmp_path):
    content = (HEAD + "me\ta.wav\tseñor\t2\t0\t\nme\tb.wav\tniño\t2\t0\t\n").encode()
    folder = table(tmp_path / "v", content.replace("niño".encode(), b"ni\xc3o"))
    kept, left_out = ingested(folder, tmp_path)
    assert kept == {"commonvoice/a": "señor"}
    assert left_out == {"validated.tsv line 3": "bytes that are not UTF-8, as the other lines are"}


def test_a_table_without_its_columns_is_named_and_the_others_are_read(tmp_path):
    folder = common_voice(tmp_path / "v")
    (folder / "dev.tsv").write_text("path\ttext\na.mp3\thello\n")
    kept, left_out = ingested(folder, tmp_path)
    assert kept.keys() == {"commonvoice/train", "commonvoice/test"}
    assert left_out == {"dev.tsv": "lacks the columns client_id, sentence; it has 'path, text'"}


@pytest.mark.parametrize(
    "content", [b"path\ttext\na.mp3\thello\n", b"", b"\0\0\0", HEAD.encode(), b"\xff" * 99]
)
def test_a_corpus_of_which_nothing_is_left_is_refused(tmp_path, content):
    with pytest.raises(UserError, match=r"\(Common Voice\): no line can be used"):
        ingested(table(tmp_path / "v", content), tmp_path)


def lj(folder, *rows):
    for name in "abcd":
        write(folder / "wavs" / f"{name}.wav", noisy(0.1))
    (folder / "metadata.csv").write_text("\n".join(rows), encoding="utf-8-sig")
    return folder


def test_lines_of_ljspeech_as_people_have_them(tmp_path):
    rows = ("a|Dr. One|doctor one", "b.wav|two|", "c|three | III|three | III", "d|four")
    kept, left_out = ingested(lj(tmp_path / "lj", *rows), tmp_path)
    assert left_out == {}
    assert kept == {
        "ljspeech/a": "doctor one",
        "ljspeech/b": "two",
        "ljspeech/c": "three | III",
        "ljspeech/d": "four",
    }
    files = {row["path"].name for row in ingest.clips(tmp_path / "out")}
    assert files == {"a.wav", "b.wav", "c.wav", "d.wav"}


def test_a_bar_in_a_text_of_a_corpus_of_pairs_is_part_of_it(tmp_path):
    kept, _ = ingested(lj(tmp_path / "lj", "a|one", "b|two | three", "c|four"), tmp_path)
    assert kept["ljspeech/b"] == "two | three"


def test_lines_of_ljspeech_that_cannot_be_used_are_named(tmp_path):
    rows = ("a|one|one", "b", "|two|two", "c|IV | V|four | five", "d||")
    kept, left_out = ingested(lj(tmp_path / "lj", *rows), tmp_path)
    assert kept == {"ljspeech/a": "one"}
    assert left_out == {
        "metadata.csv line 2": "wanted id|text|normalised text, got 'b'",
        "metadata.csv line 3": "no id in '|two|two'",
        "metadata.csv line 4": "wanted id|text|normalised text, got 'c|IV | V|four | five'",
        "metadata.csv line 5": "wanted id|text|normalised text, got 'd||'",
    }


def test_a_line_of_librispeech_without_a_text_is_named(tmp_path):
    folder = librispeech(tmp_path / "libri")
    [first, *_] = sorted(folder.rglob("*.trans.txt"))
    first.write_text("19-198-0000\n\n19-198-0001\tHE SAID SO\n")
    kept, left_out = ingested(folder, tmp_path)
    assert kept["librispeech/19-198-0001"] == "HE SAID SO" and len(kept) == 3
    place = "train-clean/19/198/19-198.trans.txt line 1"
    assert left_out == {place: "wanted 'id text', got '19-198-0000'"}


TABLES = {
    "validated.tsv": HEAD
    + "".join(f"me\tn{n}.wav\tseñor número {n} dice\t{n % 3}\t0\t\n" for n in range(9)),
    "metadata.csv": "".join(f"n{n}|Señor {n}|señor número {n} dice\n" for n in range(9)),
    "a.trans.txt": "".join(f"n{n} señor número {n} dice\n" for n in range(9)),
}


PIECES = (b"\t", b"|", b'"', b"\xff", b"\xc3", b" ", b"\x85", b"\x0b", b"\0", b"7", b"")
ENCODINGS = ("utf-16", "utf-8-sig", "cp1252", "utf-16-le", "utf-16-be")


def mutated(content, rng):
    """A table with one kind of damage, and the lines of the nine that have none."""
    lines, first = content.encode().splitlines(), 1 if content == TABLES["validated.tsv"] else 0
    whole = set(range(9))
    kind = rng.choice(("bytes", "bytes", "bytes", "shuffle", "double", "encode", "cut", "huge"))
    if kind == "bytes":
        for at in rng.sample(range(first, len(lines)), rng.randint(1, 4)):
            whole.discard(at - first)
            for _ in range(rng.randint(1, 4)):
                start = rng.randrange(len(lines[at]) + 1)
                rest = lines[at][start + rng.randrange(3) :]
                lines[at] = lines[at][:start] + rng.choice(PIECES) + rest
    elif kind == "shuffle":
        lines[first:] = rng.sample(lines[first:], 9)
    elif kind == "double":
        lines.insert(rng.randrange(first, len(lines)), rng.choice(lines[first:]))
    elif kind == "huge":
        lines.append(b"me" * 70000 + rng.choice(PIECES) + b"x" * 70000)
    table = b"\n".join(lines) + b"\n"
    if kind == "encode":
        table = table.decode().encode(rng.choice(ENCODINGS))
    elif kind == "cut":
        table = table[: rng.randrange(len(table))]
        whole = set(range(table.count(b"\n") - first))
    return kind, table, whole


def check(name, seed, folder):
    """Reads a mutated table: a line without damage has its text or is left out."""
    kind, table, whole = mutated(TABLES[name], random.Random(seed))
    (folder / name).write_bytes(table)
    rows = [row for row in layouts.recordings(folder)[1] if not isinstance(row, Skip)]
    texts = {row["key"].split("/")[1]: row["text"] for row in rows}
    for number in whole:
        text = f"señor número {number} dice"
        assert texts.get(f"n{number}", text) == text
        assert kind == "bytes" or f"n{number}" in texts


@pytest.mark.parametrize("name", TABLES)
def test_a_mutated_table_is_read_and_its_other_lines_stay(tmp_path, name):
    for seed in range(TRIES):
        check(name, seed, tmp_path)
