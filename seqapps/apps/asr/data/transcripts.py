"""Transcripts in files: JSON and CTM of words, SRT and WebVTT of lines.

Times are seconds from the beginning of the recording.
"""

import json
from collections.abc import Iterable, Iterator
from typing import IO, NamedTuple
from urllib.parse import quote

CUE_SECONDS, CUE_CHARACTERS, CUE_PAUSE_SECONDS = 6.0, 80, 1.0


class Word(NamedTuple):
    """A word, its start and end in seconds, and its confidence from 0 to 1."""

    word: str
    start_s: float
    end_s: float
    confidence: float


class Segment(NamedTuple):
    """A stretch of a recording: start and end in seconds, text, score, and the text's words."""

    start_s: float
    end_s: float
    text: str
    score: float
    words: list[Word]


class Cue(NamedTuple):
    """A line of subtitles: start and end in seconds, and its text."""

    start_s: float
    end_s: float
    text: str


class Json:
    """An open JSON file: a list of recordings, each `{"file": name, "segments": [...]}`."""

    def __init__(self, file: IO[str]):
        self._file, self._recordings = file, 0

    def add(self, name: str, segments: Iterable[Segment]) -> None:
        """Writes a recording."""
        listed = [one._asdict() | {"words": [w._asdict() for w in one.words]} for one in segments]
        self._file.write(",\n" if self._recordings else "[\n")
        self._file.write(json.dumps({"file": name, "segments": listed}, ensure_ascii=False))
        self._recordings += 1

    def end(self) -> None:
        """Writes the end of the list."""
        self._file.write("\n]\n" if self._recordings else "[]\n")


class Ctm:
    """An open CTM file (NIST's sclite): recording, channel, start, duration, word, confidence.

    A recording's name has no spaces there: they are written as in an address, %20.
    """

    def __init__(self, file: IO[str]):
        self._file = file

    def add(self, name: str, segments: Iterable[Segment]) -> None:
        """Writes the words of a recording."""
        name = "".join(quote(sign) if sign.isspace() or sign in "%;" else sign for sign in name)
        for word in (word for segment in segments for word in segment.words):
            length = word.end_s - word.start_s
            self._file.write(
                f"{name} 1 {word.start_s:.2f} {length:.2f} {word.word} {word.confidence:.2f}\n"
            )

    def end(self) -> None:
        """Writes nothing."""


class Subtitles:
    """An open SRT ("srt") or WebVTT ("vtt") file."""

    def __init__(self, file: IO[str], kind: str):
        self._file, self._point, self._count = file, {"srt": ",", "vtt": "."}[kind], 0
        if kind == "vtt":
            file.write("WEBVTT\n\n")

    def add(self, cues: Iterable[Cue]) -> None:
        """Writes lines."""
        for start, end, text in cues:
            self._count += 1
            self._file.write(
                f"{self._count}\n{self._time(start)} --> {self._time(end)}\n{text}\n\n"
            )

    def _time(self, seconds: float) -> str:
        thousandths = round(seconds * 1000)
        whole, rest = divmod(thousandths, 1000)
        clock = f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
        return f"{clock}{self._point}{rest:03d}"


def cues(words: Iterable[Word]) -> Iterator[Cue]:
    """Words gathered into lines.

    A line ends before a pause of a second, at 6 seconds or 80 characters.
    """
    line: list[str] = []
    begin = last = 0.0
    for word, start, end, _ in words:
        too_long = len(" ".join([*line, word])) > CUE_CHARACTERS or end - begin > CUE_SECONDS
        if line and (too_long or start - last > CUE_PAUSE_SECONDS):
            yield Cue(begin, last, " ".join(line))
            line = []
        if not line:
            begin = start
        line.append(word)
        last = end
    if line:
        yield Cue(begin, last, " ".join(line))
