"""A user's recordings in, tables and subtitles out."""

import numpy as np
import pytest

from seqapps.app import Skip
from seqapps.apps.asr import predict
from seqapps.apps.asr.data import audio
from seqapps.apps.asr.params import WEIGHTS
from seqapps.config import UserError
from tests.apps.asr.conftest import noisy, parameters, write


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


def test_a_folder_gives_its_sounds_and_names_what_it_cannot_read(tmp_path, fitted):
    write(tmp_path / "in/a.flac", noisy(1.0, rate_hz=16000), 16000)
    write(tmp_path / "in/sub/b.mp3", noisy(1.0, rate_hz=32000), 32000)
    write(tmp_path / "in/mute.wav", np.zeros(4000))
    (tmp_path / "in/broken.wav").write_bytes(b"text " * 99)
    (tmp_path / "in/readme.txt").write_text("no sound")
    entries = list(predict.requests(params(), fitted, [tmp_path / "in"]))
    skipped = [entry.reason for entry in entries if isinstance(entry, Skip)]
    assert skipped == ["not a WAV, FLAC, Ogg Vorbis or MP3 file, or a broken one", "silence"]
    asked = [entry for entry in entries if not isinstance(entry, Skip)]
    assert [meta["file"] for meta, _ in asked] == ["a.flac", "sub/b.mp3"]
    samples, rate_hz = audio.samples(asked[0][1]["wav"])
    assert (rate_hz, len(samples)) == (8000, 8000)


def test_a_recording_is_cut_to_what_a_request_may_hold(tmp_path, fitted):
    path = write(tmp_path / "a.wav", noisy(5.0))
    asked = list(predict.requests(params(longest_seconds=2.0), fitted, [path]))
    lengths = [len(audio.samples(request["wav"])[0]) for _, request in asked]
    assert len(lengths) > 2 and max(lengths) <= 16000 and sum(lengths) == 40000


def test_hot_words_ask_another_endpoint(tmp_path, fitted):
    path = write(tmp_path / "a.wav", noisy(1.0))
    [(_, request)] = predict.requests(params(hot_words="Igor, Castle!"), fitted, [path])
    weights = {*WEIGHTS, "hot_weight"}
    assert request.keys() == {"wav", "hot_words"} | weights
    assert request["hot_words"] == "igor castle"


@pytest.mark.parametrize("words", ["...", "замок"])
def test_hot_words_the_model_cannot_spell_are_refused(tmp_path, fitted, words):
    path = write(tmp_path / "a.wav", noisy(1.0))
    with pytest.raises(UserError, match="hot_words"):
        list(predict.requests(params(hot_words=words), fitted, [path]))


def test_what_is_no_sound_is_refused(tmp_path, fitted):
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(UserError, match="no known ending"):
        list(predict.requests(params(), fitted, [tmp_path / "a.txt"]))
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match="no sound file"):
        list(predict.requests(params(), fitted, [tmp_path / "none"]))


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
    assert [path.name for path in written] == ["transcripts.tsv", "a.wav.srt", "b~c.mp3.srt"]
    assert (tmp_path / "a.wav.srt").read_text() == (
        "1\n00:00:00,500 --> 00:00:01,500\none two\n\n"
        "2\n00:00:03,000 --> 00:00:03,500\nthree\n\n"
        "3\n01:00:00,250 --> 01:00:01,000\nfour\n\n"
    )
    assert (tmp_path / "b~c.mp3.srt").read_text() == ""


def test_webvtt_has_its_header_and_points(tmp_path):
    predict.render(params(subtitles="vtt"), None, ROWS[:1], tmp_path)
    lines = (tmp_path / "a.wav.vtt").read_text().splitlines()
    assert lines[:4] == ["WEBVTT", "", "1", "00:00:00.500 --> 00:00:01.500"]


def test_the_table_has_a_row_for_each_piece(tmp_path):
    predict.render(params(subtitles="none"), None, ROWS, tmp_path)
    rows = [line.split("\t") for line in (tmp_path / "transcripts.tsv").read_text().splitlines()]
    assert rows[0] == list(predict.COLUMNS)
    assert rows[1] == ["a.wav", "0.00", "5.00", "one two three", "-0.2500", "0.50 0.50 0.50"]
    assert rows[3] == ["b/c.mp3", "0.00", "1.00", "", "-0.2500", ""]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["transcripts.tsv"]


def test_a_line_of_subtitles_is_neither_too_long_nor_too_wide():
    words = [("word", float(n), n + 0.9) for n in range(20)]
    found = list(predict.cues(words))
    assert all(end - start <= predict.CUE_SECONDS for start, end, _ in found)
    assert " ".join(text for _, _, text in found) == " ".join(["word"] * 20)
    wide = [("w" * 30, n / 10, n / 10 + 0.1) for n in range(6)]
    assert max(len(text) for _, _, text in predict.cues(wide)) <= predict.CUE_CHARACTERS
