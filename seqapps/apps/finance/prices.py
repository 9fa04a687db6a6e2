"""Daily price tables: the cells of a user's file (see `tables`), checked, as one form.

Made: columns `open, high, low, close, volume` (float64) indexed by `date`, oldest first. Where a
file has adjusted closes, open, high, low and close are rescaled by adjusted / close. The sign of
decimals and the order of dates are decided once for a file, and said.
"""

import re
from collections import Counter
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa

from seqapps.apps.finance import tables
from seqapps.apps.finance.params import Decimals
from seqapps.apps.finance.tables import Cells
from seqapps.config import UserError

OHLC = ["open", "high", "low", "close"]
OHLCV = [*OHLC, "volume"]
NULLS = {"", "-", ".", "null", "nan", "na", "none", "n/a", "n/d", "#n/a"}
UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9}
NUMBER = re.compile(r"^[$€£]?(-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)([kmb]?)$", re.I)
GROUPED = {
    "point": re.compile(r"^(\D*)(\d{1,3}(?:,\d{3})+)(?![,\d])"),
    "comma": re.compile(r"^(\D*)(\d{1,3}(?:\.\d{3})+)(?![.\d])"),
}
DATES = (
    (re.compile(r"^(\d{4}-\d{1,2}-\d{1,2})(?:[T ].*)?$"), "%Y-%m-%d"),
    (re.compile(r"^(\d{4}/\d{1,2}/\d{1,2})(?: .*)?$"), "%Y/%m/%d"),
    (re.compile(r"^(\d{4}\.\d{1,2}\.\d{1,2})(?: .*)?$"), "%Y.%m.%d"),
    (re.compile(r"^((?:19|20)\d{6})$"), "%Y%m%d"),
    (re.compile(r"^([A-Za-z]{3} \d{1,2}, \d{4})$"), "%b %d, %Y"),
    (re.compile(r"^([A-Za-z]{4,9} \d{1,2}, \d{4})$"), "%B %d, %Y"),
    (re.compile(r"^(\d{1,2}[ -][A-Za-z]{3}[ -]\d{4})$"), "%d-%b-%Y"),
    (re.compile(r"^(\d{1,2}[ -][A-Za-z]{3}[ -]\d{2})$"), "%d-%b-%y"),
)
EPOCHS = (
    (re.compile(r"^\d{10}$"), "s"),
    (re.compile(r"^\d{13}$"), "ms"),
    (re.compile(r"^\d{16}$"), "us"),
)
EXAMPLES = {"point": "1,234.5", "comma": "1.234,5"}
NUMERIC_DATE = re.compile(r"^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(?: .*)?$")
LONG_GAP_DAYS = 10
LONGEST_STEP = np.log(1.6)
"""A close that moves further in a day is a wrong price or a split that is not applied."""

FEWEST_ROWS = 5
"""Fewer rows do not show how far they lie apart."""

FREQUENCIES = (
    (0.5, "hourly"),
    (4.5, ""),
    (10, "weekly"),
    (45, "monthly"),
    (1e9, "rarer"),
)
"""Most days between rows, by the median -> what such rows are; "" are daily ones."""

ROUNDING = 1e-4  # bounds may be broken by this share: adjusted and printed prices are rounded


class Priced(NamedTuple):
    """A checked table of one symbol, and what was mended or left out, counted."""

    symbol: str | None
    table: pd.DataFrame
    notes: Counter[str]


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


def read(
    path: Path, name: str, *, date_order: str = "auto", decimals: Decimals = "auto"
) -> list[Priced]:
    """A checked table for each symbol in a file.

    Args:
        path: CSV, xlsx or parquet, perhaps compressed.
        name: of the file in messages.
        date_order: "mdy" or "dmy" for dates like 03/04/2018; "auto" asks the file's other dates.
        decimals: the sign before decimals; "auto" asks all numbers of the file.

    Raises:
        UserError: the columns, a date, a number or a bound is wrong; names the line and the way
            out.
    """
    series = tables.read(path, name)
    return [checked(cells, name, date_order=date_order, decimals=decimals) for cells in series]


def parse(text: str, name: str, *, date_order: str = "auto") -> Priced:
    """The checked table in a CSV's text that holds one symbol; `name` stands for it in messages."""
    series = tables.of_text(text, name)
    if len(series) > 1:
        symbols = ", ".join(str(cells.symbol) for cells in series[:5])
        raise UserError(f"{name} holds several symbols ({symbols}); name a file for each")
    return checked(series[0], name, date_order=date_order)


