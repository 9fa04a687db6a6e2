"""Baselines that do not learn: one caption for all, a random one, the nearest neighbours'.

Axis letters: N test pictures, M train pictures, D numbers of a picture.
"""

from collections import Counter
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np

from seqapps.app import Columns, Evaluation, Record
from seqapps.apps.captioning import likeness, metrics
from seqapps.apps.captioning.params import Params

NEIGHBOURS = (1, 3, 5, 9, 15, 25)
CONSENSUS = 125
"""At most so many captions are compared with one another, as in the paper."""

PIECES = (8, 12)
"""Rows and columns of the pooled picture by which neighbours are found."""


class Train:
    """The train split of a fold: pictures as rows (M, D), captions, document counts.

    `coloured` is None for pictures without pixels.
    """

    def __init__(self, rows: list[Record], size: tuple[int, int], *, seed: int = 0):
        self.pictures = np.stack([picture(row, size) for row in rows])
        self.captions = [tuple(row["captions"].decode().split("\n")) for row in rows]
        self.documents = metrics.document_counts(self.captions)
        self.all = [text for texts in self.captions for text in texts]
        pixels = all(len(row["view"]) for row in rows)
        self.coloured = likeness.Coloured(self.pictures, seed=seed) if pixels else None

    def caption(self, distances: np.ndarray, neighbours: int) -> str:
        """The consensus caption of the pictures with the least distances (M,)."""
        order = np.argsort(distances, kind="stable")
        texts = [text for row in order[:neighbours] for text in self.captions[row]]
        return consensus(texts[:CONSENSUS], self.documents)

    def worth(self, captions: list[str], wanted: "Train") -> float:
        """CIDEr-D, a scalar, of captions of the pictures of another split."""
        return float(metrics.weighted_cider(captions, wanted.captions, self.documents).mean())


def responses(evaluation: Evaluation[Params]) -> dict[str, Columns]:
    """The captions (N,) of each baseline, fitted on the train split of each row's fold.

    `nearest` is the k-nearest-neighbour consensus of Devlin et al. (arXiv:1505.04467), on pooled
    pixels, `nearest_colours` the same by `likeness`; k and the weight of the colours' shares are
    those that do best on the validation split.
    """
    truth, params = evaluation.truth, evaluation.params
    captions: dict[str, np.ndarray] = {}
    size = (params.preprocess.image_height, params.preprocess.image_width)
    rng = np.random.default_rng(params.evaluate.seed)
    for fold in evaluation.folds:
        seed = params.evaluate.seed
        train = Train(list(evaluation.records("train", fold)), size, seed=seed)
        held = Train(list(evaluation.records("validation", fold)), size, seed=seed)
        by_pixels = _by_pixels(train, held)
        by_colours = _by_colours(train, held) if train.coloured and held.coloured else None
        constant = _typical(train)
        for row in np.flatnonzero(truth["fold"] == fold):
            record = {"view": truth["view"][row], "cells": truth["cells"][row]}
            wanted = picture(record, size)
            answers = {
                "constant": constant,
                "random_train": train.all[rng.integers(len(train.all))],
                "nearest": by_pixels(wanted),
            }
            answers |= {"nearest_colours": by_colours(wanted)} if by_colours else {}
            for name, caption in answers.items():
                captions.setdefault(name, np.empty(len(truth["key"]), object))[row] = caption
    return {name: {"caption": column} for name, column in captions.items()}


def picture(row: Columns, size: tuple[int, int]) -> np.ndarray:
    """The picture's pixels, averaged over pieces, or the mean of its cells: float32 (D,)."""
    view = row["view"]
    if not len(view):
        return np.asarray(row["cells"], np.float32).mean(axis=0)
    pixels = np.frombuffer(_bytes(view), np.uint8).reshape(*size, 3).astype(np.float32) / 255
    down, across = size[0] // PIECES[0], size[1] // PIECES[1]
    pixels = pixels[: down * PIECES[0], : across * PIECES[1]]
    return pixels.reshape(PIECES[0], down, PIECES[1], across, 3).mean(axis=(1, 3)).ravel()


def nearest(train: Train, wanted: np.ndarray, neighbours: int) -> str:
    """Consensus caption of the nearest pictures, by pixels (D,) of `wanted`."""
    return train.caption(np.square(train.pictures - wanted).sum(axis=1), neighbours)


def consensus(texts: list[str], documents: Any) -> str:
    """The sentence with the highest mean CIDEr-D against the others; the first of equals."""
    if len(texts) < 3:
        return texts[0]
    worth = [
        metrics.weighted_cider([text], [(*texts[:n], *texts[n + 1 :])], documents)[0]
        for n, text in enumerate(texts)
    ]
    return texts[int(np.argmax(worth))]


def _by_pixels(train: Train, held: Train) -> Callable[[np.ndarray], str]:
    """Picture (D,) to caption, by the number of neighbours that does best on `held`."""

    def worth(neighbours: int) -> float:
        captions = [nearest(train, wanted, neighbours) for wanted in held.pictures]
        return train.worth(captions, held)

    best = max(NEIGHBOURS, key=worth)
    return lambda wanted: nearest(train, wanted, best)


def _by_colours(train: Train, held: Train) -> Callable[[np.ndarray], str]:
    """Picture (D,) to caption, by the weight and number of neighbours that do best on `held`."""
    assert train.coloured
    coloured = train.coloured
    apart = [coloured.distances(wanted) for wanted in held.pictures]

    def worth(setting: tuple[float, int]) -> float:
        weight, neighbours = setting
        captions = [train.caption(_mixed(pair, weight), neighbours) for pair in apart]
        return train.worth(captions, held)

    weight, neighbours = max(product(likeness.SHARES_WEIGHT, NEIGHBOURS), key=worth)
    return lambda wanted: train.caption(_mixed(coloured.distances(wanted), weight), neighbours)


def _mixed(distances: tuple[np.ndarray, np.ndarray], weight: float) -> np.ndarray:
    return weight * distances[0] + (1 - weight) * distances[1]


def _typical(train: Train) -> str:
    """The train caption most like a sample of the others."""
    common = [text for text, _ in Counter(train.all).most_common(CONSENSUS)]
    return consensus(common, train.documents)


def _bytes(view: Any) -> bytes:
    # A column of records turns bytes that happen to be UTF-8 into text.
    return view.encode() if isinstance(view, str) else bytes(view)
