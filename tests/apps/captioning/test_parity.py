"""The same pixels for a picture in predict, in preprocess and at the endpoint."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from seqapps.app import Item, UserFile
from seqapps.apps.captioning import headers, images, model, predict, preprocess
from seqapps.apps.captioning.params import Preprocess
from tests.apps.captioning.conftest import encoded, grey_ramp, jpeg_turned, speckled
from tests.apps.captioning.test_model import params

IMAGES = tf.TensorSpec([None], tf.string)
TABLES = SimpleNamespace(
    preprocess=Preprocess(seed=1, image_height=32, image_width=48), train=params().train
)


def clear():
    """A picture with a clear margin and a half clear middle."""
    picture = Image.new("RGBA", (64, 40), (0, 0, 0, 0))
    picture.paste(speckled(5, (40, 24)).convert("RGBA"), (8, 8))
    picture.paste((200, 0, 0, 120), (20, 12, 40, 30))
    return picture


DEEP = Image.fromarray(grey_ramp((61, 37)).astype(np.uint16) * 257)
AT_THE_ENDPOINT = {
    "RGB PNG": encoded(speckled(1, (200, 31))),
    "RGBA PNG": encoded(clear()),
    "LA PNG": encoded(clear().convert("LA")),
    "1-bit PNG": encoded(speckled(2, (50, 70)).convert("1")),
    "4-bit palette PNG": encoded(speckled(2).quantize(16), bits=4),
    "palette PNG with a clear colour": encoded(speckled(3).quantize(8), transparency=0),
    "grey PNG with a clear shade": encoded(
        Image.fromarray(grey_ramp()), transparency=int(grey_ramp()[9, 9])
    ),
    "16-bit PNG": encoded(DEEP),
    "animated PNG": encoded(speckled(4), save_all=True, append_images=[speckled(5)]),
    "JPEG": encoded(speckled(6, (333, 222)), "JPEG"),
    "progressive grey JPEG": encoded(speckled(6).convert("L"), "JPEG", progressive=True),
    "CMYK JPEG": encoded(speckled(7).convert("CMYK"), "JPEG"),
    **{f"JPEG of orientation {n}": jpeg_turned(n, speckled(8, (90, 33))) for n in (3, 5, 6, 8)},
    "animated GIF": encoded(speckled(9), "GIF", save_all=True, append_images=[speckled(1)]),
    "BMP": encoded(speckled(10, (5, 90)), "BMP"),
}
NOT_AT_THE_ENDPOINT = {
    "WebP": encoded(speckled(1, (64, 90)), "WEBP"),
    "animated WebP": encoded(speckled(1), "WEBP", save_all=True, append_images=[speckled(2)]),
    "TIFF": encoded(speckled(2), "TIFF"),
    "CMYK TIFF": encoded(speckled(2).convert("CMYK"), "TIFF"),
    "16-bit TIFF": encoded(DEEP, "TIFF"),
    "float TIFF": encoded(Image.fromarray(np.asarray(DEEP, np.float32) / 65535), "TIFF"),
    "int32 TIFF": encoded(Image.fromarray(np.asarray(DEEP, np.int32) - 9000), "TIFF"),
    "clear GIF": encoded(speckled(3).quantize(8), "GIF", transparency=0),
    "palette BMP": encoded(speckled(4).convert("P"), "BMP"),
    "1-bit PNG with a clear shade": encoded(speckled(2).convert("1"), transparency=1),
}
PICTURES = AT_THE_ENDPOINT | NOT_AT_THE_ENDPOINT


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of assets, filled by preprocess itself."""
    folder = tmp_path_factory.mktemp("assets")
    preprocess.assets(TABLES, [Item("p", "train", "p", preprocess.Where("p", ("a cat",)))], folder)
    return folder


@pytest.fixture(scope="module")
def endpoint(folder):
    """A function: encoded image -> the pixels (H, W, 3) that the networks get at the endpoint."""
    inputs = tf.function(model.build(TABLES, folder).network_inputs, input_signature=[IMAGES])

    def view(content):
        assert headers.refusals(tf.constant([content])).numpy()[0] == b""
        return np.rint(inputs(tf.constant([content]))["view"][0].numpy() * 255)

    return view


def of_preprocess(path, folder):
    item = Item("p", "train", "p", preprocess.Where(str(path), ("x",)))
    record = preprocess.example(TABLES, folder, item)
    return np.frombuffer(record["view"], np.uint8).reshape(32, 48, 3)


@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_gives_the_same_pixels_at_each_door(tmp_path, folder, endpoint, kind):
    path = tmp_path / "picture"
    path.write_bytes(PICTURES[kind])
    [(_, record)] = predict.requests(TABLES, folder, UserFile(path, "picture"))
    view = endpoint(record["image"])
    assert (of_preprocess(path, folder) == view).all()
    if kind in AT_THE_ENDPOINT:
        assert (endpoint(PICTURES[kind]) == view).all()
    # Pillow alone, with its own filter and its own JPEG decoder.
    shown = images.shown(PICTURES[kind]).resize((48, 32), Image.Resampling.BILINEAR)
    assert np.abs(np.asarray(shown, float) - view).mean() < 2


@pytest.mark.parametrize("kind", NOT_AT_THE_ENDPOINT)
def test_the_endpoint_refuses_by_name_what_predict_writes_anew(kind):
    assert headers.refusals(tf.constant([PICTURES[kind]])).numpy()[0] != b""


def test_a_grey_picture_and_its_16_bit_copy_give_one_view_to_a_level(endpoint):
    grey = Image.fromarray(grey_ramp((61, 37)))
    assert np.abs(endpoint(encoded(grey)) - endpoint(encoded(DEEP))).max() <= 1
