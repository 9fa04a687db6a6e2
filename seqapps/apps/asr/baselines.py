"""Baselines: no text, the most frequent sentence, the nearest template, PocketSphinx.

Every rival answers with one text per test clip, an object array (N,).
"""

from collections import Counter
from pathlib import Path

import librosa
import numpy as np

from seqapps.app import Columns, Record
from seqapps.apps.asr import sphinx
from seqapps.apps.asr.data import audio
from seqapps.kit import progress

TEMPLATE_HOP_SECONDS = 0.04
TEMPLATE_MFCCS = 13
LONGER = 1.5
"""Templates more than this much longer or shorter than a clip are not compared with it."""


def empty(truth: Columns) -> np.ndarray:
    """Empty texts (N,): every word is a deletion, WER 1."""
    return _texts(["" for _ in truth["key"]])


def most_frequent(train: list[Record], truth: Columns) -> np.ndarray:
    """The most frequent train sentence (the shorter, if several) for every clip, texts (N,)."""
    counts = Counter(row["text"].decode() for row in train)
    best = min(counts, key=lambda text: (-counts[text], len(text), text))
    return _texts([best for _ in truth["key"]])


def nearest_template(train: list[Record], truth: Columns) -> np.ndarray:
    """Texts (N,) of the nearest train clips by dynamic time warping (Sakoe & Chiba 1978).

    On 13 MFCCs every 40 ms, each with mean 0 and deviation 1 over the clip; the path's cost is
    divided by the lengths of both. A clip that trains several times is one template.
    """
    text_of = {row["wav"]: row["text"].decode() for row in train}
    templates = [(_mfcc(wav), transcript) for wav, transcript in text_of.items()]
    answers = []
    for wav in progress.over(truth["wav"], what="asr dtw", unit="clips", total=len(truth["wav"])):
        clip = _mfcc(wav)
        near = [
            (_distance(clip, other), transcript)
            for other, transcript in templates
            if 1 / LONGER <= other.shape[1] / clip.shape[1] <= LONGER
        ]
        answers.append(min(near)[1] if near else "")
    return _texts(answers)


def pocketsphinx(raw: Path, keys: np.ndarray, *, lines: list[str]) -> np.ndarray:
    """Texts (N,) of PocketSphinx with its own language model, or one of the train lines."""
    return _texts(sphinx.texts(raw, keys, lines=lines))


def _mfcc(wav: bytes) -> np.ndarray:
    samples, rate_hz = audio.samples(wav)
    hop = int(TEMPLATE_HOP_SECONDS * rate_hz)
    features = librosa.feature.mfcc(
        y=samples, sr=rate_hz, n_mfcc=TEMPLATE_MFCCS, n_fft=2 * hop, hop_length=hop, n_mels=26
    )
    centred = features - features.mean(axis=1, keepdims=True)
    return centred / (centred.std(axis=1, keepdims=True) + 1e-6)


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    cost = librosa.sequence.dtw(one, other, backtrack=False)
    return float(cost[-1, -1]) / (one.shape[1] + other.shape[1])


def _texts(texts: list[str]) -> np.ndarray:
    column = np.empty(len(texts), object)
    column[:] = texts
    return column
