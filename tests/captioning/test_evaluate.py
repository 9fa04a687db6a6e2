import numpy as np
import pytest

from seqapps.captioning import baselines, drawn, evaluate, scores


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
    assert drawn.right(caption, kind, colours) is right


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


def test_the_right_captions_score_above_others_on_every_metric():
    truth = {
        "key": np.array(["a", "b"], object),
        "captions": np.array(["a red star on green\na star of red", "two bands of white"], object),
    }
    best = evaluate.score(None, truth, {"caption": ["a red star on green", "two bands of white"]})
    worse = evaluate.score(None, truth, {"caption": ["two bands of white", "a red star on green"]})
    assert best["bleu4"] == pytest.approx(1.0) and best["rouge_l"] == pytest.approx(1.0)
    assert worse["cider_d"] == 0.0 < best["cider_d"]
    assert best["vocabulary"] == 9 and best["distinct2"] == 1.0


def test_the_consensus_is_the_caption_most_like_the_others():
    texts = ["three bands of red", "three bands of blue", "a lone green dragon"]
    documents = scores.document_counts([(text,) for text in [*texts, "something else", "more"]])
    assert baselines.consensus(texts, documents) in texts[:2]


def test_the_nearest_picture_is_found_by_its_colours_in_their_places():
    def record(left, right, caption):
        view = np.zeros((32, 48, 3), np.uint8)
        view[:, :24], view[:, 24:] = left, right
        return {"view": view.tobytes(), "captions": caption.encode()}

    red, blue = (200, 0, 0), (0, 0, 200)
    rows = [record(red, blue, "red and blue"), record(blue, red, "blue and red")]
    train = baselines.Train(rows, (32, 48))
    wanted = baselines.picture(record((180, 20, 0), (0, 0, 180), ""), (32, 48))
    assert baselines.nearest(train, wanted, 1) == "red and blue"
