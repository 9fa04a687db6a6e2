"""Prediction on a user's files: requests in batches to the exported model, answers to files.

Requests and rows are streamed, so memory is bounded for a file of any size. The caller chooses the
model that answers: the SavedModel in this process, or a server (see `client`). What is left out,
whole files and single rows, is listed in `skipped.tsv` beside the answers; a file that cannot be
used never ends the others. Answers are written to a hidden folder and moved to their names at the
end, so a call that fails leaves those of an earlier one as they were.
"""

import itertools
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from seqapps.app import App, Columns, Meta, Record, Skip, UserFile
from seqapps.artifacts import error_log, layout
from seqapps.artifacts.columns import from_rows
from seqapps.artifacts.saved_model import SavedModel, in_parts
from seqapps.config import P, UserError
from seqapps.kit import files, progress

NAMED_SKIPS, NAMED_FILES = 3, 10
"""The numbers of skipped rows that are named for each reason, and of files."""

Answer = Callable[[Columns], Columns]
"""Request columns -> answer columns (N, ...), object arrays (N,) where rows differ in length."""


class Request(NamedTuple):
    """One request: what `render` gets with its answer, its row, and its name in `skipped.tsv`."""

    meta: Meta
    record: Record
    key: str


def run(
    app: App[P],
    params: P,
    paths: list[Path],
    *,
    exported: Path,
    out: Path,
    root: Path = Path(),
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
        root: the project's folder, for the log of defects.
        answer: the function that answers requests; None: the SavedModel in `exported`.
        say: takes the lines about what is left out.

    Raises:
        UserError: no such file, no exported model, or nothing in the files could be used.
    """
    user_files: list[UserFile | None] = [*files.listed(paths)] if paths else [None]
    assets = layout.beside(_answering(exported), layout.ASSETS)
    answer = answer or Local(exported)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".predict-", dir=out) as scratch:
        partial = Path(scratch)
        with (partial / layout.SKIPPED).open(
            "w", encoding="utf-8", errors="backslashreplace"
        ) as table:
            left_out = LeftOut(app.name, table, root, say, alone=len(user_files) == 1)
            requests = _requests(app, params, assets, user_files, left_out)
            answered = _answered(answer, requests, params.predict.batch_size, left_out)
            rows = progress.over(answered, what=f"{app.name} predict", unit="rows")
            written = app.render(params, assets, rows, partial)
        left_out.summarise(out / layout.SKIPPED)
        if not left_out.answered:
            os.replace(partial / layout.SKIPPED, out / layout.SKIPPED)
            raise left_out.nothing(paths)
        if not left_out.count:
            (partial / layout.SKIPPED).unlink()
            (out / layout.SKIPPED).unlink(missing_ok=True)
        else:
            written = [*written, partial / layout.SKIPPED]
        return [_moved(path, partial=partial, out=out) for path in written]


class LeftOut:
    """Files and rows that a call leaves out: listed in a table, said, and counted by reason."""

    def __init__(
        self,
        app_name: str,
        table: IO[str],
        root: Path,
        say: Callable[[str], None],
        *,
        alone: bool,
    ):
        self.answered = self.count = 0
        self._app_name, self._table, self._root, self._say = app_name, table, root, say
        self._alone = alone
        self._rows: Counter[str] = Counter()
        self._files: list[str] = []
        self._defect: Exception | None = None
        table.write("what\treason\n")

    def row(self, skip: Skip) -> None:
        """Lists a row."""
        self._list(skip.key, skip.reason)
        self._rows[skip.reason] += 1
        if self._rows[skip.reason] <= NAMED_SKIPS:
            self._say(f"predict: left out {skip.key}: {skip.reason}")

    def file(self, name: str, error: Exception) -> None:
        """Lists a file that cannot be used, or in which seqapps itself fails."""
        if not isinstance(error, UserError):
            self._defect = error
        reason = error_log.write(error, self._root)
        self._list(name, reason)
        self._files.append(reason)
        if not self._alone and len(self._files) <= NAMED_FILES:
            self._say(f"predict: left out the file {name}: {reason}")

    def summarise(self, table: Path) -> None:
        """Says the counts by reason."""
        for reason, count in sorted(self._rows.items()):
            self._say(f"{self._app_name} predict: left out {count}: {reason}")
        if len(self._files) > NAMED_FILES:
            self._say(f"{self._app_name} predict: left out {len(self._files)} files, see {table}")

    def nothing(self, paths: list[Path]) -> Exception:
        """The error of a call in which nothing was answered."""
        if self._defect:
            return self._defect
        if len(self._files) == 1 and not self._rows:
            return UserError(self._files[0])
        where = ", ".join(map(str, paths)) or "the options"
        reasons = "; ".join([*sorted(self._rows), *self._files[:NAMED_SKIPS]])
        why = f" ({reasons})" if reasons else ""
        return UserError(f"{where}: nothing to predict on was found{why}")

    def _list(self, what: str, reason: str) -> None:
        self.count += 1
        self._table.write("\t".join(" ".join(cell.split()) for cell in (what, reason)) + "\n")


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


def _requests(
    app: App[P], params: P, assets: Path, user_files: list[UserFile | None], left_out: LeftOut
) -> Iterator[Request]:
    for file in user_files:
        name = file.name if file else "the options"
        try:
            for number, entry in enumerate(app.requests(params, assets, file), start=1):
                if isinstance(entry, Skip):
                    left_out.row(entry)
                else:
                    yield Request(*entry, key=f"{name}, request {number}")
        except Exception as error:
            left_out.file(name, error)


def _answered(
    answer: Answer, requests: Iterator[Request], batch_size: int, left_out: LeftOut
) -> Iterator[tuple[Meta, Record]]:
    while batch := list(itertools.islice(requests, batch_size)):
        columns = from_rows([request.record for request in batch])
        answers, reasons = in_parts(answer, columns, len(batch))
        for row, reason in reasons.items():
            left_out.row(Skip(reason, batch[row].key))
        for request, row in zip(batch, answers, strict=True):
            if row is not None:
                left_out.answered += 1
                yield request.meta, row


def _moved(path: Path, *, partial: Path, out: Path) -> Path:
    target = out / path.relative_to(partial)
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(path, target)
    return target


def _answering(exported: Path) -> Path:
    try:
        return layout.answering(exported)
    except (FileNotFoundError, ValueError) as error:
        raise UserError(str(error)) from None
