"""Words in files: their forms, and lines of subtitles."""

import io
import json

from seqapps.apps.asr.data import transcripts
from seqapps.apps.asr.data.transcripts import Segment, Word

HELLO = Segment(
    0.0, 2.0, "hello there", -0.5, [Word("hello", 0.5, 1.0, 0.9), Word("there", 1.25, 1.5, 0.8)]
)


def test_webvtt_has_its_header_and_points():
    file = io.StringIO()
    transcripts.Subtitles(file, "vtt").add(transcripts.cues(HELLO.words))
    assert file.getvalue() == "WEBVTT\n\n1\n00:00:00.500 --> 00:00:01.500\nhello there\n\n"


def test_a_ctm_line_is_recording_channel_start_duration_word_confidence():
    file = io.StringIO()
    form = transcripts.Ctm(file)
    form.add("my file.wav", [HELLO])
    form.end()
    assert file.getvalue() == (
        "my%20file.wav 1 0.50 0.50 hello 0.90\nmy%20file.wav 1 1.25 0.25 there 0.80\n"
    )


def test_json_is_a_list_however_many_recordings_there_are():
    for count in range(3):
        file = io.StringIO()
        form = transcripts.Json(file)
        for number in range(count):
            form.add(f"señor {number}", [HELLO])
        form.end()
        assert [one["file"] for one in json.loads(file.getvalue())] == [
            f"señor {number}" for number in range(count)
        ]


def test_a_line_of_subtitles_is_neither_too_long_nor_too_wide():
    words = [Word("word", float(n), n + 0.9, 1.0) for n in range(20)]
    lines = list(transcripts.cues(words))
    assert all(line.end_s - line.start_s <= transcripts.CUE_SECONDS for line in lines)
    assert " ".join(line.text for line in lines) == " ".join(["word"] * 20)
    wide = [Word("w" * 30, n / 10, n / 10 + 0.1, 1.0) for n in range(6)]
    longest = max(len(line.text) for line in transcripts.cues(wide))
    assert longest <= transcripts.CUE_CHARACTERS
