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
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from seqapps.config import UserError
from seqapps.kit import files

SEPARATORS = ",;\t|"
LONGEST_PREAMBLE = 30
"""A header is looked for in so many lines."""

NAMES = {
    "date": "date datetime timestamp day open_time fecha datum",
    "time": "time",
    "open": "open opening apertura eröffnung erster",
    "high": "high máximo maximo hoch",
    "low": "low mínimo minimo tief",
    "close": "close closing price last close/last dcoilwtico último ultimo cierre schluss",
    "adjusted": "adj_close adjclose adjusted adjusted_close",
    "volume": "volume vol volumen",
    "symbol": "symbol ticker tic code instrument stock security asset isin act_symbol name",
}
COLUMNS = {word: column for column, words in NAMES.items() for word in words.split()}
FIELDS = {"open", "high", "low", "close", "adjusted", "volume"}
KLINES = ["date", "open", "high", "low", "close", "volume"]
EPOCH = re.compile(r"\d{10}|\d{13}|\d{16}")
UNNAMED = ("", "index", "unnamed:_0")
"""Headers of a first column that pandas wrote without a name."""


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
    content = files.content(path, name=name)
    if content[:4] == b"PAR1":
        return _framed(_by_pandas(content, name, kind="parquet"), name)
    if content[:2] == b"PK":
        return _of_sheets(_by_pandas(content, name, kind="xlsx"), name)
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
        notes = Counter({SHORT: len(numbered) - len(whole)})
        return [Cells(_table(KLINES, whole, name), notes=+notes)]
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
    longer = [(n, row) for n, row in rows if len(row) > len(columns)]
    dated = [(n, row) for n, row in longer if _may_be_date(row[columns.index("date")])]
    for number, row in dated:
        if any(row[len(columns) :]):
            raise UserError(
                f"{name} line {number} has {len(row)} cells, the header {len(columns)}; a number "
                f"with a '{separator}' in it must be in quotes"
            )
    kept += [(n, row[: len(columns)]) for n, row in dated]
    if rows and not kept:
        raise UserError(
            f"{name} line {rows[0][0]} has {len(rows[0][1])} cells, the header {len(columns)}, and "
            "so has no line as many; mend the header or the lines"
        )
    notes[SHORT] = sum(len(row) < len(columns) for _, row in rows)
    notes["lines left out: notes without a date"] = len(longer) - len(dated)
    notes["lines left out above the header"] = header
    table = _table(columns, sorted(kept), name)
    return list(_by_symbol(Cells(table, None, separator == ";", +notes)))


SHORT = "lines left out: fewer cells than the header"
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
    plain = re.sub(r"^\d+[a-z]?\.\s*|\s*\([a-z]{3,5}\)$", "", cell.strip().casefold())
    plain = re.sub(r"[\s_]+", "_", re.sub(r"[<>.*\"]", " ", plain).strip())
    return COLUMNS.get(plain, plain)


def _columns(row: list[str]) -> list[str]:
    """The columns of a header; a first one without a name, or one of times, may be the date."""
    columns = [_column(cell) for cell in row]
    if "date" not in columns:
        columns = ["date" if one == "time" else one for one in columns]
    if "date" not in columns and columns[0] in UNNAMED:
        columns[0] = "date"
    return columns


def _may_be_date(cell: str) -> bool:
    return len(cell) <= 40 and any(sign.isdigit() for sign in cell)


def _is_header(row: list[str]) -> bool:
    columns = set(_columns(row))
    return "date" in columns and bool(columns & {"close", "adjusted"})


def _named(row: list[str]) -> tuple[list[str], Counter[str]]:
    """The columns of a header; of two that mean the same, the plainest name wins."""
    columns = _columns(row)
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
    numbers = [re.fullmatch(r"\d+(\.\d*)?", cell) for cell in row[: len(KLINES)]]
    return len(row) >= len(KLINES) and bool(EPOCH.fullmatch(row[0])) and all(numbers)


Levels = tuple[list[str], list[str], list[tuple[int, list[str]]]]


def _side_by_side(rows: list[tuple[int, list[str]]]) -> Levels | None:
    """Fields and tickers of the columns and the rows below, of yfinance's header; else None."""
    if len(rows) < 3 or _column(rows[2][1][0]) != "date" or any(rows[2][1][1:]):
        return None
    label, upper, lower = rows[0][1][0].casefold(), rows[0][1][1:], rows[1][1][1:]
    # A ticker may be called LOW or OPEN, so the label of the row decides where there is one.
    if label == "ticker" or (label != "price" and _are_fields(lower)):
        upper, lower = lower, upper
    return (upper, lower, rows[3:]) if _are_fields(upper) and len(upper) == len(lower) else None


def _are_fields(row: list[str]) -> bool:
    return bool(row) and {_column(cell) for cell in row} <= FIELDS


def _of_tickers(
    fields: list[str], tickers: list[str], *, rows: list[tuple[int, list[str]]], name: str
) -> Iterator[Cells]:
    width = len(fields) + 1
    kept = [(n, row[:width]) for n, row in rows if len(row) >= width]
    for ticker in dict.fromkeys(tickers):
        places = [n for n, one in enumerate(tickers) if one == ticker]
        columns, _ = _named(["Date", *(fields[n] for n in places)])
        cut = [(n, [row[0], *(row[n + 1] for n in places)]) for n, row in kept]
        notes = Counter({SHORT: len(rows) - len(kept)})
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


def _by_pandas(content: bytes, name: str, *, kind: str) -> Any:
    """A data frame of parquet, or sheet -> data frame of xlsx."""
    package = {"parquet": "pyarrow", "xlsx": "openpyxl"}[kind]
    try:
        if kind == "parquet":
            return pd.read_parquet(io.BytesIO(content))
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if "xl/workbook.xml" not in archive.namelist():
                raise UserError(f"{name} is a zip file, and no Excel file; unpack it first")
        return pd.read_excel(
            io.BytesIO(content), sheet_name=None, dtype=str, header=None, keep_default_na=False
        )
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
    if indexed and frame.index.name is None:
        frame.index.name = "Date"
    return of_text(frame.to_csv(index=indexed, date_format="%Y-%m-%d %H:%M:%S"), name)


def _of_sheets(sheets: dict[Any, pd.DataFrame], name: str) -> list[Cells]:
    """The tables of a workbook: of the sheets that hold prices, each a symbol where there are more.

    Raises:
        UserError: no sheet holds prices; the message is about the first.
    """
    tables: list[Cells] = []
    refused: list[UserError] = []
    for sheet, frame in sheets.items():
        try:
            of_sheet = of_text(frame.to_csv(index=False, header=False), name)
        except UserError as error:
            refused.append(error)
            continue
        tables += [replace(cells, symbol=cells.symbol or str(sheet)) for cells in of_sheet]
    if not tables:
        raise refused[0] if refused else UserError(f"{name} has no sheet; wanted one of prices")
    if len(tables) == 1 and str(tables[0].symbol) in map(str, sheets):
        tables[0].symbol = None
    return tables
