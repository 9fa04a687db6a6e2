"""The network: masks, losses against a brute-force sum, augmentation."""

import numpy as np
import pytest
import tensorflow as tf

from seqapps import config
from seqapps.apps.asr import model, preprocess
from seqapps.apps.asr.data import audio, phones
from seqapps.apps.asr.nn import ctc
from tests.apps.asr.conftest import noisy, parameters


def built(fitted, **train):
    table = {"seed": 1, "epochs": 1, "batch_size": 2, "learning_rate": 0.01, "clip_norm": 1.0}
    table |= {"patience_epochs": 1, "units": 6, "layers": 2, "conv_filters": 4, "n_mels": 12}
    params = parameters(train=table | train)
    return model.build(config.upto(params, "train"), fitted)


def batch(*seconds):
    sounds = [noisy(s, seed=n) for n, s in enumerate(seconds)]
    samples = np.zeros((len(sounds), max(map(len, sounds))), np.float32)
    for row, sound in enumerate(sounds):
        samples[row, : len(sound)] = sound
    return {"samples": samples, "count": np.array([len(s) for s in sounds], np.int32)}


@pytest.mark.parametrize("cell", ["dense", "rnn", "gru", "lstm", "sru"])
@pytest.mark.parametrize(("subsampling", "phones_weight"), [(2, 0.0), (3, 0.3)])
def test_a_clip_is_heard_alone_as_in_a_batch(fitted, cell, subsampling, phones_weight):
    network = built(fitted, cell=cell, subsampling=subsampling, phones_weight=phones_weight)
    lengths = (0.31, 0.93, 0.62)
    together, steps, *_ = network.encode(batch(*lengths))
    for row, seconds in enumerate(lengths):
        one = batch(*lengths)["samples"][row : row + 1, : round(seconds * 8000)]
        alone, (count,), *_ = network.encode(
            {"samples": one, "count": np.array([one.shape[1]], np.int32)}
        )
        assert count == steps[row]
        np.testing.assert_allclose(alone[0], together[row, :count], atol=2e-5)


def test_steps_are_frames_divided_by_the_subsampling(fitted):
    # .93 s: 1 + (7440 - 200) // 80 = 91 frames, 31 steps of three.
    outputs, steps, *_ = built(fitted, subsampling=3).encode(batch(0.93))
    assert steps.numpy() == [31]
    assert outputs.shape == (1, 31, 29)
    np.testing.assert_allclose(np.exp(outputs).sum(-1), 1, rtol=1e-5)


def test_character_errors_are_edits_over_letters():
    heard = np.full((2, 3, 3), -9.0, np.float32)
    heard[0, range(3), [0, 2, 1]] = 0  # "ab"
    heard[1, range(3), [1, 1, 2]] = 0  # "b"
    metric = model.CharacterErrors()
    outputs = model.Outputs(heard, tf.constant([3, 3]), None, None)
    metric.update_state(outputs, tf.constant([[0, 0], [1, 0]]), [2, 2])
    assert metric.result().numpy() == pytest.approx(2 / 4)


TABLE = {"seed": 1, "epochs": 1, "batch_size": 2, "learning_rate": 0.01, "clip_norm": 1.0}


TABLE |= {"patience_epochs": 1, "time_mask_ms": 200}


def fed(fitted, training, seed=0, **train):
    params = config.upto(parameters(train=TABLE | train), "train")
    record = {"wav": audio.wav(noisy(1.0), 8000), "text": "it's me"}
    record = {name: tf.constant([value]) for name, value in record.items()}
    batch = model.feed(params, fitted, training)(record, tf.constant([seed, 0]))
    return {name: value[0] for name, value in batch.items()}


def test_labels_number_the_letters_of_the_alphabet(fitted):
    found = fed(fitted, training=False)
    letters = preprocess.facts(fitted)["letters"]
    assert "".join(letters[number] for number in found["labels"]) == "it's me"
    assert found["label_count"] == 7
    assert found["count"] == 8000
    np.testing.assert_allclose(found["samples"], noisy(1.0), atol=1e-4)


def test_the_tape_runs_at_another_speed_in_training(fitted):
    counts = {int(fed(fitted, training=True, seed=s)["count"]) for s in range(8)}
    assert len(counts) > 4
    assert 8000 / 1.1 - 2 <= min(counts) and max(counts) <= 8000 / 0.9 + 2
    same = fed(fitted, training=True, seed=3, speed_change=0.0)
    assert same["count"] == 8000


def test_noise_is_mixed_in_at_the_ratio_asked_for(fitted):
    clean = fed(fitted, training=False)["samples"].numpy()
    noised = fed(fitted, training=True, speed_change=0.0, noise_snr_db=39.9)["samples"].numpy()
    ratio_db = 20 * np.log10(clean.std() / (noised - clean).std())
    assert abs(ratio_db - 40) < 0.5
    assert (fed(fitted, training=True, seed=5)["samples"].numpy().shape) != (0,)


def test_a_small_network_learns_two_clips_by_heart(fitted):
    # A network that cannot overfit two clips has a broken loss or a broken gradient.
    network = built(fitted, units=24, layers=1, dropout=0.0, time_masks=0, mel_masks=0)
    network.compile(optimizer=tf.keras.optimizers.Adam(0.02), jit_compile=False)
    given = batch(0.9, 0.7) | {"labels": np.array([[9, 6, 1], [3, 4, 0]])}
    given |= {"label_count": np.array([3, 2], np.int32)}
    losses = [network.train_on_batch(given)[0] for _ in range(120)]
    assert losses[0] > 3
    assert losses[-1] < 0.5


def test_phones_take_their_part_of_the_loss(fitted):
    network = built(fitted, phones_weight=0.25, time_masks=0, mel_masks=0)
    given = batch(0.9) | {"labels": np.array([[9, 6]]), "label_count": np.array([2], np.int32)}
    given |= {"phones": np.array([[1, 2, 3]]), "phone_count": np.array([3], np.int32)}
    outputs = network(given)
    letters = ctc.loss(*outputs[:2], labels=given["labels"], counts=given["label_count"])
    sounds = ctc.loss(outputs[3], outputs[1], labels=given["phones"], counts=given["phone_count"])
    found = network.compute_loss(x=given, y_pred=outputs)
    np.testing.assert_allclose(found, 0.75 * letters + 0.25 * sounds, rtol=1e-6)


def test_layers_above_read_the_phones_that_were_named(fitted):
    network = built(fitted, phones_weight=0.25)
    before = network.encode(batch(0.9))[0].numpy()
    network.encoder.phone_head.classify.bias.assign(9.0 * np.eye(41, dtype=np.float32)[3])
    assert np.abs(network.encode(batch(0.9))[0] - before).max() > 1e-3


def test_phones_are_fed_where_they_are_learnt(fitted):
    assert "phones" not in fed(fitted, training=True)
    found = fed(fitted, training=True, phones_weight=0.3)
    assert [phones.NAMES["en"][number] for number in found["phones"]] == "IH T S M IY".split()
    assert found["phone_count"] == 5
