"""Daily price tables: the CSV forms users bring, checked, as one form.

Read: Yahoo (`Date,Open,High,Low,Close,Adj Close,Volume`), Stooq (`Date,Open,...` or
`<TICKER>,...,<DATE>,...,<VOL>`) and Investing.com (`Date,Price,Open,High,Low,Vol.,Change %`, newest
first, thousands commas, `1.23M`, byte-order mark); plain or .gz.

Made: columns `open, high, low, close, volume` (float64) indexed by `date`, oldest first. Where a
file has adjusted closes, open, high, low and close are rescaled by adjusted / close.
"""

import gzip
import io
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa

from seqapps.config import UserError

OHLC = ["open", "high", "low", "close"]
OHLCV = [*OHLC, "volume"]
NAMES = {
    "price": "close",
    "last": "close",
    "close/last": "close",
    "dcoilwtico": "close",
    "vol": "volume",
    "adj_close": "adjusted",
    "adjclose": "adjusted",
    "symbol": "ticker",
}
NULLS = {"", "-", ".", "null", "nan", "n/a", "n/d", "#n/a"}
UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9}
NUMBER = re.compile(
    r"^[$€£]?(-?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d*)?(?:e[+-]?\d+)?)([kmb]?)$", re.I
)
DATES = (
    (re.compile(r"^(\d{4}-\d{2}-\d{2})(?:[T ].*)?$"), "%Y-%m-%d"),
    (re.compile(r"^(\d{4}/\d{2}/\d{2})$"), "%Y/%m/%d"),
    (re.compile(r"^(\d{8})$"), "%Y%m%d"),
    (re.compile(r"^([A-Za-z]{3} \d{1,2}, \d{4})$"), "%b %d, %Y"),
)
NUMERIC_DATE = re.compile(r"^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})$")
LONG_GAP_DAYS = 10
ROUNDING = 1e-4  # bounds may be broken by this share: adjusted and printed prices are rounded

SCHEMA = pa.DataFrameSchema(
    {name: pa.Column(float, pa.Check.gt(0), nullable=False) for name in OHLC}
    | {"volume": pa.Column(float, pa.Check.ge(0), nullable=False)},
    checks=[
        pa.Check(lambda t: t["high"] >= t[["open", "low", "close"]].max(axis=1), name="high"),
        pa.Check(lambda t: t["low"] <= t[["open", "high", "close"]].min(axis=1), name="low"),
    ],
    index=pa.Index("datetime64[ns]", name="date", unique=True),
    strict=True,
)
CLOSES = pa.DataFrameSchema({"close": pa.Column(float, pa.Check.gt(0))}, strict=True)
HINTS = {
    "high": "High is below Open, Low or Close",
    "low": "Low is above Open, High or Close",
    "greater_than(0)": "prices must be above zero",
    "greater_than_or_equal_to(0)": "Volume must not be below zero",
}


def read(path: Path, *, date_order: str = "auto") -> tuple[pd.DataFrame, Counter[str]]:
    """A checked table of one symbol, and what was mended or left out, counted.

    Args:
        path: a CSV, perhaps .gz.
        date_order: "mdy" or "dmy" for dates like 03/04/2018; "auto" asks the file's other dates.

    Raises:
        UserError: the columns, a date, a number or a bound is wrong; names the line and the way
            out.
    """
    raw = path.read_bytes()
    text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode("utf-8", "replace")
    return parse(text, str(path), date_order=date_order)


