"""Drawn flags: layouts, colours and the attention on them."""

import numpy as np
import pytest

from seqapps.apps.captioning import drawn


@pytest.mark.parametrize(
    ("kind", "colours", "caption", "right"),
    [
        ("tricolour", ("red", "white", "blue"),
         "three equal vertical bands of red hoist side white and blue", True),
        ("tricolour", ("red", "white", "blue"),
         "three equal vertical bands of blue hoist side white and red", False),
        ("tricolour", ("red", "white", "blue"),
         "three equal horizontal bands of red top white and blue", False),
        ("cross", ("blue", "yellow"), "blue with a golden yellow cross", True),
        ("cross", ("blue", "yellow"), "blue with a yellow star", False),
        ("star", ("green", "red"), "green with a red five-pointed star", True),
        ("star", ("green", "red"), "green with a red and white star", False),
    ],
)  # fmt: skip
def test_a_drawn_flag_is_right_when_layout_and_colours_are(kind, colours, caption, right):
    assert drawn.right(caption, kind, colours=colours) is right


def test_drawn_flags_have_their_colours_where_they_say():
    for flag in drawn.flags():
        covered = np.sum([flag.parts[colour] for colour in flag.colours], axis=0)
        assert (covered == 1).all()


def test_the_flags_of_a_kind_are_drawn_in_different_colours():
    flags = drawn.flags()
    assert len({flag.image for flag in flags}) == len(flags) == 12


def test_attention_on_the_named_part_is_measured_against_its_area():
    flag = drawn.flag("tricolour", ("red", "white", "blue"))
    on_the_left = np.zeros((2, 4, 6), np.float32)
    on_the_left[:, :, :2] = 1 / 8
    [look] = drawn.focus(flag, ["red", ""], on_the_left)
    assert look == pytest.approx((1.0, 1 / 3), abs=0.02)
    [look] = drawn.focus(flag, ["blue", "the"], on_the_left)
    assert look == pytest.approx((0.0, 1 / 3), abs=0.02)
