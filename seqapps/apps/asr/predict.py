"""Predict: recordings of any length -> requests; answers -> a table and subtitles with word times.

A recording is read a minute at a time and cut in the quietest places, so that an hour passes in
bounded memory; nothing is left out between two cuts.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from seqapps.app import Meta, Record, Skip
from seqapps.apps.asr import preprocess
from seqapps.apps.asr.data import audio, normaliser
from seqapps.apps.asr.params import WEIGHTS, Params
from seqapps.config import UserError

FRAME_SECONDS, PAUSE_SECONDS = 0.02, 0.3
EARLIEST_CUT = 1 / 3
"""Cuts lie in the last two thirds of what a request may hold."""

CUE_SECONDS, CUE_CHARACTERS, CUE_PAUSE_SECONDS = 6.0, 80, 1.0
COLUMNS = ("file", "start_s", "end_s", "text", "score", "confidence")
Cue = tuple[float, float, str]


def requests(
    params: Params, assets: Path, paths: list[Path]
) -> Iterator[tuple[Meta, Record] | Skip]:
    """`(meta, {"wav": bytes})` for each piece of the recordings, in order, or a Skip.

    With `predict.hot_words` the request is that of the endpoint `tuned`.

    Args:
        params: `predict` and `evaluate` (weights of the search).
        assets: the exported model's folder with `assets.json`.
        paths: sound files, or folders that are searched for them.

    Raises:
        UserError: a path is no sound file, or a biasing word has letters the model does not know.
    """
    facts = preprocess.facts(assets)
    extra = _hot(params, facts["language"])
    rate_hz, longest = facts["sample_rate_hz"], params.predict.longest_seconds
    for path, name in _files(paths):
        try:
            sound = (audio.resample(s, hz, wanted_hz=rate_hz) for s, hz in audio.pieces(path))
            for start, samples in segments(sound, rate_hz, longest):
                end = start + len(samples) / rate_hz
                meta = {"file": name, "start_s": start, "end_s": end}
                if np.abs(samples).max() < preprocess.SILENCE:
                    yield Skip("silence", f"{name} {start:.1f}-{end:.1f} s")
                else:
                    yield meta, {"wav": audio.wav(samples, rate_hz)} | extra
        except audio.Unreadable as error:
            yield Skip(str(error), str(path))


def segments(
    pieces: Iterable[np.ndarray], rate_hz: int, longest_seconds: float
) -> Iterator[tuple[float, np.ndarray]]:
    """`(start in seconds, samples (N,))` of stretches of at most `longest_seconds`, without gaps.

    A cut lies in the middle of the quietest 0.3 s of the last two thirds.
    """
    longest = int(longest_seconds * rate_hz)
    held, start = np.zeros(0, np.float32), 0
    for piece in pieces:
        held = np.concatenate([held, piece])
        while len(held) > longest:
            end = _quietest(held[:longest], rate_hz)
            yield start / rate_hz, held[:end]
            held, start = held[end:], start + end
    if len(held):
        yield start / rate_hz, held


def render(
    params: Params, assets: Path, rows: Iterable[tuple[Meta, Record]], out: Path
) -> list[Path]:
    """Writes `transcripts.tsv` and a subtitle file per recording; returns the files written.

    Columns: file, start_s, end_s, text, score, confidence (of the words, in their order).

    Args:
        params: `predict.subtitles` "srt", "vtt" or "none".
        assets: not read.
        rows: each request's meta and answer, in request order.
        out: a folder.
    """
    del assets
    table = out / "transcripts.tsv"
    written = [table]
    with table.open("w", encoding="utf-8") as file, ExitStack() as open_subtitles:
        file.write("\t".join(COLUMNS) + "\n")
        name, subtitles = None, None
        for meta, answer in rows:
            file.write("\t".join(_cells(meta, answer)) + "\n")
            if params.predict.subtitles != "none" and meta["file"] != name:
                open_subtitles.close()
                name = meta["file"]
                path = out / f"{name.replace('/', '~')}.{params.predict.subtitles}"
                opened = open_subtitles.enter_context(path.open("w", encoding="utf-8"))
                subtitles = Subtitles(opened, params.predict.subtitles)
                written.append(path)
            if subtitles:
                subtitles.add(cues(_timed(meta, answer)))
    return written


def example_input(row: Record, out: Path) -> Path:
    """The recording of a request, as `example.wav` in `out`."""
    path = out / "example.wav"
    path.write_bytes(row["wav"])
    return path


def cues(words: Iterable[tuple[str, float, float]]) -> Iterator[Cue]:
    """Words with start and end, gathered into lines: `(start, end, text)` in seconds.

    A line ends before a pause of a second, at 6 seconds or 80 characters.
    """
    line: list[str] = []
    begin = last = 0.0
    for word, start, end in words:
        too_long = len(" ".join([*line, word])) > CUE_CHARACTERS or end - begin > CUE_SECONDS
        if line and (too_long or start - last > CUE_PAUSE_SECONDS):
            yield begin, last, " ".join(line)
            line = []
        if not line:
            begin = start
        line.append(word)
        last = end
    if line:
        yield begin, last, " ".join(line)


class Subtitles:
    """An open SRT or WebVTT file."""

    def __init__(self, file, kind: str):
        self._file, self._point, self._count = file, {"srt": ",", "vtt": "."}[kind], 0
        if kind == "vtt":
            file.write("WEBVTT\n\n")

    def add(self, cues: Iterable[Cue]) -> None:
        """Writes lines."""
        for start, end, words in cues:
            self._count += 1
            self._file.write(
                f"{self._count}\n{self._time(start)} --> {self._time(end)}\n{words}\n\n"
            )

    def _time(self, seconds: float) -> str:
        thousandths = round(seconds * 1000)
        whole, rest = divmod(thousandths, 1000)
        clock = f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
        return f"{clock}{self._point}{rest:03d}"


def _hot(params: Params, language: str) -> Record:
    if not params.predict.hot_words:
        return {}
    words = normaliser.normalise(params.predict.hot_words.replace(",", " "), language)
    if not words or normaliser.foreign(words, language):
        raise UserError(
            f"predict.hot_words = {params.predict.hot_words!r}: wanted words of the letters "
            f"{normaliser.LETTERS[language].strip()}, separated by commas"
        )
    fixed = {name: np.float32(getattr(params.evaluate, name)) for name in WEIGHTS}
    return fixed | {"hot_weight": np.float32(params.predict.hot_weight), "hot_words": words}


def _files(paths: list[Path]) -> Iterator[tuple[Path, str]]:
    """Sound files and the names they go by: within a folder, the path below it."""
    for path in paths:
        if path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.suffix.lower() in audio.SUFFIXES)
            if not files:
                raise UserError(f"{path}: no sound file; wanted {', '.join(audio.SUFFIXES)}")
            yield from ((one, one.relative_to(path).as_posix()) for one in files)
        elif path.suffix.lower() in audio.SUFFIXES:
            yield path, path.name
        else:
            raise UserError(f"{path} has no known ending; wanted {', '.join(audio.SUFFIXES)}")


def _quietest(samples: np.ndarray, rate_hz: int) -> int:
    """The sample to cut at: the middle of the quietest pause in the last two thirds."""
    frame = int(FRAME_SECONDS * rate_hz)
    count = len(samples) // frame
    energy = (samples[: count * frame].reshape(count, frame) ** 2).mean(axis=1)
    width = round(PAUSE_SECONDS / FRAME_SECONDS)
    level = np.convolve(energy, np.ones(width), "valid")
    first = int(len(level) * EARLIEST_CUT)
    return (first + int(np.argmin(level[first:])) + width // 2) * frame


def _timed(meta: Meta, answer: Record) -> Iterator[tuple[str, float, float]]:
    for word, start, end in zip(answer["words"], answer["start_s"], answer["end_s"], strict=True):
        if word:
            yield word.decode(), meta["start_s"] + float(start), meta["start_s"] + float(end)


def _cells(meta: Meta, answer: Record) -> list[str]:
    confidences = (
        f"{c:.2f}" for w, c in zip(answer["words"], answer["confidence"], strict=True) if w
    )
    return [
        meta["file"],
        f"{meta['start_s']:.2f}",
        f"{meta['end_s']:.2f}",
        str(answer["text"]),
        f"{float(answer['score']):.4f}",
        " ".join(confidences),
    ]
