"""Encoders: colours, likeness, image formats, cached cells."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqapps.apps.captioning import encoders, fitted, model
from seqapps.apps.captioning.params import Preprocess
from tests.apps.captioning.conftest import encoded, speckled
from tests.apps.captioning.test_model import params


def test_likeness_knows_where_colours_change_and_not_which_they_are():
    def shares(*names):
        return tf.one_hot([[list(encoders.PALETTE).index(name) for name in names]], 12)

    found = encoders.likeness(shares("red", "white", "red")).numpy()
    assert found.tolist() == [[0.0, 1.0, 0.0]]  # of 1 and 2, 1 and 3, 2 and 3
    assert (encoders.likeness(shares("blue", "black", "dark blue")).numpy() == found).all()
    assert (encoders.likeness(shares("red", "white", "blue")).numpy() == 0).all()


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

    from seqapps.apps.captioning import images

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
    fitted.write_json(tmp_path / "facts.json", {"encoder": table.encoder, "max_words": 5,
        "image_height": 32, "image_width": 64, "train_pictures": 8})  # fmt: skip
    fitted.write_json(tmp_path / "vocabulary.json", ["", "", "", "", "red"])
    encoders.save_pretrained(table, tmp_path)
    content = encoded(speckled(1))
    view, cells = encoders.cached(tmp_path, content)
    assert view == b"" and list(cells.shape) == fitted.facts(tmp_path)["cells"]
    built = model.build(params(), tmp_path)
    assert built.network_inputs(tf.constant([content]))["cells"][0].numpy() == pytest.approx(
        cells, abs=1e-5
    )
    frozen = {id(w) for w in built.frozen.weights}
    assert not frozen & {id(w) for w in built.trainable_weights}
    keras.utils.clear_session()


def test_weights_that_are_not_there_are_said(tmp_path):
    from seqapps.config import UserError

    table = Preprocess(seed=1, encoder="MobileNetV2", weights="gone.h5")
    with pytest.raises(UserError, match="'gone.h5': no such file; imagenet, none or a path"):
        encoders.save_pretrained(table, tmp_path)
