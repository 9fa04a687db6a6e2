"""A user's files through the exported SavedModel: requests in batches, answers to files.

Requests and rows are streamed, so a file of any size passes in bounded memory.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from seqapps import export, progress, records
from seqapps.app import App, Skip, UserError

SERVED = "serving_default"
"""The endpoint a user's files are sent to, whichever ones evaluate judges."""


def run(app: App, params: Any, exported: Path, paths: list[Path], out: Path) -> list[Path]:
    """Writes the model's answers to the user's files into `out` and returns what was written.

    Args:
        app: the application.
        params: all tables; `params.predict` holds the options.
        exported: the export stage's folder.
        paths: the user's files or folders; none if the options say what to predict on.
        out: folder for the results.

    Raises:
        UserError: no such file, no exported model, or nothing in the files could be used.
    """
    for path in paths:
        if not path.exists():
            raise UserError(f"INPUT={path}: no such file or folder")
    assets = exported / "assets"
    loaded, signatures = export.load(export.newest(exported / "model"))
    out.mkdir(parents=True, exist_ok=True)
    skipped: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    requests = _without_skips(app.requests(params, assets, paths), skipped)
    answered = _answered(Endpoints(signatures, SERVED), requests, params.predict.batch_size, counts)
    rows = progress.over(answered, what=f"{app.name} predict", unit="rows")
    written = app.render(params, assets, rows, out)
    del loaded
    for reason, count in sorted(skipped.items()):
        print(f"{app.name} predict: left out {count}: {reason}", flush=True)
    if not counts["rows"]:
        where = ", ".join(map(str, paths)) or "the options"
        raise UserError(f"{where}: nothing to predict on was found")
    return written


def _without_skips(entries: Iterable[Any], skipped: Counter[str]) -> Iterator[Any]:
    for entry in entries:
        if isinstance(entry, Skip):
            skipped[entry.reason] += 1
            if skipped[entry.reason] <= 3:
                print(f"predict: left out {entry.key}: {entry.reason}", flush=True)
        else:
            yield entry


class Endpoints:
    """The endpoint that takes what a request holds: the first one if it does."""

    def __init__(self, signatures: dict[str, Any], first: str):
        self._first, self._signatures = first, signatures

    def taking(self, names: Iterable[str]) -> Any:
        """The function whose inputs have exactly these names."""
        for name in (self._first, *self._signatures):
            function = self._signatures[name]
            if set(function.structured_input_signature[1]) == set(names):
                return function
        raise ValueError(f"no endpoint takes {sorted(names)}")


def _answered(
    endpoints: Endpoints, requests: Iterator[Any], batch_size: int, counts: Counter[str]
) -> Iterator[Any]:
    while batch := list(itertools.islice(requests, batch_size)):
        columns = {
            name: records.column([request[name] for _, request in batch]) for name in batch[0][1]
        }
        response = export.call(endpoints.taking(columns), columns, batch_size)
        counts["rows"] += len(batch)
        for row, (meta, _) in enumerate(batch):
            yield meta, {name: values[row] for name, values in response.items()}