def checked(
    cells: Cells, name: str, *, date_order: str = "auto", decimals: Decimals = "auto"
) -> Priced:
    """The numbers and dates of one symbol's cells, as a checked table; see `read`."""
    notes = cells.notes.copy()
    name = f"{name} ({cells.symbol})" if cells.symbol else name
    columns = {*cells.table.columns}
    ranges = {"open", "high", "low"} & columns
    if ranges not in (set(), {"open", "high", "low"}) or not columns & {"close", "adjusted"}:
        raise UserError(f"{name} has the columns {', '.join(cells.table.columns)}; {tables.WANTED}")
    text: Any = _dated(cells.table, notes, name)
    if "close" not in columns:
        text = text.rename(columns={"adjusted": "close"})
    sign = decimals if decimals != "auto" else _decimal_sign(text, cells.semicolons)
    if sign == "comma":
        notes["numbers with decimal commas"] = len(text)
    table: Any = pd.DataFrame(
        {c: _numbers(text[c], name, sign) for c in [*OHLCV, "adjusted"] if c in text.columns}
    )
    times: Any = _dates(text["date"], name, date_order=date_order)
    table.index = pd.DatetimeIndex(times.normalize(), name="date")
    _require_daily(times, name)
    table = _ordered(_complete(table, notes), name, notes)
    table = _adjusted(table, notes)
    if list(table.columns) == ["close"]:
        return Priced(cells.symbol, _validated(table, CLOSES, name), +notes)
    table = _rounded(_with_volume(table, notes))[OHLCV]
    notes["gaps of more than 10 days"] = int((_gap_days(table) > LONG_GAP_DAYS).sum())
    for day, factor in _leaps(table):
        notes[f"{day}: the close is {factor:.3g} times the one before; a split not applied?"] = 1
    notes["rows with zero volume"] = int((table["volume"] == 0).sum())
    notes["rows without a range"] = int((table["high"] <= table["low"]).sum())
    return Priced(cells.symbol, _validated(table, SCHEMA, name), +notes)


def breaks(table: pd.DataFrame) -> np.ndarray:
    """The days, bool (D,), that no window may hold beside the day before.

    They follow a gap of more than `LONG_GAP_DAYS`, or a close that moved further than any market
    does, up or down (`LONGEST_STEP`).
    """
    gaps = np.concatenate([[0], _gap_days(table)]) > LONG_GAP_DAYS
    logs = np.log(table["close"].to_numpy())
    return gaps | (np.abs(np.diff(logs, prepend=logs[:1])) > LONGEST_STEP)


def load(path: Path) -> pd.DataFrame:
    """The table that `save` wrote."""
    table = pd.read_csv(path, float_precision="round_trip")  # pyright: ignore[reportArgumentType, reportCallIssue] stubs lack it
    return table.set_index(pd.DatetimeIndex(table.pop("date"), name="date"))


def save(table: pd.DataFrame, path: Path) -> None:
    """Writes a checked table as CSV, all digits kept."""
    table.to_csv(path, date_format="%Y-%m-%d")


def _dated(cells: pd.DataFrame, notes: Counter[str], name: str) -> pd.DataFrame:
    """The rows, without those above the first and below the last date: notes and blank lines."""
    patterns = [pattern for pattern, _ in (*DATES, *EPOCHS)] + [NUMERIC_DATE]
    is_date: Any = cells["date"].map(lambda cell: any(pattern.match(cell) for pattern in patterns))
    if not is_date.any():
        line, word = cells.index[0], cells["date"].iloc[0]
        raise UserError(f"{name} line {line}: '{word[:40]}' is not a date such as 2018-12-31")
    places = np.flatnonzero(is_date)
    inside = cells.iloc[places[0] : places[-1] + 1]
    notes["lines left out: no date, at the table's ends"] = len(cells) - len(inside)
    return inside


def _decimal_sign(text: pd.DataFrame, semicolons: bool) -> Literal["point", "comma"]:
    """The sign before decimals in all prices of a file.

    Where a number has both signs the later one counts; a comma that parts no group of three digits,
    or stands between semicolons beside no point, is decimal.
    """
    numbers = [cell for c in [*OHLC, "adjusted"] if c in text for cell in text[c]]
    both = [cell for cell in numbers if "," in cell and "." in cell]
    if both:
        commas = sum(cell.rindex(",") > cell.rindex(".") for cell in both)
        return "comma" if 2 * commas > len(both) else "point"
    with_comma = [cell for cell in numbers if "," in cell]
    if with_comma:
        grouped = all(
            GROUPED["point"].match(cell) and not cell.lstrip("$€£-").startswith("0,")
            for cell in with_comma
        )
        return "point" if grouped and not semicolons else "comma"
    return "comma" if any(cell.count(".") > 1 for cell in numbers) else "point"


