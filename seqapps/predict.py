"""A user's files through the exported model: requests in batches, answers to files.

Requests and rows are streamed, so a file of any size passes in bounded memory. Who answers is the
caller's choice: the SavedModel in this process, or a server (see `remote`).
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from seqapps import export, progress, records, served
from seqapps.app import App, Skip, UserError

SERVED = "serving_default"
"""The endpoint a user's files are sent to, whichever ones evaluate judges."""

NAMED_SKIPS = 3
"""So many of those left out for the same reason are named."""

Columns = dict[str, Any]
Answer = Callable[[Columns], Columns]
"""The answers to a batch of requests, as columns; rows of different lengths in an object array."""


def run(
    app: App,
    params: Any,
    exported: Path,
    paths: list[Path],
    out: Path,
    *,
    answer: Answer | None = None,
    say: Callable[[str], None] = print,
) -> list[Path]:
    """Writes the model's answers to the user's files into `out` and returns what was written.

    Args:
        app: the application.
        params: all tables; `params.predict` holds the options.
        exported: the export stage's folder.
        paths: the user's files or folders; none if the options say what to predict on.
        out: folder for the results.
        answer: who is asked; the SavedModel in `exported` if nobody is named.
        say: takes the lines about what was left out.

    Raises:
        UserError: no such file, no exported model, or nothing in the files could be used.
    """
    for path in paths:
        if not path.exists():
            raise UserError(f"INPUT={path}: no such file or folder")
    assets = served.beside(export.answering(exported), "assets")
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
    """The SavedModel of an export folder that answers (see `champion`), in this process.

    Raises:
        UserError: there is none.
    """

    def __init__(self, exported: Path):
        self._owner, self._signatures = export.load(export.answering(exported))

    def __call__(self, columns: Columns) -> Columns:
        """The answers of the endpoint that takes these columns, as one batch."""
        takes = {n: f.structured_input_signature[1] for n, f in self._signatures.items()}
        rows = len(next(iter(columns.values())))
        return export.call(self._signatures[taking(takes, columns)], columns, rows)


def taking(endpoints: dict[str, Iterable[str]], names: Iterable[str]) -> str:
    """The endpoint whose inputs have exactly these names: `serving_default` if it does."""
    for name in (SERVED, *endpoints):
        if set(endpoints[name]) == set(names):
            return name
    raise ValueError(f"no endpoint takes {sorted(names)}")


def _without_skips(
    entries: Iterable[Any], skipped: Counter[str], say: Callable[[str], None]
) -> Iterator[Any]:
    for entry in entries:
        if isinstance(entry, Skip):
            skipped[entry.reason] += 1
            if skipped[entry.reason] <= NAMED_SKIPS:
                say(f"predict: left out {entry.key}: {entry.reason}")
        else:
            yield entry


def _answered(
    answer: Answer, requests: Iterator[Any], batch_size: int, counts: Counter[str]
) -> Iterator[Any]:
    while batch := list(itertools.islice(requests, batch_size)):
        columns = {
            name: records.column([request[name] for _, request in batch]) for name in batch[0][1]
        }
        response = answer(columns)
        counts["rows"] += len(batch)
        for row, (meta, _) in enumerate(batch):
            yield meta, {name: values[row] for name, values in response.items()}
