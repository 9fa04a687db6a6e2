"""Made-up tunes for the tests of jazz: eight bars of C F C G under arpeggios."""

import json
from types import SimpleNamespace

import keras
import mido
import numpy as np
import pytest

from seqapps.apps.jazz import tunes
from seqapps.apps.jazz.params import Train
from seqapps.apps.jazz.performance import Performance
from seqapps.apps.jazz.preprocess import REQUEST
from seqapps.apps.jazz.scores import Score

ABC = """X:1
T:One
M:4/4
L:1/8
K:G
"G"GABc "D7"d2 d2|"G"B4 B4|GABc d2 d2|B4 B4|
X:2
T:Two
M:6/8
L:1/8
K:Em
EGB e2B|EGB e2B|EGB e2B|EGB e2B|
"""
KERN = "**kern\n*M2/4\n*k[f#]\n=1\n4g\n8a\n8b\n=2\n2cc\n=3\n*-\n"

CHORDS = ((60, 64, 67), (65, 69, 72), (60, 64, 67), (67, 71, 74))


KNOWN = [(pitch - 36 + 1) * 48 + 6 - 1 for pitch in (72, 76, 77, 79)]


TABLE = {
    "seed": 1,
    "epochs": 1,
    "batch_size": 2,
    "learning_rate": 0.01,
    "clip_norm": 1.0,
    "patience_epochs": 1,
    "units": 8,
    "dropout": 0.0,
    "window_notes": 16,
    "tbptt_steps": 4,
    "transpose_semitones": 3,
    "transpose_share": 0.5,
}


def made_up(name="tune", *, up=0, repeats=2, meter=(4, 4), symbols=False) -> Score:
    """A score whose right hand plays chords as quavers over its left hand's whole notes."""
    melody, bass = [], []
    for bar in range(4 * repeats):
        chord = CHORDS[bar % 4]
        for place in range(8):
            pitch = chord[(place * (bar + 1)) % 3] + 12 + up
            melody.append((bar * 4 + place / 2, bar * 4 + place / 2 + 0.5, pitch))
        bass += [(bar * 4.0, bar * 4 + 4.0, pitch - 24 + up) for pitch in chord]
    score = Score(name, [melody, bass], keys=[(0.0, up % 12)], meters=[(0.0, *meter)])
    if symbols:
        score.parts = score.parts[:1]
        score.symbols = [
            (4.0 * n, sorted(pitch % 12 for pitch in CHORDS[n % 4]), CHORDS[n % 4][0] % 12)
            for n in range(4 * repeats)
        ]
    return score


def midi(path, tracks, *, quarter=96):
    """Writes a MIDI file of tracks, each a list of messages, and returns its path."""
    file = mido.MidiFile(type=1, ticks_per_beat=quarter)
    for messages in tracks:
        file.tracks.append(mido.MidiTrack(messages))
    file.save(path)
    return path


def notes(pitches, *, channel=0, ticks=48, velocity=80):
    """Messages of notes one after the other."""
    messages = []
    for pitch in pitches:
        messages.append(
            mido.Message("note_on", note=pitch, velocity=velocity, channel=channel, time=0)
        )
        messages.append(
            mido.Message("note_on", note=pitch, velocity=0, channel=channel, time=ticks)
        )
    return messages


def params(**train) -> SimpleNamespace:
    """Parameters with a small network."""
    return SimpleNamespace(train=Train(**TABLE | train))


def stirred(model: keras.Model, seed: int = 1) -> keras.Model:
    """The model with its weights moved, so that nothing is zero by initialization."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if weight.dtype == "float32":
            weight.assign(weight + rng.normal(size=weight.shape, scale=0.2).astype(np.float32))
    return model


@pytest.fixture
def score() -> Score:
    """Eight bars in C."""
    return made_up()


@pytest.fixture
def assets(tmp_path):
    """A folder of assets in which four values of the made-up tune are known."""
    folder = tmp_path / "assets"
    folder.mkdir()
    (folder / "values.json").write_text(json.dumps(KNOWN))
    return folder


@pytest.fixture
def truth():
    found = [tunes.arrange(made_up(name, repeats=n)) for name, n in (("a", 1), ("b", 2))]
    columns = {}
    for name in REQUEST:
        columns[name] = np.empty(2, object)
        columns[name][:] = [tune.columns()[name] for tune in found]
    return columns | {
        "key": np.array(["a", "b"], object),
        "group": np.array(["a", "b"], object),
        "fold": np.array(["one", "one"], object),
    }


@pytest.fixture
def played():
    score = made_up(repeats=1)
    solo = [(0.0, 0.5, 72), (0.5, 1.0, 74), (1.0, 4 / 3, 76), (4 / 3, 4.0, 77), (5.0, 16.0, 79)]
    return Performance("Test", solo, score.parts[1], (4, 4), 0.0, 0)
