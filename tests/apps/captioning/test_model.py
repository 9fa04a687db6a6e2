from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from seqapps.apps.captioning import model
from seqapps.apps.captioning.params import Train
from seqapps.kit.text import PAD


def params(**table):
    fixed = {
        "seed": 1, "epochs": 2, "batch_size": 4, "learning_rate": 0.01, "clip_norm": 1.0,
        "patience_epochs": 2, "units": 8, "embedding_dim": 4,
    }  # fmt: skip
    return SimpleNamespace(train=Train(**{**fixed, **table}))


def batch(count=2, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "view": tf.constant(rng.random((count, 32, 48, 3)), tf.float32),
        "words": tf.constant([[1, 4, 8, 5, 2, 0, 0], [1, 5, 6, 2, 0, 0, 0]][:count], tf.int64),
    }


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm", "sru", "jordan"])
@pytest.mark.parametrize("attention", ["none", "dot", "bahdanau"])
def test_word_by_word_gives_the_logits_of_the_whole_sentence_at_once(assets, cell, attention):
    built = model.build(params(cell=cell, attention=attention), assets)
    fed = batch()
    whole = built(fed)[:, 0]
    [net] = built.networks
    cells, summary = net.encode(fed)
    states = net.begin(2)
    for step in range(5):
        word = net.step(fed["words"][:, step], states, cells, summary)
        states = word.states
        assert word.logits.numpy() == pytest.approx(whole[:, step].numpy(), abs=1e-5)
        assert word.attention.numpy().sum(axis=1) == pytest.approx(1.0, abs=1e-5)


def test_a_jordan_cell_reads_its_last_word_and_nothing_before(assets):
    built = model.build(params(cell="jordan"), assets)
    fed = batch()
    other = fed | {"words": tf.where(fed["words"] == 4, tf.constant(7, tf.int64), fed["words"])}
    difference = np.abs(built(fed)[0, 0] - built(other)[0, 0]).max(axis=-1)
    assert difference[1] > 0 and (difference[2:] == 0).all()


def test_the_blind_network_does_not_see_the_picture(assets):
    built = model.build(params(compare=("blind",)), assets)
    one, other = built(batch()), built(batch() | {"view": batch(seed=3)["view"]})
    assert np.abs(one[:, 1] - other[:, 1]).max() == 0
    assert np.abs(one[:, 0] - other[:, 0]).max() > 1e-4


def test_smoothed_cross_entropy_by_hand():
    odds = np.log(np.array([0.7, 0.2, 0.1], np.float32))
    wanted, logits = tf.constant([[0]], tf.int64), tf.constant(odds)[None, None, None]
    plain = float(model.smoothed(wanted, logits, smoothing=0.0)[0, 0, 0])
    assert plain == pytest.approx(-np.log(0.7), rel=1e-5)
    soft = float(model.smoothed(wanted, logits, smoothing=0.3)[0, 0, 0])
    assert soft == pytest.approx(-0.7 * np.log(0.7) - 0.3 * odds.mean(), rel=1e-5)


def test_padding_does_not_count_in_the_loss(assets):
    built = model.build(params(label_smoothing=0.0), assets)
    fed = batch(1)
    loss = float(built.compute_loss(fed, y_pred=built(fed), training=False))
    odds = tf.nn.log_softmax(built(fed)[0, 0]).numpy()
    assert loss == pytest.approx(-np.mean([odds[n, w] for n, w in enumerate([4, 8, 5, 2])]))


def test_the_decoders_own_words_come_in_as_training_goes_on(assets, monkeypatch):
    built = model.build(params(teacher_forcing=0.0, dropout=0.0), assets)
    seen = []
    net = built.networks[0]
    original = type(net).call

    def spy(self, batch, given, training=False):
        seen.append(given.numpy())
        return original(self, batch, given, training=training)

    monkeypatch.setattr(type(net), "call", spy)
    fed = batch()
    built(fed, training=True)
    assert (seen[1] == fed["words"][:, :-1].numpy()).all()
    built.steps.assign(4.0)  # 2 epochs of 8 pictures in batches of 4: the last step
    built(fed, training=True)
    own = np.argmax(original(net, fed, fed["words"][:, :-1]), axis=-1)
    given = fed["words"][:, 1:-1].numpy()
    assert (seen[3][:, 1:] == np.where(given == PAD, PAD, own[:, :-1])).all()
    assert (seen[3][:, 0] == 1).all()
