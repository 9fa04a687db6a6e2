"""Images: formats, depths, margins, turned pictures, refusals."""

import io
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from seqapps.apps.captioning import headers, images
from tests.apps.captioning.conftest import encoded, grey_ramp, jpeg_turned, speckled


def opened(content):
    return Image.open(io.BytesIO(content))


def pixels(content):
    return np.asarray(images.over_white(content), int)


@pytest.mark.parametrize("content", [
    encoded(speckled(3)),
    encoded(speckled(3), "JPEG"),
    encoded(speckled(3).convert("CMYK"), "JPEG"),
    encoded(Image.fromarray(grey_ramp().astype(np.uint16) * 257)),
    jpeg_turned(6, speckled(3)),
])  # fmt: skip
def test_what_the_graph_decodes_as_pillow_does_stays_as_it_is(content):
    assert images.decodable(content) is content


@pytest.mark.parametrize("kind", ["WEBP", "TIFF", "GIF", "BMP", "AVIF", "ICO", "TGA", "PPM"])
def test_other_formats_become_png_of_the_same_pixels(kind):
    options = {"lossless": True} if kind == "WEBP" else {"quality": 100} if kind == "AVIF" else {}
    picture = speckled(3, (32, 32))
    copy = images.decodable(encoded(picture, kind, **options))
    assert opened(copy).format == "PNG" and opened(copy).mode == "RGB"
    wanted = np.asarray(opened(encoded(picture, kind, **options)).convert("RGB"), int)
    assert (pixels(copy) == wanted).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_upright(orientation):
    wide = speckled(3, (30, 20))
    # A picture stored as the camera held it, so that the orientation undoes it.
    inverse = {
        6: images.TURNS[8],
        8: images.TURNS[6],
        **{n: images.TURNS[n] for n in (2, 3, 4, 5, 7)},
    }
    stored = wide.transpose(inverse[orientation]) if orientation > 1 else wide
    exif = Image.Exif()
    exif[images.ORIENTATION] = orientation
    content = encoded(stored, "PNG", exif=exif)
    assert (pixels(content) == np.asarray(wide)).all()


def test_an_orientation_that_only_xmp_gives_is_obeyed():
    xmp = b'<x:xmpmeta xmlns:tiff="t" tiff:Orientation="6"></x:xmpmeta>'
    content = encoded(speckled(3, (30, 20)), "JPEG", xmp=xmp)
    assert opened(images.decodable(content)).size == (20, 30)


def test_a_clear_picture_counts_as_white():
    clear = Image.new("RGBA", (16, 16), (255, 0, 0, 0))
    assert images.thumbnail(encoded(clear)) == pytest.approx(1.0)


def test_a_turned_picture_has_on_the_left_what_was_on_top():
    turned = opened(images.turned(encoded(speckled(4))))
    wanted = np.asarray(speckled(4)).transpose(1, 0, 2)
    assert (np.asarray(turned.convert("RGB")) == wanted).all()


def deep_copies():
    """The same grey picture at other depths and in other files."""
    grey = grey_ramp()
    deep = grey.astype(np.uint16) * 257
    big_endian = Image.frombytes("I;16B", (48, 32), deep.astype(">u2").tobytes())
    return {
        "16-bit PNG": encoded(Image.fromarray(deep)),
        "16-bit TIFF": encoded(Image.fromarray(deep), "TIFF"),
        "16-bit big-endian TIFF": encoded(big_endian, "TIFF"),
        "int32 TIFF of bytes": encoded(Image.fromarray(grey.astype(np.int32)), "TIFF"),
        "int32 TIFF of 16 bits": encoded(Image.fromarray(deep.astype(np.int32)), "TIFF"),
        "float TIFF to 1": encoded(Image.fromarray(grey.astype(np.float32) / 255), "TIFF"),
        "float TIFF to 255": encoded(Image.fromarray(grey.astype(np.float32)), "TIFF"),
        "float TIFF to 65535": encoded(Image.fromarray(deep.astype(np.float32)), "TIFF"),
    }


