"""PocketSphinx, the rival that has heard thousands of speakers: as its wheel has it, and adapted.

Adapted means that it knows the train lines: its language model becomes ours of words (see
`word_model`), the same counts over the same general English, as far as its dictionary can
pronounce them.
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from pocketsphinx import Decoder, get_model_path

from seqapps.apps.asr import ingest
from seqapps.apps.asr.data import audio, normaliser
from seqapps.apps.asr.decode import word_model
from seqapps.apps.asr.decode.word_model import BEGINNING, General
from seqapps.kit import progress

SPHINX_HZ = 16000
DICTIONARY = "en-us/cmudict-en-us.dict"
ENDING = "</s>"


def texts(raw: Path, keys: np.ndarray, *, lines: Iterable[str] = ()) -> list[str]:
    """The texts of N recordings, normalised as ours are.

    It gets the recording at its own rate, brought to the 16 kHz its model wants: never less than
    the network gets.

    Args:
        raw: ingest's folder.
        keys: (N,) of the clips.
        lines: normalised train lines, of which its language model is made; none: its own.
    """
    paths = {row["key"]: row["path"] for row in ingest.clips(raw)}
    with tempfile.TemporaryDirectory() as scratch:
        options = {}
        if lines := list(lines):
            options["lm"] = str(Path(scratch) / "lines.lm")
            write_arpa(Path(options["lm"]), adapted(lines))
        decoder = Decoder(samprate=float(SPHINX_HZ), loglevel="FATAL", **options)
        what = "asr pocketsphinx" + (" with the train lines" if lines else "")
        return [
            _decoded(decoder, paths[key])
            for key in progress.over(keys, what=what, unit="clips", total=len(keys))
        ]


def adapted(lines: Iterable[str]) -> General:
    """The bigrams of normalised lines over general English, of words the dictionary pronounces."""
    pronounced = _dictionary()
    general = word_model.general("en", {word: 1.0 for word in pronounced})
    words = {word for word in {*general.words, *" ".join(lines).split()} if word in pronounced}
    closed = [[BEGINNING, *line.split(), ENDING] for line in lines]
    return word_model.laid_over(general, closed, words={*words, ENDING})


def write_arpa(path: Path, model: General) -> None:
    """Writes a model of pairs in ARPA's form: logarithms to the base 10."""
    with path.open("w") as file:
        file.write(f"\\data\\\nngram 1={len(model.backoff)}\nngram 2={len(model.pairs)}\n")
        file.write("\n\\1-grams:\n")
        for word, backoff in model.backoff.items():
            log_prob = model.words[word] / np.log(10) if word in model.words else -99.0
            file.write(f"{log_prob:.4f} {word} {backoff / np.log(10):.4f}\n")
        file.write("\n\\2-grams:\n")
        for (before, word), log_prob in model.pairs.items():
            file.write(f"{log_prob / np.log(10):.4f} {before} {word}\n")
        file.write("\n\\end\\\n")


def _dictionary() -> set[str]:
    lines = Path(get_model_path(DICTIONARY)).read_text().splitlines()
    return {line.split()[0] for line in lines if line.strip()}


def _decoded(decoder: Decoder, path: str) -> str:
    samples, rate_hz = audio.read(Path(path))
    samples = audio.resample(samples, rate_hz, wanted_hz=SPHINX_HZ)
    decoder.start_utt()
    whole = np.clip(samples, -1.0, 1.0) * (2**15 - 1)  # resampling may reach beyond
    decoder.process_raw(whole.astype("<i2").tobytes(), full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    return normaliser.normalise(hypothesis.hypstr, "en") if hypothesis else ""
