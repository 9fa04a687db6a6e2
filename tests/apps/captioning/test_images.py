"""Images: formats, margins, turned pictures."""

import io

import numpy as np
import pytest
from PIL import Image

from seqapps.apps.captioning import images
from tests.apps.captioning.conftest import encoded, speckled


def test_webp_and_turned_jpeg_become_upright_png_and_others_stay_as_they_are():
    picture = speckled(3, (30, 20))
    plain = encoded(picture)
    assert images.upright(plain) is plain
    webp = images.upright(encoded(picture, "WEBP", lossless=True))
    assert webp[1:4] == b"PNG"
    exif = Image.Exif()
    exif[images.ORIENTATION] = 6  # the camera was held a quarter turn to the left
    turned = Image.open(
        io.BytesIO(images.upright(encoded(picture, "JPEG", exif=exif, quality=95, subsampling=0)))
    )
    assert turned.size == (20, 30)
    wanted = np.asarray(picture.rotate(-90, expand=True), float)
    assert np.abs(np.asarray(turned, float) - wanted).mean() < 12


def test_a_clear_picture_counts_as_white():
    clear = Image.new("RGBA", (16, 16), (255, 0, 0, 0))
    assert images.thumbnail(encoded(clear)) == pytest.approx(1.0)


def test_a_turned_picture_has_on_the_left_what_was_on_top():
    turned = Image.open(io.BytesIO(images.turned(encoded(speckled(4)))))
    wanted = np.asarray(speckled(4)).transpose(1, 0, 2)
    assert (np.asarray(turned.convert("RGB")) == wanted).all()
