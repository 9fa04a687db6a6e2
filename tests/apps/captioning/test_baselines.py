"""Consensus and nearest neighbours by hand."""

import numpy as np

from seqapps.apps.captioning import baselines, likeness, metrics


def test_the_consensus_is_the_caption_most_like_the_others():
    texts = ["three bands of red", "three bands of blue", "a lone green dragon"]
    documents = metrics.document_counts([(text,) for text in [*texts, "something else", "more"]])
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


def test_likeness_counts_the_colours_wherever_they_are_and_the_pieces_where_they_are():
    red, blue = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)
    pictures = np.array([[*red, *blue], [*blue, *red], [*red, *red]], np.float32)
    coloured = likeness.Coloured(pictures, seed=0)
    shares, pieces = coloured.distances(pictures[0])
    np.testing.assert_allclose(shares, [0, 0, 0.5])
    np.testing.assert_allclose(pieces, [0, 1, 0.5])
