from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqapps.captioning import augment, encoders, model, preprocess
from seqapps.captioning.params import Preprocess, Train
from seqapps.captioning.words import PAD
from tests.captioning.conftest import encoded, speckled


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


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm", "jordan"])
@pytest.mark.parametrize("attention", ["none", "dot", "bahdanau"])
def test_word_by_word_gives_the_odds_of_the_whole_sentence_at_once(assets, cell, attention):
    built = model.build(params(cell=cell, attention=attention), assets)
    fed = batch()
    whole = built(fed)[:, 0]
    [net] = built.networks
    cells, summary = net.look(fed)
    states = net.begin(2)
    for step in range(5):
        logits, weights, states = net.step(fed["words"][:, step], states, cells, summary)
        assert logits.numpy() == pytest.approx(whole[:, step].numpy(), abs=1e-5)
        assert weights.numpy().sum(axis=1) == pytest.approx(1.0, abs=1e-5)


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
    plain = float(model.smoothed(wanted, logits, 0.0)[0, 0, 0])
    assert plain == pytest.approx(-np.log(0.7), rel=1e-5)
    soft = float(model.smoothed(wanted, logits, 0.3)[0, 0, 0])
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


def test_colours_change_places_and_their_names_with_them():
    vocabulary = ["<pad>", "bands", "of", "red", "white", "blue", "green"]
    recolouring = augment.Recolouring(vocabulary)
    names = list(encoders.PALETTE)
    said = ["bands", "of", "red", "white", "blue", "<pad>"]
    colours = [encoders.PALETTE[name] for name in said[2:5]]
    flag = tf.constant(np.repeat(colours, 16, axis=0)[:, None].repeat(9, 1), tf.float32)
    words = tf.constant([vocabulary.index(word) for word in said], tf.int64)
    heard = set()
    for seed in range(12):
        pixels, renamed = recolouring(flag, words, tf.constant([1, seed]))
        found = [vocabulary[number] for number in renamed.numpy()]
        assert [found[0], found[1], found[5]] == ["bands", "of", "<pad>"]
        middles = encoders.palette(pixels[None])[0, 8::16, 4].numpy().argmax(-1)
        assert [names[number] for number in middles] == found[2:5]
        heard.add(tuple(found[2:5]))
    assert len(heard) > 6
    assert {name for flag in heard for name in flag} == {"red", "white", "blue", "green"}


@pytest.mark.parametrize("word", ["gold", "uk"])
def test_a_caption_that_a_change_of_colours_would_make_untrue_keeps_its_colours(word):
    vocabulary = ["<pad>", "red", "white", "blue", "gold", "uk"]
    recolouring = augment.Recolouring(vocabulary)
    flag = tf.constant(np.tile([[[0.85, 0.1, 0.1]]], (4, 6, 1)), tf.float32)
    said = tf.constant([vocabulary.index("red"), vocabulary.index(word)], tf.int64)
    for seed in range(8):
        pixels, renamed = recolouring(flag, said, tf.constant([1, seed]))
        assert (pixels == flag).numpy().all() and (renamed == said).numpy().all()


def test_likeness_knows_where_colours_change_and_not_which_they_are():
    def shares(*names):
        return tf.one_hot([[list(encoders.PALETTE).index(name) for name in names]], 12)

    found = encoders.likeness(shares("red", "white", "red")).numpy()
    assert found.tolist() == [[0.0, 1.0, 0.0]]  # of 1 and 2, 1 and 3, 2 and 3
    assert (encoders.likeness(shares("blue", "black", "dark blue")).numpy() == found).all()
    assert (encoders.likeness(shares("red", "white", "blue")).numpy() == 0).all()


def test_augmentation_never_mirrors_nor_recolours():
    ramp = tf.tile(tf.linspace(0.0, 1.0, 96)[None, :, None], [64, 1, 3])
    for seed in range(20):
        moved = augment.augmented(ramp, tf.constant([1, seed]), 0.05, 0.1).numpy()
        assert (np.diff(moved[:, :, 0], axis=1) >= -1e-6).all()  # still dark on the left
        assert set(np.unique(np.ptp(moved, axis=2))) == {0.0}  # still grey
        assert np.abs(moved[..., 0] - ramp.numpy()[..., 0]).max() < 0.12


@pytest.mark.parametrize(
    ("name", "rgb"),
    [("red", (206, 17, 38)), ("white", (255, 255, 255)), ("blue", (0, 57, 166)),
     ("green", (0, 122, 61)), ("black", (0, 0, 0)), ("yellow", (252, 209, 22))],
)  # fmt: skip
def test_flag_colours_are_found_in_the_palette(name, rgb):
    shares = encoders.palette(tf.constant(rgb, tf.float32)[None, None, None] / 255.0)[0, 0, 0]
    assert list(encoders.PALETTE)[int(np.argmax(shares))] == name
    assert float(tf.reduce_sum(shares)) == pytest.approx(1.0)


def test_alpha_goes_over_white_and_a_clear_margin_is_cut():
    from PIL import Image

    picture = Image.new("RGBA", (8, 6), (0, 0, 0, 0))
    picture.paste((200, 0, 0, 153), (2, 1, 6, 4))
    seen = encoders.decode(tf.constant(encoded(picture))).numpy()
    assert seen.shape == (3, 4, 3)
    assert seen[0, 0] * 255 == pytest.approx([200 * 0.6 + 255 * 0.4, 255 * 0.4, 255 * 0.4], abs=0.5)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGB", "RGBA", "1", "I;16"])
def test_every_kind_of_png_is_decoded_as_pillow_does(mode):
    from PIL import Image

    from seqapps.captioning import images

    grey = speckled(2).convert("L")
    deep = Image.fromarray(np.asarray(grey, np.uint16) * 257)
    content = encoded(deep if mode == "I;16" else grey.convert(mode))
    seen = encoders.decode(tf.constant(content)).numpy() * 255
    wanted = np.asarray(grey.convert("RGB") if mode == "I;16" else images.shown(content), float)
    assert np.abs(seen - wanted).max() <= 1


def test_a_gif_gives_its_first_frame():
    frames = [speckled(n).convert("P") for n in (1, 2)]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert encoders.decode(tf.constant(content)).shape == (32, 48, 3)


def test_a_pretrained_encoder_caches_what_the_graph_computes(tmp_path):
    table = Preprocess(
        seed=1, encoder="MobileNetV3Small", weights="none", image_height=32, image_width=64
    )
    preprocess.write_json(tmp_path / "facts.json", {"encoder": table.encoder, "max_words": 5,
        "image_height": 32, "image_width": 64, "train_pictures": 8})  # fmt: skip
    preprocess.write_json(tmp_path / "vocabulary.json", ["", "", "", "", "red"])
    encoders.save_pretrained(table, tmp_path)
    content = encoded(speckled(1))
    view, cells = encoders.cached(tmp_path, content)
    assert view == b"" and list(cells.shape) == preprocess.facts(tmp_path)["cells"]
    built = model.build(params(), tmp_path)
    assert built.seen(tf.constant([content]))["cells"][0].numpy() == pytest.approx(cells, abs=1e-5)
    frozen = {id(w) for w in built.frozen.weights}
    assert not frozen & {id(w) for w in built.trainable_weights}
    keras.utils.clear_session()


def test_weights_that_are_not_there_are_said(tmp_path):
    from seqapps.app import UserError

    table = Preprocess(seed=1, encoder="MobileNetV2", weights="gone.h5")
    with pytest.raises(UserError, match="'gone.h5': no such file; imagenet, none or a path"):
        encoders.save_pretrained(table, tmp_path)
