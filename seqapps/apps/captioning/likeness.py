"""Likeness of pictures by their colours, for neighbours that need no network.

Two measures: how much of each of the palette's colours a picture holds, and how many of its pieces
have the same colour as the other's.

Axis letters: M train pictures, P pieces, C colours of the palette.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans

COLOURS = 12
SHARES_WEIGHT = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Weight of the colours' shares against the pieces: chosen by validation."""


@dataclass(frozen=True)
class Palette:
    """Colours float32 (C, 3) that the train pictures are made of."""

    colours: np.ndarray

    def pieces(self, picture: np.ndarray) -> np.ndarray:
        """The palette's colour of each piece, int (P,), of a picture of pieces float32 (3 P,)."""
        pieces = picture.reshape(-1, 1, 3)
        return np.argmin(np.square(pieces - self.colours).sum(axis=2), axis=1)

    def shares(self, pieces: np.ndarray) -> np.ndarray:
        """The share (C,) of the pieces (P,) that has each colour."""
        return np.bincount(pieces, minlength=len(self.colours)) / len(pieces)


def palette(pictures: np.ndarray, *, seed: int) -> Palette:
    """The palette of pictures (M, 3 P): means of the clusters of their pieces' colours."""
    pieces = pictures.reshape(-1, 3)
    count = min(COLOURS, len(np.unique(pieces, axis=0)))
    fitted = KMeans(count, random_state=seed).fit(pieces)
    return Palette(fitted.cluster_centers_.astype(np.float32))


class Coloured:
    """The train pictures (M, 3 P) as their palette sees them."""

    def __init__(self, pictures: np.ndarray, *, seed: int):
        self.palette = palette(pictures, seed=seed)
        self.pieces = np.stack([self.palette.pieces(picture) for picture in pictures])
        self.shares = np.stack([self.palette.shares(pieces) for pieces in self.pieces])

    def distances(self, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distances (M,) of a picture (3 P,) to all: half the shares' differences, the pieces'.

        Both lie between 0 and 1.
        """
        pieces = self.palette.pieces(picture)
        by_share = np.abs(self.shares - self.palette.shares(pieces)).sum(axis=1) / 2
        return by_share, (self.pieces != pieces).mean(axis=1)
