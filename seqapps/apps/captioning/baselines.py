"""Baselines that do not learn: one caption for all, a random one, the nearest neighbours'.

Axis letters: N test pictures, M train pictures, D numbers of a picture.
"""

from collections import Counter
from typing import Any

import numpy as np

from seqapps.app import Columns, Evaluation, Record
from seqapps.apps.captioning import metrics
from seqapps.apps.captioning.params import Params

NEIGHBOURS = (1, 3, 5, 9, 15, 25)
CONSENSUS = 125
"""At most so many captions are compared with one another, as in the paper."""

PIECES = (8, 12)
"""Rows and columns of the pooled picture by which neighbours are found."""


class Train:
    """The train split of a fold: pictures as rows (M, D), captions, document counts."""

    def __init__(self, rows: list[Record], size: tuple[int, int]):
        self.pictures = np.stack([picture(row, size) for row in rows])
        self.captions = [tuple(row["captions"].decode().split("\n")) for row in rows]
        self.documents = metrics.document_counts(self.captions)
        self.all = [text for texts in self.captions for text in texts]


def responses(evaluation: Evaluation[Params]) -> dict[str, Columns]:
    """The captions (N,) of each baseline, fitted on the train split of each row's fold.

    `nearest` is the k-nearest-neighbour consensus of Devlin et al. (arXiv:1505.04467), on pooled
    pixels, with the k that does best on the validation split.
    """
    truth, params = evaluation.truth, evaluation.params
    answers = {
        name: {"caption": np.empty(len(truth["key"]), object)}
        for name in ("constant", "random_train", "nearest")
    }
    size = (params.preprocess.image_height, params.preprocess.image_width)
    rng = np.random.default_rng(params.evaluate.seed)
    for fold in evaluation.folds:
        train = Train(list(evaluation.records("train", fold)), size)
        held = Train(list(evaluation.records("validation", fold)), size)
        neighbours = max(NEIGHBOURS, key=lambda k: _worth(train, held, neighbours=k))
        constant = _typical(train)
        for row in np.flatnonzero(truth["fold"] == fold):
            record = {"view": truth["view"][row], "cells": truth["cells"][row]}
            answers["constant"]["caption"][row] = constant
            answers["random_train"]["caption"][row] = train.all[rng.integers(len(train.all))]
            answers["nearest"]["caption"][row] = nearest(train, picture(record, size), neighbours)
    return answers


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
    order = np.argsort(np.square(train.pictures - wanted).sum(axis=1), kind="stable")
    texts = [text for row in order[:neighbours] for text in train.captions[row]]
    return consensus(texts[:CONSENSUS], train.documents)


def consensus(texts: list[str], documents: Any) -> str:
    """The sentence with the highest mean CIDEr-D against the others; the first of equals."""
    if len(texts) < 3:
        return texts[0]
    worth = [
        metrics.weighted_cider([text], [(*texts[:n], *texts[n + 1 :])], documents)[0]
        for n, text in enumerate(texts)
    ]
    return texts[int(np.argmax(worth))]


def _worth(train: Train, held: Train, *, neighbours: int) -> float:
    captions = [nearest(train, wanted, neighbours) for wanted in held.pictures]
    return float(metrics.weighted_cider(captions, held.captions, train.documents).mean())


def _typical(train: Train) -> str:
    """The train caption most like a sample of the others."""
    common = [text for text, _ in Counter(train.all).most_common(CONSENSUS)]
    return consensus(common, train.documents)


def _bytes(view: Any) -> bytes:
    # A column of records turns bytes that happen to be UTF-8 into text.
    return view.encode() if isinstance(view, str) else bytes(view)
