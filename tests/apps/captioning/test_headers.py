"""Headers of encoded images in the graph: refusals by name, orientations."""

import struct

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from seqapps.apps.captioning import headers, images
from tests.apps.captioning.conftest import encoded, speckled

PLAIN = {
    "JPEG": encoded(speckled(1), "JPEG"),
    "grey JPEG": encoded(speckled(1).convert("L"), "JPEG"),
    "PNG": encoded(speckled(1)),
    "GIF": encoded(speckled(1), "GIF"),
    "BMP": encoded(speckled(1), "BMP"),
}


def refusal(content):
    return headers.refusals(tf.constant([content])).numpy()[0].decode()


@pytest.mark.parametrize("kind", PLAIN)
def test_a_plain_image_is_not_refused(kind):
    assert refusal(PLAIN[kind]) == ""


def test_each_row_has_its_own_reason():
    rows = tf.constant([PLAIN["PNG"], b"hello", PLAIN["JPEG"], b""])
    reasons = headers.refusals(rows).numpy().tolist()
    wanted = b"wanted JPEG, PNG, GIF, BMP"
    assert reasons == [b"", b"no image; " + wanted, b"", b"empty bytes; " + wanted]


@pytest.mark.parametrize(
    ("content", "name"),
    [(encoded(speckled(1), "WEBP"), "WebP"), (encoded(speckled(1), "TIFF"), "TIFF"),
     (encoded(speckled(1), "TIFF", big_endian=True), "TIFF"),
     (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC or AVIF"), (encoded(speckled(1), "AVIF"), "HEIC")],
)  # fmt: skip
def test_another_format_is_refused_by_its_name(content, name):
    assert refusal(content).startswith(name)


def test_a_gif_with_a_transparent_colour_is_refused():
    content = encoded(speckled(1).quantize(8), "GIF", transparency=0)
    assert "transparent colour" in refusal(content)


def test_a_gif_whose_first_frame_is_smaller_than_itself_is_refused():
    content = bytearray(PLAIN["GIF"])
    content[6:8] = struct.pack("<H", 100)  # the width of the canvas
    assert "does not fill" in refusal(bytes(content))


@pytest.mark.parametrize("mode", ["1", "P", "RGBA"])
def test_a_bmp_that_tensorflow_misreads_is_refused(mode):
    assert "not of 24 bits" in refusal(encoded(speckled(1).convert(mode), "BMP"))


def test_a_grey_png_of_few_bits_with_a_transparent_shade_is_refused():
    content = encoded(speckled(1).convert("1"), transparency=1)
    assert "transparent shade" in refusal(content)


def resized(kind):
    """A header that states 20,000 by 20,000 pixels, which no data follow."""
    content, size = bytearray(PLAIN[kind]), 20_000
    if kind == "PNG":
        content[16:24] = struct.pack(">II", size, size)
    elif kind == "GIF":
        content[6:10] = struct.pack("<HH", size, size)
    elif kind == "BMP":
        content[18:26] = struct.pack("<ii", size, -size)
    else:
        frame = content.index(b"\xff\xc0") + 5
        content[frame : frame + 4] = struct.pack(">HH", size, size)
    return bytes(content)


@pytest.mark.parametrize("kind", PLAIN)
def test_a_header_of_more_pixels_than_the_limit_is_refused_before_decoding(kind):
    assert "more than 25,000,000 pixels" in refusal(resized(kind))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_the_graph_turns_pixels_as_pillow_does(kind, orientation):
    exif = Image.Exif()
    exif[images.ORIENTATION] = orientation
    content = encoded(speckled(3, (30, 20)), kind, exif=exif)
    assert int(headers.orientation(tf.constant(content))) == orientation
    stored = np.asarray(speckled(3, (30, 20)))
    turned = headers.upright(tf.constant(stored), tf.constant(orientation)).numpy()
    image = Image.fromarray(stored)
    if orientation > 1:
        image = image.transpose(images.TURNS[orientation])
    assert (turned == np.asarray(image)).all()


def test_an_entry_of_little_endian_exif_is_found():
    entry = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x08\0\0\0\0\0\0\0"
    content = PLAIN["JPEG"]
    segment = b"\xff\xe1" + struct.pack(">H", len(entry) + 2) + entry
    assert int(headers.orientation(tf.constant(content[:2] + segment + content[2:]))) == 8


@pytest.mark.parametrize("content", [PLAIN["JPEG"], PLAIN["BMP"], b"", b"\xff\xd8\xff"])
def test_an_image_without_an_orientation_is_as_it_is(content):
    assert int(headers.orientation(tf.constant(content))) == 1
