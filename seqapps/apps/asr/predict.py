"""Predict: recordings of any length -> requests; answers -> a table, words and subtitles.

A recording is read a minute at a time and cut in the quietest places, so that an hour passes in
bounded memory; nothing is left out between two cuts. Requests have the recording's own rate: the
graph has the one resampler.
"""

import hashlib
import itertools
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from seqapps.app import Meta, Record, Skip, UserFile
from seqapps.apps.asr import preprocess
from seqapps.apps.asr.data import audio, normaliser
from seqapps.apps.asr.data.transcripts import Ctm, Json, Segment, Subtitles, Word, cues
from seqapps.apps.asr.nn import frontend
from seqapps.apps.asr.params import WEIGHTS, Params
from seqapps.config import UserError

FRAME_SECONDS, PAUSE_SECONDS = 0.02, 0.3
EARLIEST_CUT = 1 / 3
"""Cuts lie in the last two thirds of what a request may hold."""

COLUMNS = ("file", "start_s", "end_s", "text", "score", "confidence")
WORDS = {"json": ("transcripts.json", Json), "ctm": ("transcripts.ctm", Ctm)}
LONGEST_NAME_BYTES = 240
"""Of an output file: what every file system takes, with a little to spare."""


def requests(
    params: Params, assets: Path, file: UserFile | None
) -> Iterator[tuple[Meta, Record] | Skip]:
    """`(meta, {"wav": bytes})` for each piece of a recording, in order, or a Skip.

    With `predict.hot_words` the request is that of the endpoint `tuned`.

    Args:
        params: `predict` and `evaluate` (weights of the search).
        assets: the exported model's folder with `assets.json`.
        file: a sound file.

    Raises:
        UserError: the file holds no sound, the sound breaks off, or a biasing word has letters the
            model does not know.
    """
    assert file is not None  # no option holds the input instead
    extra = _hot(params, preprocess.facts(assets)["language"])
    try:
        sound = audio.pieces(file.path)
        first, rate_hz = next(sound)
        samples = itertools.chain([first], (piece for piece, _ in sound))
        if not len(first):
            raise audio.Unreadable("0 frames of sound")
        for start, part in segments(samples, rate_hz, params.predict.longest_seconds):
            end = start + len(part) / rate_hz
            if np.abs(part).max() < frontend.SILENCE:
                yield Skip("silence", f"{file.name} {start:.1f}-{end:.1f} s")
            else:
                meta = {"file": file.name, "start_s": start, "end_s": end}
                yield meta, {"wav": audio.wav(part, rate_hz)} | extra
    except audio.Unreadable as error:
        raise UserError(
            f"{file.name}: {error}; wanted sound, such as a WAV, FLAC, Ogg or MP3 file"
        ) from None


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
    """Writes a table, a file of words and a subtitle file per recording; returns their paths.

    `transcripts.tsv` has a row per stretch with the columns file, start_s, end_s, text, score,
    confidence (of the words, in their order); `transcripts.json` or `.ctm` has the words with their
    times in seconds; `<file>.srt` or `.vtt` has lines of words.

    Args:
        params: `predict.words` "json", "ctm" or "none", `predict.subtitles` "srt", "vtt" or "none".
        assets: not read.
        rows: each request's meta and answer, in request order.
        out: an empty folder.
    """
    del assets
    table = out / "transcripts.tsv"
    written, used = [table], set()
    kind = params.predict.subtitles
    with ExitStack() as opened:

        def create(path: Path):
            # File names need not be UTF-8.
            return opened.enter_context(path.open("w", encoding="utf-8", errors="backslashreplace"))

        rows_file = create(table)
        rows_file.write("\t".join(COLUMNS) + "\n")
        words = None
        if params.predict.words != "none":
            name, form = WORDS[params.predict.words]
            written.append(out / name)
            words = form(create(out / name))
        for name, of_file in itertools.groupby(rows, lambda row: row[0]["file"]):
            stretches = []
            for meta, answer in of_file:
                stretches.append(_segment(meta, answer))
                rows_file.write("\t".join(_cells(name, stretches[-1])) + "\n")
            if words:
                words.add(name, stretches)
            if kind != "none":
                path = out / _unlike(name, f".{kind}", used=used)
                with path.open("w", encoding="utf-8") as file:
                    spoken = (word for stretch in stretches for word in stretch.words)
                    Subtitles(file, kind).add(cues(spoken))
                written.append(path)
        if words:
            words.end()
    return written


def example_input(row: Record, out: Path) -> Path:
    """The recording of a request, as `example.wav` in `out`."""
    path = out / "example.wav"
    path.write_bytes(row["wav"])
    return path


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


def _quietest(samples: np.ndarray, rate_hz: int) -> int:
    """The sample to cut at: the middle of the quietest pause in the last two thirds."""
    frame = int(FRAME_SECONDS * rate_hz)
    count = len(samples) // frame
    energy = (samples[: count * frame].reshape(count, frame) ** 2).mean(axis=1)
    width = round(PAUSE_SECONDS / FRAME_SECONDS)
    level = np.convolve(energy, np.ones(width), "valid")
    first = int(len(level) * EARLIEST_CUT)
    return (first + int(np.argmin(level[first:])) + width // 2) * frame


def _unlike(name: str, suffix: str, *, used: set[str]) -> str:
    """The name of a recording's output file, unlike any in `used`, which it joins."""
    flat = name.replace("/", "~")
    if len(os.fsencode(flat + suffix)) > LONGEST_NAME_BYTES or flat + suffix in used:
        digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:12]
        flat = f"{flat[: LONGEST_NAME_BYTES // 8]}~{digest}"  # at most four bytes a character
    used.add(flat + suffix)
    return flat + suffix


def _segment(meta: Meta, answer: Record) -> Segment:
    columns = (answer[name] for name in ("words", "start_s", "end_s", "confidence"))
    words = [
        Word(
            word.decode(),
            round(meta["start_s"] + float(start), 3),
            round(meta["start_s"] + float(end), 3),
            round(float(confidence), 4),
        )
        for word, start, end, confidence in zip(*columns, strict=True)
        if word
    ]
    times = round(meta["start_s"], 3), round(meta["end_s"], 3)
    return Segment(*times, str(answer["text"]), round(float(answer["score"]), 4), words)


def _cells(name: str, segment: Segment) -> list[str]:
    return [
        re.sub(r"[\t\n\r]", lambda sign: repr(sign[0])[1:-1], name),
        f"{segment.start_s:.2f}",
        f"{segment.end_s:.2f}",
        segment.text,
        f"{segment.score:.4f}",
        " ".join(f"{word.confidence:.2f}" for word in segment.words),
    ]
