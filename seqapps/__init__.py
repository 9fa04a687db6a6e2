"""seqapps: from raw sequence data to a served Keras model, evaluated against baselines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seqapps.artifacts.saved_model import Model


def open(what: str | Path, *, profile: str = "full", root: str | Path = ".") -> Model:
    """The exported model of an application, or of an export or SavedModel folder, as a function.

    Nothing is loaded before the first call.

    >>> model = open("dna")  # after `make dna`; doctest: +SKIP
    >>> model(["ACGT" * 30])["probability"]  # doctest: +SKIP

    Args:
        what: an application's name, or a folder.
        profile: the profile whose export is opened.
        root: the project's folder.

    Raises:
        FileNotFoundError: there is no exported model.
    """
    from seqapps.artifacts.layout import ProfileFolder
    from seqapps.artifacts.saved_model import Model

    named = ProfileFolder(Path(root), str(what), profile).stage("export")
    return Model(named if named.is_dir() or not Path(what).is_dir() else Path(what))
