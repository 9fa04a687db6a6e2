"""Prediction on a user's files: requests in batches to the exported model, answers to files.

Requests and rows are streamed, so memory is bounded for a file of any size. The caller chooses the
model that answers: the SavedModel in this process, or a server (see `client`).
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from seqapps.app import App, Columns, Record, Skip
from seqapps.artifacts import layout
from seqapps.artifacts.columns import from_rows
from seqapps.artifacts.saved_model import SavedModel
from seqapps.config import P, UserError
from seqapps.kit import progress

NAMED_SKIPS = 3
"""The number of skipped rows that are named for each reason."""

Request = tuple[Any, Record]
"""(meta, request or answer): meta goes from `App.requests` to `App.render` as it is."""

Answer = Callable[[Columns], Columns]
"""Request columns -> answer columns (N, ...), object arrays (N,) where rows differ in length."""


def run(
    app: App[P],
    params: P,
    paths: list[Path],
    *,
    exported: Path,
    out: Path,
    answer: Answer | None = None,
    say: Callable[[str], None] = print,
) -> list[Path]:
    """Writes the model's answers to the user's files into `out` and returns the files written.

    Args:
        app: the application.
        params: all tables; `params.predict` holds the options.
        paths: the user's files or folders; none if the options hold the input.
        exported: the export stage's folder.
        out: folder for the results.
        answer: the function that answers requests; None: the SavedModel in `exported`.
        say: takes the lines about rows that are left out.

    Raises:
        UserError: no such file, no exported model, or nothing in the files could be used.
    """
    for path in paths:
        if not path.exists():
            raise UserError(f"INPUT={path}: no such file or folder")
    assets = layout.beside(_answering(exported), layout.ASSETS)
    answer = answer or Local(exported)
    out.mkdir(parents=True, exist_ok=True)
    skipped: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    requests = _without_skips(app.requests(params, assets, paths), skipped, say)
    answered = _answered(answer, requests, params.predict.batch_size, counts)
    rows = progress.over(answered, what=f"{app.name} predict", unit="rows")
    written = app.render(params, assets, rows, out)
    for reason, count in sorted(skipped.items()):
        say(f"{app.name} predict: left out {count}: {reason}")
    if not counts["rows"]:
        where = ", ".join(map(str, paths)) or "the options"
        why = f" ({'; '.join(sorted(skipped))})" if skipped else ""
        raise UserError(f"{where}: nothing to predict on was found{why}")
    return written


class Local:
    """The answering SavedModel of an export folder (see `layout.answering`), in this process.

    Raises:
        UserError: there is no exported model.
    """

    def __init__(self, exported: Path):
        self._model = SavedModel(_answering(exported))

    def __call__(self, request: Columns) -> Columns:
        """The answers (N, ...) of the endpoint that takes these columns, as one batch."""
        count = len(next(iter(request.values())))
        return self._model.taking(request).in_batches(request, count)


def _answering(exported: Path) -> Path:
    try:
        return layout.answering(exported)
    except (FileNotFoundError, ValueError) as error:
        raise UserError(str(error)) from None


def _without_skips(
    entries: Iterable[Request | Skip], skipped: Counter[str], say: Callable[[str], None]
) -> Iterator[Request]:
    for entry in entries:
        if isinstance(entry, Skip):
            skipped[entry.reason] += 1
            if skipped[entry.reason] <= NAMED_SKIPS:
                say(f"predict: left out {entry.key}: {entry.reason}")
        else:
            yield entry


def _answered(
    answer: Answer, requests: Iterator[Request], batch_size: int, counts: Counter[str]
) -> Iterator[Request]:
    while batch := list(itertools.islice(requests, batch_size)):
        response = answer(from_rows([request for _, request in batch]))
        counts["rows"] += len(batch)
        for row, (meta, _) in enumerate(batch):
            yield meta, {name: values[row] for name, values in response.items()}
