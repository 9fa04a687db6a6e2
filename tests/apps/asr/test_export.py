"""The endpoints of a small untrained network, written, read back and asked."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from seqapps import config
from seqapps.apps.asr import export, model
from seqapps.apps.asr.data import audio
from seqapps.apps.asr.nn import wav_reader
from seqapps.pipeline import export as exporting
from tests.apps.asr.conftest import noisy, parameters


@pytest.fixture(scope="module")
def exported(fitted, small, tmp_path_factory):
    tf.keras.utils.set_random_seed(1)
    network = model.build(small, fitted)
    # An untrained head hears next to nothing: make it speak its mind.
    network.head.kernel.assign(network.head.kernel * 12)
    folder = tmp_path_factory.mktemp("model") / "1"
    exporting.write(network, export.endpoints(small, network, fitted), folder)
    owner = tf.saved_model.load(str(folder))
    return SimpleNamespace(owner=owner, folder=folder, **owner.signatures)


@pytest.fixture(scope="module")
def wavs():
    return [audio.wav(noisy(seconds, seed=7), 8000) for seconds in (1.1, 0.4, 0.75)]


def texts(answer):
    return [text.decode() for text in answer["text"].numpy()]


def test_the_graph_holds_core_ops_only(exported):
    exporting.check_core_ops(exported.folder)


@pytest.mark.parametrize("endpoint", ["serving_default", "greedy"])
def test_a_batch_of_different_lengths_reads_as_one_by_one(exported, wavs, endpoint):
    ask = getattr(exported, endpoint)
    together = ask(wav=tf.constant(wavs))
    assert len(set(texts(together))) > 1
    for row, wav in enumerate(wavs):
        alone = ask(wav=tf.constant([wav]))
        assert texts(alone) == [texts(together)[row]]
        count = alone["words"].shape[1]
        np.testing.assert_allclose(alone["start_s"][0], together["start_s"][row, :count], atol=1e-5)
        np.testing.assert_allclose(alone["score"][0], together["score"][row], atol=1e-4)


def test_words_make_the_text_and_lie_in_the_clip(exported, wavs):
    found = exported.serving_default(wav=tf.constant(wavs))
    for row, seconds in enumerate((1.1, 0.4, 0.75)):
        words = [word.decode() for word in found["words"].numpy()[row] if word]
        assert " ".join(words) == texts(found)[row]
        starts = found["start_s"].numpy()[row, : len(words)]
        ends = found["end_s"].numpy()[row, : len(words)]
        assert (starts < ends).all() and (starts[1:] >= ends[:-1] - 1e-6).all()
        assert ends[-1] <= seconds + 0.03
        sure = found["confidence"].numpy()[row]
        assert ((sure >= 0) & (sure <= 1)).all()


def test_samples_are_read_like_a_file_of_them(exported, wavs):
    sounds = [audio.samples(wav)[0] for wav in wavs]
    samples = np.zeros((3, 9000), np.float32)
    for row, sound in enumerate(sounds):
        samples[row, : len(sound)] = sound
    found = exported.samples(
        samples=tf.constant(samples),
        count=tf.constant([len(sound) for sound in sounds]),
        rate_hz=tf.constant([8000] * 3),
    )
    assert texts(found) == texts(exported.serving_default(wav=tf.constant(wavs)))


def test_the_callers_weights_and_hot_words_change_what_is_read(exported, wavs):
    def tuned(lm_weight=0.5, word_weight=0.0, character_bonus=0.5, hot_weight=0.0, hot_words=""):
        weights = {"lm_weight": lm_weight, "character_bonus": character_bonus}
        weights |= {"word_weight": word_weight, "hot_weight": hot_weight, "phones_weight": 0.0}
        return texts(
            exported.tuned(
                wav=tf.constant(wavs),
                hot_words=tf.constant([hot_words] * 3),
                **{name: tf.constant([value] * 3) for name, value in weights.items()},
            )
        )

    assert tuned() == texts(exported.serving_default(wav=tf.constant(wavs)))
    assert tuned(lm_weight=3.0) != tuned(lm_weight=0.0)
    assert tuned(word_weight=9.0, character_bonus=3.0) != tuned(character_bonus=3.0)
    heard = tuned(hot_weight=20.0, hot_words="good day")
    assert all(word in ("good", "day") for text in heard for word in text.split())


def test_phones_choose_among_the_beams_texts_whatever_the_batch(fitted, wavs):
    tables = {"train": {"layers": 2, "phones_weight": 0.3}, "evaluate": {"beam_width": 16}}
    params = config.upto(parameters(**tables), "evaluate")
    tf.keras.utils.set_random_seed(1)
    network = model.build(params, fitted)
    network.head.kernel.assign(network.head.kernel * 12)
    reader = export.Reader(params, network, fitted)

    def read(phones_weight, wavs):
        count = len(wavs)
        values = (0.5, 0.0, phones_weight, 0.5, 0.0)
        weights = export.Weights(*(tf.fill([count], value) for value in values))
        sounds = wav_reader.decode(tf.constant(wavs), 8000)
        return texts(reader.beam(*sounds, weights, tf.fill([count], "")))

    together = read(99.0, wavs)
    assert together != read(0.0, wavs)
    assert together == [read(99.0, [wav])[0] for wav in wavs]


def test_posteriors_are_distributions_of_each_step(exported, wavs):
    found = exported.posteriors(wav=tf.constant(wavs))
    assert found["steps"].numpy().tolist() == [36, 13, 25]
    np.testing.assert_allclose(np.exp(found["log_probability"]).sum(-1), 1, rtol=1e-5)


@pytest.mark.parametrize("endpoint", ["serving_default", "greedy"])
def test_silence_has_an_empty_text_beside_a_clip_that_has_one(exported, wavs, endpoint):
    noise = np.random.default_rng(0).normal(0, 10 ** (-74 / 20), 40000).astype(np.float32)
    silence = [audio.wav(np.zeros(40000, np.float32), 8000), audio.wav(noise, 8000)]
    answer = getattr(exported, endpoint)(wav=tf.constant([*silence, wavs[0]]))
    assert texts(answer)[:2] == ["", ""] and texts(answer)[2]
    assert (answer["words"].numpy()[:2] == b"").all()
    assert (answer["confidence"].numpy()[:2] == 0).all()
    assert np.isfinite(answer["score"].numpy()).all()
    alone = getattr(exported, endpoint)(wav=tf.constant(silence))
    assert texts(alone) == ["", ""]


def test_silence_of_samples_and_of_no_sample_is_empty_and_surely_blank(exported):
    rows = tf.zeros([2, 8000])
    answer = exported.samples(
        samples=rows, count=tf.constant([8000, 0]), rate_hz=tf.constant([8000, 16000])
    )
    assert texts(answer) == ["", ""]
    silence = tf.constant([audio.wav(np.zeros(8000, np.float32), 8000)])
    log_probs = exported.posteriors(wav=silence)["log_probability"].numpy()
    np.testing.assert_allclose(np.exp(log_probs[..., -1]), 1)


def test_what_is_no_wav_file_is_refused(exported):
    with pytest.raises(tf.errors.InvalidArgumentError, match="row 0: this is no WAV file"):
        exported.serving_default(wav=tf.constant([b"not a wav file at all"]))


def test_another_coding_and_samples_that_are_no_numbers_are_refused(exported, wavs):
    buffer = io.BytesIO()
    soundfile.write(buffer, noisy(0.5), 8000, subtype="PCM_32", format="WAV")
    for endpoint in (exported.serving_default, exported.greedy, exported.posteriors):
        with pytest.raises(
            tf.errors.InvalidArgumentError, match="row 1: the WAV file holds integer PCM of 32 bits"
        ):
            endpoint(wav=tf.constant([wavs[0], buffer.getvalue()]))
    with pytest.raises(tf.errors.InvalidArgumentError, match="row 0: the samples are not all num"):
        exported.samples(
            samples=tf.fill([1, 800], np.nan),
            count=tf.constant([800]),
            rate_hz=tf.constant([8000]),
        )
