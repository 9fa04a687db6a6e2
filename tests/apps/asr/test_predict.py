"""A user's recordings in, tables and subtitles out."""

import json
import os

import numpy as np
import pytest
import tensorflow as tf

from seqapps.app import Skip, UserFile
from seqapps.apps.asr import predict
from seqapps.apps.asr.data import audio
from seqapps.apps.asr.nn import wav_reader
from seqapps.apps.asr.params import WEIGHTS
from seqapps.config import UserError
from tests.apps.asr.conftest import noisy, parameters, write
from tests.apps.asr.data import test_audio


def params(**options):
    return parameters(predict=options)


def test_a_long_recording_is_cut_in_its_pauses_and_nothing_is_lost():
    # 3 s of speech and .5 s of silence in turn, in pieces of 2 s.
    sound = np.concatenate([np.concatenate([noisy(3.0, seed=n), np.zeros(4000)]) for n in range(6)])
    pieces = (sound[start : start + 16000] for start in range(0, len(sound), 16000))
    found = list(predict.segments(pieces, 8000, 8.0))
    np.testing.assert_array_equal(np.concatenate([samples for _, samples in found]), sound)
    assert all(len(samples) <= 8 * 8000 for _, samples in found)
    for start, _ in found[1:]:
        assert 3.0 <= start % 3.5 <= 3.5
    ends = np.cumsum([len(samples) for _, samples in found]) / 8000
    np.testing.assert_allclose([start for start, _ in found[1:]], ends[:-1])


def test_only_a_piece_is_held_at_a_time():
    held = []

    def pieces():
        for number in range(100):
            held.append(number)
            yield noisy(1.0, seed=number)

    segments = predict.segments(pieces(), 8000, 4.0)
    next(segments)
    assert len(held) <= 6


def asked(params, fitted, path, name=None):
    """Requests of a file, and its skips."""
    entries = list(predict.requests(params, fitted, UserFile(path, name or path.name)))
    return [e for e in entries if not isinstance(e, Skip)], [
        e for e in entries if isinstance(e, Skip)
    ]


def test_a_file_is_asked_for_at_its_own_rate_and_under_its_name(tmp_path, fitted):
    path = write(tmp_path / "b.mp3", noisy(1.0, rate_hz=32000), 32000)
    [(meta, request)], skips = asked(params(), fitted, path, "sub/b.mp3")
    assert (meta, skips) == ({"file": "sub/b.mp3", "start_s": 0.0, "end_s": 1.0}, [])
    samples, rate_hz = audio.samples(request["wav"])
    assert (rate_hz, len(samples)) == (32000, 32000)


@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100])
def test_predict_sends_the_very_samples_that_the_endpoint_finds_in_the_file(
    tmp_path, fitted, rate_hz
):
    path = write(tmp_path / "a.wav", noisy(1.0, rate_hz=rate_hz), rate_hz)
    [(_, request)], _ = asked(params(), fitted, path)
    sent, posted = (
        wav_reader.decode(tf.constant([content]), 8000)[0].numpy()
        for content in (request["wav"], path.read_bytes())
    )
    np.testing.assert_array_equal(sent, posted)


def test_silence_is_left_out_and_named(tmp_path, fitted):
    path = write(tmp_path / "mute.wav", np.zeros(4000))
    assert asked(params(), fitted, path) == ([], [Skip("silence", "mute.wav 0.0-0.5 s")])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"text " * 99, "not a sound file of a known kind, or a broken one"),
        (b"", "the file is empty"),
        (test_audio.M4A, "MP4 or M4A is read by ffmpeg, which is not installed"),
    ],
)
def test_what_is_no_sound_is_refused_by_name(tmp_path, fitted, monkeypatch, content, reason):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(UserError, match=f"sub/a.wav: {reason}.*; wanted sound, such as a WAV"):
        asked(params(), fitted, tmp_path / "a.wav", "sub/a.wav")


def test_a_file_without_samples_is_refused(tmp_path, fitted):
    path = write(tmp_path / "a.wav", np.zeros(0))
    with pytest.raises(UserError, match="a.wav: 0 frames of sound"):
        asked(params(), fitted, path)


@pytest.mark.parametrize("subtype", ["PCM_24", "PCM_32", "PCM_U8", "DOUBLE", "ULAW"])
def test_other_codings_are_asked_for_as_16_bit(tmp_path, fitted, subtype):
    samples = noisy(1.0)
    path = write(tmp_path / "a.wav", samples, subtype=subtype)
    [(_, request)], _ = asked(params(), fitted, path)
    np.testing.assert_allclose(audio.samples(request["wav"])[0], samples, atol=0.02)


def test_a_recording_is_cut_to_what_a_request_may_hold(tmp_path, fitted):
    path = write(tmp_path / "a.wav", noisy(5.0))
    requests, _ = asked(params(longest_seconds=2.0), fitted, path)
    lengths = [len(audio.samples(request["wav"])[0]) for _, request in requests]
    assert len(lengths) > 2 and max(lengths) <= 16000 and sum(lengths) == 40000


