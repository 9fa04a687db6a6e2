"""Files of prices -> tables of text cells, one for each symbol, before any cell is understood.

Read are CSV with any of four separators, in any encoding, with lines above the header and notes
below the table; yfinance's three header rows, with tickers side by side; symbols stacked in one
table; Binance's klines, which have no header; xlsx and parquet, if pandas has a reader for them.
"""

import csv
import io
import re
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from seqapps.config import UserError
from seqapps.kit import files

SEPARATORS = ",;\t|"
LONGEST_PREAMBLE = 30
"""A header is looked for in so many lines."""

NAMES = {
    "date": "date datetime timestamp day time open_time fecha datum",
    "open": "open opening apertura eröffnung erster",
    "high": "high máximo maximo hoch",
    "low": "low mínimo minimo tief",
    "close": "close closing price last close/last dcoilwtico último ultimo cierre schluss",
    "adjusted": "adj_close adjclose adjusted adjusted_close",
    "volume": "volume vol volumen",
    "symbol": "symbol ticker name",
}
COLUMNS = {word: column for column, words in NAMES.items() for word in words.split()}
FIELDS = {"open", "high", "low", "close", "adjusted", "volume"}
KLINES = ["date", "open", "high", "low", "close", "volume"]
EPOCH = re.compile(r"\d{13}|\d{16}")


@dataclass
class Cells:
    """One symbol's cells as text, a row's index being its line in the file (from 1)."""

    table: pd.DataFrame
    symbol: str | None = None
    semicolons: bool = False
    """Cells are parted by semicolons, as where a comma is the decimal sign."""
    notes: Counter[str] = field(default_factory=Counter)


def read(path: Path, name: str) -> list[Cells]:
    """The tables in a file.

    Raises:
        UserError: it is no table of prices, or needs a package that is missing.
    """
    content = files.content(path)
    if content[:4] == b"PAR1":
        return _framed(_by_pandas(content, name, kind="parquet"), name)
    if content[:2] == b"PK":
        return _framed(_by_pandas(content, name, kind="xlsx"), name)
    if content[:4] == b"\xd0\xcf\x11\xe0":
        raise UserError(f"{name} is an Excel file of the old kind (.xls); save it as .xlsx or CSV")
    text, encoding = files.decoded(content)
    if "\0" in text:
        raise UserError(f"{name} holds zero bytes; wanted a text file, xlsx or parquet")
    cells_read = of_text(text, name)
    if encoding not in ("utf-8", "utf-8-sig"):
        for one in cells_read:
            one.notes[f"text was in {encoding}"] = 1
    return cells_read


def of_text(text: str, name: str) -> list[Cells]:
    """The tables in the text of a CSV; `name` stands for the file in messages.

    Raises:
        UserError: there is no header with a date and a price, or no row below it.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff").split("\n")
    if not any(line.strip() for line in lines):
        raise UserError(f"{name} is empty; wanted a CSV of daily prices")
    separator = max(SEPARATORS, key=lambda sign: _widest(lines, sign))
    numbered = _rows(lines, separator, name=name)
    if numbered and _is_klines(numbered[0][1]):
        whole = [(n, row[: len(KLINES)]) for n, row in numbered if len(row) >= len(KLINES)]
        cut = Counter({"lines left out: fewer cells than six": len(numbered) - len(whole)})
        return [Cells(_table(KLINES, whole, name), notes=+cut)]
    if levels := _side_by_side(numbered):
        fields, tickers, rows = levels
        return list(_of_tickers(fields, tickers, rows=rows, name=name))
    header = next(
        (n for n, (_, row) in enumerate(numbered[:LONGEST_PREAMBLE]) if _is_header(row)), None
    )
    if header is None:
        shown = ", ".join(numbered[0][1])[:100] if numbered else lines[0][:100]
        raise UserError(f"{name} has the columns {shown}; {WANTED}")
    columns, notes = _named(numbered[header][1])
    rows = numbered[header + 1 :]
    kept = [(number, row) for number, row in rows if len(row) == len(columns)]
    longer = next(((n, row) for n, row in rows if len(row) > len(columns)), None)
    if longer and any(cell.strip() for cell in longer[1][len(columns) :]):
        raise UserError(
            f"{name} line {longer[0]} has {len(longer[1])} cells, the header {len(columns)}; a "
            f"number with a '{separator}' in it must be in quotes"
        )
    kept += [(n, row[: len(columns)]) for n, row in rows if len(row) > len(columns)]
    notes["lines left out: fewer cells than the header"] = len(rows) - len(kept)
    notes["lines left out above the header"] = header
    table = _table(columns, sorted(kept), name)
    return list(_by_symbol(Cells(table, None, separator == ";", +notes)))


WANTED = (
    "wanted Date, Open, High, Low, Close (or Price) and Volume, as Yahoo, Stooq, Investing.com, "
    "Alpha Vantage and Binance write them"
)


def _rows(lines: list[str], separator: str, *, name: str) -> list[tuple[int, list[str]]]:
    """(line, cells) of every line with any text; a quote that is never closed is refused."""
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    rows = []
    before = 0
    try:
        for row in reader:
            if reader.line_num > before + 1:
                raise UserError(f"{name} line {before + 1}: a quote is opened and not closed")
            before = reader.line_num
            if any(cell.strip() for cell in row):
                rows.append((reader.line_num, [cell.strip() for cell in row]))
    except csv.Error as error:
        raise UserError(f"{name} line {before + 1} is no line of a CSV: {error}") from None
    return rows


def _widest(lines: list[str], sign: str) -> int:
    """The most cells of a line that may be the header, if `sign` parts them."""
    begin = [line for line in lines[:LONGEST_PREAMBLE] if line.strip()]
    widths = [len(line.split(sign)) for line in begin]
    of_headers = [
        width
        for line, width in zip(begin, widths, strict=True)
        if _is_header([cell.strip(' "') for cell in line.split(sign)])
    ]
    return 1000 * max(of_headers, default=0) + max(widths, default=0)


def _column(cell: str) -> str:
    """The column that a header's cell names, else the cell in lower case.

    >>> _column("5. adjusted close"), _column("<VOL>"), _column("Change %")
    ('adjusted', 'volume', 'change_%')
    """
    plain = re.sub(r"^\d+[a-z]?\.\s*", "", cell.strip().casefold())
    plain = re.sub(r"[\s_]+", "_", re.sub(r"[<>.*\"]", " ", plain).strip())
    return COLUMNS.get(plain, plain)


def _is_header(row: list[str]) -> bool:
    columns = {_column(cell) for cell in row}
    return "date" in columns and bool(columns & {"close", "adjusted"})


def _named(row: list[str]) -> tuple[list[str], Counter[str]]:
    """The columns of a header; of two that mean the same, the plainest name wins."""
    columns = [_column(cell) for cell in row]
    notes: Counter[str] = Counter()
    plain = [re.sub(r"[<>\s]", "", cell.casefold()) for cell in row]
    for column in set(COLUMNS.values()):
        places = [n for n, one in enumerate(columns) if one == column]
        if len(places) > 1:
            best = min(places, key=lambda n, column=column: (plain[n] != column, n))
            for number in places:
                if number != best:
                    columns[number] = f"other {row[number]}"
                    notes[f"column '{row[number]}' beside '{row[best]}': not used"] = 1
    return columns, notes


def _is_klines(row: list[str]) -> bool:
    return len(row) >= len(KLINES) and bool(EPOCH.fullmatch(row[0])) and "." in row[1]


Levels = tuple[list[str], list[str], list[tuple[int, list[str]]]]


def _side_by_side(rows: list[tuple[int, list[str]]]) -> Levels | None:
    """Fields and tickers of the columns and the rows below, of yfinance's header; else None."""
    if len(rows) < 3 or _column(rows[2][1][0]) != "date" or any(rows[2][1][1:]):
        return None
    upper, lower = rows[0][1][1:], rows[1][1][1:]
    if {_column(cell) for cell in lower} <= FIELDS:
        upper, lower = lower, upper
    known = {_column(cell) for cell in upper} <= FIELDS and len(upper) == len(lower)
    return (upper, lower, rows[3:]) if known else None


