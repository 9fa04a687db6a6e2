"""Generated sounds: tones that stand for speech, labelled as generated; no recording is copied."""

import json

import numpy as np
import pytest
import soundfile

from seqapps import config
from seqapps.apps.asr import APP, preprocess
from seqapps.apps.asr.data import normaliser, phones
from seqapps.apps.asr.decode import word_model
from seqapps.kit import ngrams

RATE_HZ = 8000
TRAIN = dict(seed=1, epochs=2, batch_size=4, learning_rate=0.01, clip_norm=1.0, patience_epochs=2)
TRAIN |= dict(units=8, layers=1, conv_filters=4, jit_compile=False, monitor="val_cer")


def tone(seconds, *, hz=440.0, rate_hz=RATE_HZ, level=0.3):
    """A tone float32 (N,)."""
    place = np.arange(int(seconds * rate_hz)) / rate_hz
    return (level * np.sin(2 * np.pi * hz * place)).astype(np.float32)


def noisy(seconds, *, seed=0, rate_hz=RATE_HZ):
    """A tone that glides, with noise, float32 (N,): no two seeds sound the same."""
    rng = np.random.default_rng(seed)
    place = np.arange(int(seconds * rate_hz)) / rate_hz
    glide = np.sin(2 * np.pi * (300 + 200 * rng.random() + 80 * place) * place)
    return (0.2 * glide + 0.05 * rng.normal(size=len(place))).astype(np.float32)


def write(path, samples, rate_hz=RATE_HZ, **options):
    """A sound file of the format its suffix says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate_hz, **options)
    return path


def parameters(**tables):
    """Validated parameters, with small defaults."""
    given = {"ingest": {}, "preprocess": {}, "train": TRAIN, "evaluate": {}}
    return APP.params.model_validate(
        {n: given[n] | tables.get(n, {}) for n in given}
        | {n: t for n, t in tables.items() if n not in given}
    )


@pytest.fixture
def listing(tmp_path):
    """Writes a raw folder of clips from (key, text, speaker) rows, sounds included."""

    def make(rows, *, scripts=(), language="en", made=(), widening=(), left_out=(), sounds=True):
        raw = tmp_path / "raw"
        raw.mkdir()
        with (raw / "clips.jsonl").open("w") as file:
            for number, (key, said, speaker) in enumerate(rows):
                row = {"key": key, "file": f"{number}.wav", "text": said, "speaker": speaker}
                row |= {"corpus": key.split("/")[0], "split": dict(made).get(key)}
                row["widens"] = key in widening
                file.write(json.dumps(row) + "\n")
                if sounds:
                    write(raw / f"{number}.wav", noisy(1.0, seed=number))
        (raw / "left_out.jsonl").write_text(
            "".join(json.dumps({"reason": reason, "key": key}) + "\n" for key, reason in left_out)
        )
        (raw / "scripts.jsonl").write_text(
            "".join(json.dumps({"slot": s, "texts": t}) + "\n" for s, t in scripts)
        )
        (raw / "manifest.json").write_text(json.dumps({"language": language}))
        return raw

    return make


@pytest.fixture(scope="session")
def fitted(tmp_path_factory):
    """An assets folder as `preprocess.assets` leaves it."""
    out = tmp_path_factory.mktemp("assets")
    facts = {"language": "en", "letters": normaliser.LETTERS["en"], "sample_rate_hz": RATE_HZ}
    (out / "assets.json").write_text(json.dumps(facts))
    ngrams.fit(["hello there", "good day"], facts["letters"], order=3, words={}).save(
        out / "lm.npz"
    )
    nothing = word_model.General({}, {}, {})
    words = word_model.fit(["hello there", "good day"], facts["letters"], nothing)
    words.save(out / "words.npz")
    phones.save(["hello", "there", "good", "day", "it's", "me"], "en", out)
    assert preprocess.facts(out) == facts
    return out


@pytest.fixture(scope="session")
def small():
    """Parameters up to evaluate of a small network."""
    return config.upto(parameters(evaluate={"beam_width": 4}), "evaluate")
