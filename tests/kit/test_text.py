"""Word tokens and vocabulary."""

from seqapps.kit import text


def test_hyphens_percent_and_apostrophes_stay_in_words():
    assert text.tokenize("White-edged (top), 50% of L'Union; 3.5") == [
        "white-edged", "top", "50%", "of", "l'union", "3.5",
    ]  # fmt: skip


def test_a_vocabulary_has_the_frequent_words_first_and_ties_in_order():
    counts = {"rare": 1, "b": 2, "a": 2, "often": 5}
    assert text.vocabulary(counts, min_count=2) == [*text.SPECIAL, "often", "a", "b"]


def test_a_row_is_start_words_end_and_padding_and_long_ones_are_cut():
    numbers = {"red": 4, "star": 5}
    row = text.encode(["red", "star", "x"], numbers, max_words=4)
    assert row == [text.START, 4, 5, text.UNKNOWN, text.END, text.PAD]
    assert text.encode(["red"] * 9, numbers, max_words=2) == [text.START, 4, 4, text.END]
