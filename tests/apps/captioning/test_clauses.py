"""The clause of a description, and its words turned."""

import pytest

from seqapps.apps.captioning.clauses import first_clause, turned


def test_the_first_clause_is_what_is_seen():
    assert first_clause("red with a star; red stands for blood") == "red with a star"


@pytest.mark.parametrize(
    ("caption", "swapped"),
    [
        ("Two bands of red (top) and blue, horizontal",
         "two bands of red hoist side and blue vertical"),
        ("two vertical bands of red and white with the coat of arms centered in the red band",
         "two horizontal bands of red and white with the coat of arms centered in the red band"),
        ("five horizontal bands of red (top, center, and bottom) alternating with white",
         "five vertical bands of red hoist side center and fly side alternating with white"),
        ("two horizontal bands of red and white with a triangle based on the hoist side", None),
        ("red with a white cross", None),
    ],
)  # fmt: skip
def test_words_of_bands_are_turned_and_others_are_not(caption, swapped):
    assert turned(caption) == swapped