def test_hot_words_ask_another_endpoint(tmp_path, fitted):
    path = write(tmp_path / "a.wav", noisy(1.0))
    [(_, request)], _ = asked(params(hot_words="Igor, Castle!"), fitted, path)
    weights = {*WEIGHTS, "hot_weight"}
    assert request.keys() == {"wav", "hot_words"} | weights
    assert request["hot_words"] == "igor castle"


@pytest.mark.parametrize("words", ["...", "замок"])
def test_hot_words_the_model_cannot_spell_are_refused(tmp_path, fitted, words):
    path = write(tmp_path / "a.wav", noisy(1.0))
    with pytest.raises(UserError, match="hot_words"):
        asked(params(hot_words=words), fitted, path)


def answer(text, times):
    words = text.split()
    return {
        "text": text,
        "score": np.float32(-0.25),
        "words": np.array([word.encode() for word in words] + [b""], object),
        "start_s": np.array([start for start, _ in times] + [0.0]),
        "end_s": np.array([end for _, end in times] + [0.0]),
        "confidence": np.array([0.5] * len(words) + [0.0]),
    }


ROWS = [
    (
        {"file": "a.wav", "start_s": 0.0, "end_s": 5.0},
        answer("one two three", [(0.5, 1.0), (1.1, 1.5), (3.0, 3.5)]),
    ),
    ({"file": "a.wav", "start_s": 3600.0, "end_s": 3605.0}, answer("four", [(0.25, 1.0)])),
    ({"file": "b/c.mp3", "start_s": 0.0, "end_s": 1.0}, answer("", [])),
]


def test_subtitles_have_the_recordings_times(tmp_path):
    written = predict.render(params(subtitles="srt"), None, ROWS, tmp_path)
    names = ["transcripts.tsv", "transcripts.json", "a.wav.srt", "b~c.mp3.srt"]
    assert [path.name for path in written] == names
    assert (tmp_path / "a.wav.srt").read_text() == (
        "1\n00:00:00,500 --> 00:00:01,500\none two\n\n"
        "2\n00:00:03,000 --> 00:00:03,500\nthree\n\n"
        "3\n01:00:00,250 --> 01:00:01,000\nfour\n\n"
    )
    assert (tmp_path / "b~c.mp3.srt").read_text() == ""


def test_json_has_every_words_times_by_recording_and_stretch(tmp_path):
    predict.render(params(), None, ROWS, tmp_path)
    first, second = json.loads((tmp_path / "transcripts.json").read_text())
    assert (first["file"], second["file"]) == ("a.wav", "b/c.mp3")
    assert [(s["start_s"], s["end_s"], s["text"]) for s in first["segments"]] == [
        (0.0, 5.0, "one two three"),
        (3600.0, 3605.0, "four"),
    ]
    assert first["segments"][1]["words"] == [
        {"word": "four", "start_s": 3600.25, "end_s": 3601.0, "confidence": 0.5}
    ]
    assert second["segments"] == [
        {"start_s": 0.0, "end_s": 1.0, "text": "", "score": -0.25, "words": []}
    ]


def test_ctm_has_a_line_for_each_word(tmp_path):
    written = predict.render(params(words="ctm", subtitles="none"), None, ROWS, tmp_path)
    assert [path.name for path in written] == ["transcripts.tsv", "transcripts.ctm"]
    lines = (tmp_path / "transcripts.ctm").read_text().splitlines()
    assert lines[0] == "a.wav 1 0.50 0.50 one 0.50"
    assert lines[3] == "a.wav 1 3600.25 0.75 four 0.50"


def test_files_of_one_stem_and_of_long_names_have_outputs_of_their_own(tmp_path):
    names = ["a.1.wav", "a.2.wav", "x/a.wav", "x~a.wav", "l" * 250 + ".wav", "l" * 251 + ".wav"]
    rows = [({"file": name, "start_s": 0.0, "end_s": 1.0}, ROWS[1][1]) for name in names]
    written = predict.render(params(words="none"), None, rows, tmp_path)
    assert len({*written}) == 1 + len(names) and all(path.exists() for path in written)
    assert [path.name for path in written[1:4]] == ["a.1.wav.srt", "a.2.wav.srt", "x~a.wav.srt"]


def test_a_name_with_a_tab_or_of_another_encoding_is_one_cell(tmp_path):
    names = ["a\tb.wav", os.fsdecode(b"\xff.wav")]
    rows = [({"file": name, "start_s": 0.0, "end_s": 1.0}, ROWS[1][1]) for name in names]
    predict.render(params(), None, rows, tmp_path)
    lines = (tmp_path / "transcripts.tsv").read_text().splitlines()[1:]
    assert [line.split("\t")[0] for line in lines] == ["a\\tb.wav", "\\udcff.wav"]
    assert len(json.loads((tmp_path / "transcripts.json").read_text())) == 2


def test_the_table_has_a_row_for_each_piece(tmp_path):
    predict.render(params(subtitles="none", words="none"), None, ROWS, tmp_path)
    rows = [line.split("\t") for line in (tmp_path / "transcripts.tsv").read_text().splitlines()]
    assert rows[0] == list(predict.COLUMNS)
    assert rows[1] == ["a.wav", "0.00", "5.00", "one two three", "-0.2500", "0.50 0.50 0.50"]
    assert rows[3] == ["b/c.mp3", "0.00", "1.00", "", "-0.2500", ""]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["transcripts.tsv"]