def parse(text: str, name: str, *, date_order: str = "auto") -> tuple[pd.DataFrame, Counter[str]]:
    """See `read`; `text` is the file's content and `name` stands for it in messages."""
    cells = _cells(text.lstrip("\ufeff"), name)
    notes: Counter[str] = Counter()
    table = pd.DataFrame(
        {c: _numbers(cells[c], name) for c in [*OHLCV, "adjusted"] if c in cells.columns}  # pyright: ignore[reportArgumentType] pandas' stubs are too wide
    )
    table.index = pd.DatetimeIndex(_dates(cells["date"], name, date_order=date_order), name="date")  # pyright: ignore[reportArgumentType] pandas' stubs are too wide
    table = _ordered(_complete(table, notes), name, notes)
    table = _adjusted(table, notes)
    if list(table.columns) == ["close"]:
        return _checked(table, CLOSES, name), +notes
    table = _rounded(_with_volume(table, notes))[OHLCV]
    notes["gaps of more than 10 days"] = int((_gap_days(table) > LONG_GAP_DAYS).sum())  # pyright: ignore[reportArgumentType] pandas' stubs are too wide
    notes["rows with zero volume"] = int((table["volume"] == 0).sum())
    notes["rows without a range"] = int((table["high"] <= table["low"]).sum())
    return _checked(table, SCHEMA, name), +notes  # pyright: ignore[reportArgumentType] pandas' stubs are too wide


def load(path: Path) -> pd.DataFrame:
    """The table that `save` wrote."""
    table = pd.read_csv(path, float_precision="round_trip")  # pyright: ignore[reportArgumentType, reportCallIssue] stubs lack it
    return table.set_index(pd.DatetimeIndex(table.pop("date"), name="date"))


def save(table: pd.DataFrame, path: Path) -> None:
    """Writes a checked table as CSV, all digits kept."""
    table.to_csv(path, date_format="%Y-%m-%d")


