import numpy as np
import pytest

from seqapps.apps.captioning import evaluate


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