@pytest.mark.parametrize("kind", deep_copies())
def test_a_deep_copy_of_a_grey_picture_gives_its_pixels_to_one_level(kind):
    content = deep_copies()[kind]
    assert np.abs(pixels(content)[..., 0] - grey_ramp()).max() <= 1
    assert np.abs(pixels(images.decodable(content))[..., 0] - grey_ramp()).max() <= 1


def test_values_of_no_usual_range_are_scaled_by_their_own():
    values = np.array([[-500, 0], [500, 1500]], np.int32)
    wanted = np.array([[0, 64], [127, 255]])
    floats = values.astype(np.float32) * 1e30
    for deep in (values, floats):
        grey = pixels(encoded(Image.fromarray(deep), "TIFF"))[..., 0]
        assert np.abs(grey - wanted).max() <= 1
    flat = Image.new("F", (2, 2), -7.0)
    assert pixels(encoded(flat, "TIFF")).max() == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_refused(value):
    values = np.full((4, 4), 0.5, np.float32)
    values[1, 2] = value
    with pytest.raises(images.Refused, match="NaN or infinite"):
        images.decodable(encoded(Image.fromarray(values), "TIFF"))


def test_the_transparent_shade_of_a_16_bit_picture_is_white():
    deep = Image.fromarray(np.full((4, 4), 1000, np.uint16))
    assert pixels(encoded(deep, transparency=1000)).min() == 255


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_an_animation_gives_its_first_frame(kind):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    content = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert (pixels(images.decodable(content)) == [255, 0, 0]).all()


def test_a_picture_of_more_pixels_than_the_limit_is_refused(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 48 * 32 - 1)
    with pytest.raises(images.Refused, match="more than 89,478,485 pixels"):
        images.decodable(encoded(speckled(1)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 48 * 32 // 2 - 1)
    with pytest.raises(images.Refused, match="more than 89,478,485 pixels"):
        images.decodable(encoded(speckled(1)))


def test_heic_without_its_package_is_named():
    content = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 40
    with pytest.raises(images.Refused, match="HEIC image and no pillow-heif"):
        images.decodable(content)


def test_pillow_heif_is_registered_where_it_is_installed(monkeypatch):
    calls = []
    package = SimpleNamespace(register_heif_opener=lambda: calls.append(1))
    monkeypatch.setitem(sys.modules, "pillow_heif", package)
    images.register_heif()
    assert calls == [1]


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"hello", "no image"), (encoded(speckled(1))[:-40], "damaged"),
     (encoded(speckled(1), "JPEG")[:-40], "damaged"),
     (encoded(speckled(1), "TIFF")[:-40], "damaged")],
)  # fmt: skip
def test_what_is_no_whole_image_is_refused(content, reason):
    with pytest.raises(images.Refused, match=reason):
        images.decodable(content)


def test_a_png_that_lacks_only_its_end_is_written_anew():
    content = encoded(speckled(1))[:-12]
    assert b"IEND" in images.decodable(content)


def test_a_photograph_that_is_too_large_for_the_graph_is_made_smaller_at_every_door():
    large = Image.new("RGB", (6400, 4800), (200, 30, 40))
    large.paste((10, 20, 220), (3200, 0, 6400, 4800))
    content = images.decodable(encoded(large, "JPEG"))
    with Image.open(io.BytesIO(content)) as smaller:
        assert smaller.size == (3200, 2400)
        assert smaller.getpixel((100, 100))[0] > 190 and smaller.getpixel((3000, 100))[2] > 210
    assert headers.refusal(tf.constant(content)).numpy() == b""
    refused = headers.refusal(tf.constant(encoded(large, "JPEG"))).numpy().decode()
    assert refused == "an image of more than 25,000,000 pixels; make it smaller"