def _numbers(cells: pd.Series, name: str, sign: Literal["point", "comma"]) -> np.ndarray:
    values = np.empty(len(cells))
    mark, group = (".", ",") if sign == "point" else (",", ".")
    for row, (line, cell) in enumerate(cells.items()):
        word = cell.strip().replace("\u00a0", "").replace(" ", "").rstrip("%")
        if grouped := GROUPED[sign].match(word):
            word = word.replace(grouped[2], grouped[2].replace(group, ""), 1)
        match = NUMBER.match(word.replace(mark, ".") if group not in word else "")
        if cell.strip().lower() in NULLS:
            values[row] = np.nan
        elif match and np.isfinite(float(match[1]) * UNITS[match[2].lower()]):
            values[row] = float(match[1]) * UNITS[match[2].lower()]
        else:
            raise UserError(
                f"{name} line {line}: {cells.name} is '{cell[:40]}'; the file's numbers have "
                f"decimal {sign}s, so wanted one like {EXAMPLES[sign]} or 1M; DECIMALS=point or "
                "comma decides otherwise"
            )
    return values


def _dates(cells: pd.Series, name: str, *, date_order: str) -> pd.DatetimeIndex:
    for pattern, unit in EPOCHS:
        if cells.str.match(pattern).all():
            return pd.DatetimeIndex(pd.to_datetime(cells.astype("int64"), unit=unit)).as_unit("ns")
    for pattern, form in DATES:
        columns = cells.str.extract(pattern)[0]
        if columns.notna().all():
            columns = columns.str.replace(" ", "-") if "-%b-" in form else columns
            days = _to_dates(columns, form, cells=cells, name=name)
            return days + _clock(cells)
    parts = cells.str.extract(NUMERIC_DATE)
    if parts.isna().any(axis=None):
        row = int(parts.isna().any(axis=1).to_numpy().argmax())
        wrong = f"'{cells.iloc[row][:40]}' is not a date such as 2018-12-31"
        if row == 0:
            wrong += ", or is written otherwise than the file's other dates"
        raise UserError(f"{name} line {cells.index[row]}: {wrong}")
    with_dots = bool(cells.str.contains(".", regex=False).all())  # as where the day comes first
    order = date_order if date_order != "auto" else _order(parts.astype(int), with_dots, name=name)
    form = "%m-%d-%Y" if order == "mdy" else "%d-%m-%Y"
    days = _to_dates(parts[0] + "-" + parts[1] + "-" + parts[2], form, cells=cells, name=name)
    return days + _clock(cells)


def _clock(cells: pd.Series) -> pd.TimedeltaIndex:
    """The time of day behind a date; zero where there is none."""
    times = cells.str.extract(r"[T ](\d{1,2}:\d{2}(?::\d{2})?)")[0]
    times = times.where(times.isna() | (times.str.count(":") == 2), times + ":00")
    return pd.TimedeltaIndex(pd.to_timedelta(times, errors="coerce").fillna(pd.Timedelta(0)))


def _require_daily(times: pd.DatetimeIndex, name: str) -> None:
    """Refuses rows that are not daily: the model answers about the next day."""
    moments = np.unique(times.to_numpy())
    if len(moments) < FEWEST_ROWS:
        return
    usual = float(np.median(np.diff(moments) / np.timedelta64(1, "D")))
    frequency = next(words for most, words in FREQUENCIES if usual <= most)
    if frequency:
        raise UserError(
            f"{name} holds {frequency} rows (half of them {usual:.3g} days apart or more); the "
            "model answers about the next day: give daily rows"
        )


def _to_dates(words: pd.Series, form: str, *, cells: pd.Series, name: str) -> pd.DatetimeIndex:
    days = pd.to_datetime(words, format=form, errors="coerce")
    if days.isna().any():
        row = int(days.isna().to_numpy().argmax())
        raise UserError(
            f"{name} line {cells.index[row]}: '{cells.iloc[row]}' is not a day of the calendar"
        )
    return pd.DatetimeIndex(days).as_unit("ns")


def _order(parts: pd.DataFrame, with_dots: bool, *, name: str) -> str:
    day_first, month_first = (parts[0] > 12).any(), (parts[1] > 12).any()
    day_first |= with_dots and not month_first
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


def _leaps(table: pd.DataFrame) -> list[tuple[str, float]]:
    """The days whose close is further from the one before than `LONGEST_STEP`, and how far."""
    close = table["close"].to_numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        factors = close[1:] / close[:-1]
        far = np.flatnonzero(np.abs(np.log(factors)) > LONGEST_STEP)
    return [(f"{table.index[day + 1]:%Y-%m-%d}", float(factors[day])) for day in far]


def _validated(table: pd.DataFrame, schema: pa.DataFrameSchema, name: str) -> pd.DataFrame:
    try:
        return schema.validate(table)
    except pa.errors.SchemaError as error:
        check = getattr(error.check, "name", None) or str(error.check)
        cases = error.failure_cases
        days = table.index[[]] if not isinstance(cases, pd.DataFrame) else cases["index"]
        when = f"{pd.Timestamp(days.iloc[0]):%Y-%m-%d}: " if len(days) else ""  # pyright: ignore[reportAttributeAccessIssue] pandas' stubs are too wide
        hint = HINTS.get(getattr(error.check, "error", "") or check, HINTS.get(check, check))
        raise UserError(f"{name} {when}{hint}; mend or remove the row") from None
