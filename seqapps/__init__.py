"""seqapps: from raw sequence data to a served Keras model, with a number you can believe."""

from pathlib import Path
from typing import Any


def open(what: str | Path, *, profile: str = "full", root: str | Path = ".") -> Any:
    """The exported model of an application, or of an export or SavedModel folder, as a function.

    Nothing is loaded before the first call.

    >>> model = open("dna")  # after `make dna`, in the project's folder
    >>> model(["ACGT" * 30])["probability"]  # doctest: +SKIP

    Args:
        what: an application's name, or a folder.
        profile: which of the application's exports.
        root: where `data/` lies.

    Raises:
        FileNotFoundError: there is no exported model.
    """
    from seqapps.served import Model

    named = Path(root) / "data" / str(what) / profile / "export"
    return Model(named if named.is_dir() or not Path(what).is_dir() else Path(what))