def _cells(text: str, name: str) -> pd.DataFrame:
    try:
        cells = pd.read_csv(
            io.StringIO(text),
            dtype=str,
            keep_default_na=False,
            sep=None,  # pyright: ignore[reportArgumentType] stubs take no None
            engine="python",
            skipinitialspace=True,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise UserError(f"{name} is not a CSV with a header: {error}") from None
    cells.columns = [_column(str(c)) for c in cells.columns]
    missing = [c for c in ("date", "close") if c not in cells.columns]
    if missing or ({"open", "high", "low"} & {*cells.columns}) not in (
        set(),
        {"open", "high", "low"},
    ):
        raise UserError(
            f"{name} has the columns {', '.join(cells.columns)}; wanted Date, Open, High, Low, "
            "Close (or Price) and Volume (Yahoo, Stooq or Investing.com)"
        )
    if "ticker" in cells and cells["ticker"].nunique() > 1:
        tickers = ", ".join(sorted(cells["ticker"].unique())[:5])
        raise UserError(f"{name} holds several symbols ({tickers}); split it into a file for each")
    if cells.empty:
        raise UserError(f"{name} has a header but no rows")
    return cells


def _column(text: str) -> str:
    plain = re.sub(r"[<>.*]", "", text).strip().lower()
    return NAMES.get(plain.replace(" ", "_"), NAMES.get(plain, plain))


def _numbers(cells: pd.Series, name: str) -> np.ndarray:
    values = np.empty(len(cells))
    for row, cell in enumerate(cells):
        word = cell.strip()
        match = NUMBER.match(word)
        if word.lower() in NULLS:
            values[row] = np.nan
        elif match and match[1]:
            values[row] = float(match[1].replace(",", "")) * UNITS[match[2].lower()]
        else:
            raise UserError(
                f"{name} line {row + 2}: {cells.name} is '{cell}'; wanted a number like 1,234.5 or "
                "1.23M (a decimal comma is not understood: export with decimal points)"
            )
    return values


def _dates(cells: pd.Series, name: str, *, date_order: str) -> pd.DatetimeIndex:
    cells = cells.str.strip()
    for pattern, form in DATES:
        columns = cells.str.extract(pattern)[0]
        if columns.notna().all():
            return _to_dates(columns, form, cells=cells, name=name)
    parts = cells.str.extract(NUMERIC_DATE)
    if parts.isna().any(axis=None):
        row = int(parts.isna().any(axis=1).to_numpy().argmax())
        word = cells.iloc[row]
        raise UserError(f"{name} line {row + 2}: '{word}' is not a date such as 2018-12-31")
    order = date_order if date_order != "auto" else _order(parts.astype(int), name)
    form = "%m-%d-%Y" if order == "mdy" else "%d-%m-%Y"
    return _to_dates(parts[0] + "-" + parts[1] + "-" + parts[2], form, cells=cells, name=name)


def _to_dates(words: pd.Series, form: str, *, cells: pd.Series, name: str) -> pd.DatetimeIndex:
    days = pd.to_datetime(words, format=form, errors="coerce")
    if days.isna().any():
        row = int(days.isna().to_numpy().argmax())
        raise UserError(f"{name} line {row + 2}: '{cells.iloc[row]}' is not a day of the calendar")
    return pd.DatetimeIndex(days).as_unit("ns")


def _order(parts: pd.DataFrame, name: str) -> str:
    day_first, month_first = (parts[0] > 12).any(), (parts[1] > 12).any()
    if day_first == month_first:
        why = "of both kinds" if day_first else "that could be either (03/04/2018)"
        raise UserError(
            f"{name} has dates {why}: say date_order mdy (month first, US) or dmy (day first): "
            "SET='ingest.date_order=dmy', or DATE_ORDER=dmy with make predict"
        )
    return "dmy" if day_first else "mdy"


def _complete(table: pd.DataFrame, notes: Counter[str]) -> pd.DataFrame:
    prices = table.drop(columns=["volume"], errors="ignore")
    broken = prices.isna().any(axis=1)
    notes["rows left out: a price is missing"] = int(broken.sum())  # pyright: ignore[reportAttributeAccessIssue] pandas' stubs are too wide
    return table.loc[~broken]


def _ordered(table: pd.DataFrame, name: str, notes: Counter[str]) -> pd.DataFrame:
    days = table.index
    if not days.is_monotonic_increasing:
        what = "newest first: turned round" if days.is_monotonic_decreasing else "sorted by date"
        notes[f"rows {what}"] = len(table)
        table = table.sort_index(kind="stable")
    same = table.reset_index().duplicated(keep="first").to_numpy()
    notes["rows left out: said twice"] = int(same.sum())
    table = table.loc[~same]
    twice = table.index.duplicated()
    if twice.any():
        day = table.index[twice][0]
        raise UserError(f"{name} has two different rows for {day:%Y-%m-%d}; leave one")
    return table


def _adjusted(table: pd.DataFrame, notes: Counter[str]) -> pd.DataFrame:
    if "adjusted" not in table:
        return table
    factor = table["adjusted"] / table["close"]
    changed = (factor - 1).abs() > 1e-6
    notes["rows rescaled by Adj Close / Close"] = int(changed.sum())
    table = table.drop(columns="adjusted")
    if not changed.any():
        return table
    return table.assign(**{c: table[c] * factor for c in OHLC if c in table})


def _with_volume(table: pd.DataFrame, notes: Counter[str]) -> pd.DataFrame:
    volume = table["volume"] if "volume" in table else pd.Series(np.nan, table.index)
    notes["rows without a volume: set to zero"] = int(volume.isna().sum())
    return table.assign(volume=volume.fillna(0.0))


def _rounded(table: pd.DataFrame) -> pd.DataFrame:
    """Moves High and Low to the bounds where they miss them by no more than rounding."""
    top, bottom = table[OHLC].max(axis=1), table[OHLC].min(axis=1)
    high = table["high"].where(top > table["high"] * (1 + ROUNDING), top)
    low = table["low"].where(bottom < table["low"] * (1 - ROUNDING), bottom)
    return table.assign(high=high, low=low)


def _gap_days(table: pd.DataFrame) -> np.ndarray:
    return np.diff(table.index.to_numpy()).astype("timedelta64[D]").astype(int)


def _checked(table: pd.DataFrame, schema: pa.DataFrameSchema, name: str) -> pd.DataFrame:
    try:
        return schema.validate(table)
    except pa.errors.SchemaError as error:
        check = getattr(error.check, "name", None) or str(error.check)
        cases = error.failure_cases
        days = table.index[[]] if not isinstance(cases, pd.DataFrame) else cases["index"]
        when = f"{pd.Timestamp(days.iloc[0]):%Y-%m-%d}: " if len(days) else ""  # pyright: ignore[reportAttributeAccessIssue] pandas' stubs are too wide
        hint = HINTS.get(getattr(error.check, "error", "") or check, HINTS.get(check, check))
        raise UserError(f"{name} {when}{hint}; mend or remove the row") from None