def _of_tickers(
    fields: list[str], tickers: list[str], *, rows: list[tuple[int, list[str]]], name: str
) -> Iterator[Cells]:
    width = len(fields) + 1
    kept = [(n, row[:width]) for n, row in rows if len(row) >= width]
    for ticker in dict.fromkeys(tickers):
        places = [n for n, one in enumerate(tickers) if one == ticker]
        columns = ["date", *(_column(fields[n]) for n in places)]
        cut = [(n, [row[0], *(row[n + 1] for n in places)]) for n, row in kept]
        notes = Counter({"lines left out: fewer cells than the header": len(rows) - len(kept)})
        yield Cells(_table(columns, cut, name), ticker or None, notes=+notes)


def _by_symbol(cells: Cells) -> Iterator[Cells]:
    """A table for each symbol of a stacked one."""
    if "symbol" not in cells.table:
        yield cells
        return
    for symbol, rows in cells.table.groupby("symbol", sort=False):
        yield Cells(rows, str(symbol) or None, cells.semicolons, cells.notes.copy())


def _table(columns: list[str], rows: list[tuple[int, list[str]]], name: str) -> pd.DataFrame:
    if not rows:
        raise UserError(f"{name} has a header but no rows")
    lines = pd.Index([number for number, _ in rows])
    return pd.DataFrame([row for _, row in rows], lines, pd.Index(columns), dtype=str)


def _by_pandas(content: bytes, name: str, *, kind: str) -> pd.DataFrame:
    package = {"parquet": "pyarrow", "xlsx": "openpyxl"}[kind]
    try:
        if kind == "parquet":
            return pd.read_parquet(io.BytesIO(content))
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if "xl/workbook.xml" not in archive.namelist():
                raise UserError(f"{name} is a zip file, and no Excel file; unpack it first")
        return pd.read_excel(io.BytesIO(content), dtype=str, header=None, keep_default_na=False)
    except UserError:
        raise
    except ImportError:
        raise UserError(
            f"{name} is {kind}, which needs the package {package}: pip install {package}, or save "
            "it as CSV"
        ) from None
    except Exception as error:  # the readers raise whatever a damaged file makes them raise
        raise UserError(f"{name} is {kind} that cannot be read ({type(error).__name__})") from None


def _framed(frame: pd.DataFrame, name: str) -> list[Cells]:
    """The tables of a data frame, by way of CSV, so that all forms are understood in one place."""
    indexed = frame.index.name is not None or isinstance(frame.index, pd.DatetimeIndex)
    header = not isinstance(frame.columns, pd.RangeIndex)
    if indexed and frame.index.name is None:
        frame.index.name = "Date"
    text = frame.to_csv(index=indexed, header=header, date_format="%Y-%m-%d %H:%M:%S")
    return of_text(text, name)
