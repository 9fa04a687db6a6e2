"""Dates in the cells of a table: their form, the order of day and month, how far rows lie apart."""

import re
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd

from seqapps.config import UserError

DATES = (
    (re.compile(r"^(\d{4}-\d{1,2}-\d{1,2})(?:[T ].*)?$"), "%Y-%m-%d"),
    (re.compile(r"^(\d{4}/\d{1,2}/\d{1,2})(?: .*)?$"), "%Y/%m/%d"),
    (re.compile(r"^(\d{4}\.\d{1,2}\.\d{1,2})(?: .*)?$"), "%Y.%m.%d"),
    (re.compile(r"^((?:19|20)\d{6})(?: .*)?$"), "%Y%m%d"),
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


NUMERIC_DATE = re.compile(r"^(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})(?: .*)?$")


FEWEST_ROWS = 5
"""Fewer rows do not show how far they lie apart."""


FREQUENCIES = (
    (0.5, "hourly"),
    (1.5, ""),
    (4.5, "sparser than daily"),
    (10, "weekly"),
    (45, "monthly"),
    (1e9, "rarer"),
)
"""Most days between rows, by the median -> what such rows are; "" are daily ones."""


ORDERS = (
    "say date_order mdy (month first, US) or dmy (day first): SET='ingest.date_order=dmy', or "
    "DATE_ORDER=dmy with make predict"
)


def rows_between_dates(cells: pd.DataFrame, notes: Counter[str], name: str) -> pd.DataFrame:
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


def moments(text: pd.DataFrame) -> pd.Series:
    """The dates, with the times of day of a column of their own."""
    if "time" not in text:
        return text["date"]  # pyright: ignore[reportReturnType] pandas' stubs are too wide
    clock = text["time"].str.replace(r"^(\d{2})(\d{2})(\d{2})?$", r"\1:\2", regex=True)
    return text["date"] + " " + clock


def days(cells: pd.Series, name: str, *, date_order: str) -> pd.DatetimeIndex:
    """The moments (rows,) in a column of text.

    Args:
        cells: dates, perhaps with a time of day.
        name: of the file in messages.
        date_order: "mdy" or "dmy" for dates like 03/04/2018; "auto" if none may be like that.

    Raises:
        UserError: a cell is no date, or written otherwise than the others; its line is named.
    """
    for pattern, unit in EPOCHS:
        if cells.str.match(pattern).all():
            times = pd.to_datetime(cells.astype("int64"), unit=unit, errors="coerce")
            return _on_the_calendar(times, cells=cells, name=name)
    for pattern, form in DATES:
        columns = cells.str.extract(pattern)[0]
        if columns.notna().all():
            columns = columns.str.replace(" ", "-") if "-%b-" in form else columns
            calendar_days = _to_dates(columns, form, cells=cells, name=name)
            return calendar_days + _clock(cells)
    parts = cells.str.extract(NUMERIC_DATE)
    if parts.isna().any(axis=None):
        row = int(parts.isna().any(axis=1).to_numpy().argmax())
        wrong = f"'{cells.iloc[row][:40]}' is not a date such as 2018-12-31"
        if row == 0:
            wrong += ", or is written otherwise than the file's other dates"
        raise UserError(f"{name} line {cells.index[row]}: {wrong}")
    if date_order == "auto":
        raise UserError(f"{name} has dates that could be either (03/04/2018): {ORDERS}")
    form = "%m-%d-%Y" if date_order == "mdy" else "%d-%m-%Y"
    calendar_days = _to_dates(
        parts[0] + "-" + parts[1] + "-" + parts[2], form, cells=cells, name=name
    )
    return calendar_days + _clock(cells)


def _clock(cells: pd.Series) -> pd.TimedeltaIndex:
    """The time of day behind a date; zero where there is none."""
    times = cells.str.extract(r"[T ](\d{1,2}:\d{2}(?::\d{2})?)")[0]
    times = times.where(times.isna() | (times.str.count(":") == 2), times + ":00")
    return pd.TimedeltaIndex(pd.to_timedelta(times, errors="coerce").fillna(pd.Timedelta(0)))


def require_daily(times: pd.DatetimeIndex, name: str) -> None:
    """Refuses rows that are not daily: the model answers about the next day."""
    if often := frequency(times):
        raise UserError(
            f"{name} holds {often} rows; the model answers about the next day: give daily rows"
        )


def frequency(times: pd.DatetimeIndex) -> str:
    """The word for rows that are not daily, by the median of the days between them; else ""."""
    unique = np.unique(times.to_numpy())
    if len(unique) < FEWEST_ROWS:
        return ""
    usual = float(np.median(np.diff(unique) / np.timedelta64(1, "D")))
    return next(words for most, words in FREQUENCIES if usual <= most)


def _to_dates(words: pd.Series, form: str, *, cells: pd.Series, name: str) -> pd.DatetimeIndex:
    return _on_the_calendar(
        pd.to_datetime(words, format=form, errors="coerce"), cells=cells, name=name
    )


def _on_the_calendar(days: pd.Series, *, cells: pd.Series, name: str) -> pd.DatetimeIndex:
    if days.isna().any():
        row = int(days.isna().to_numpy().argmax())
        raise UserError(
            f"{name} line {cells.index[row]}: '{cells.iloc[row]}' is not a day of the calendar"
        )
    return pd.DatetimeIndex(days).as_unit("ns")


def order(dates: pd.Series, name: str, *, notes: Counter[str]) -> str:
    """The order of day and month in all dates of a file; "auto" where none of them shows it."""
    parts = dates.str.extract(NUMERIC_DATE).dropna().astype(int)
    if parts.empty:
        return "auto"
    day_first, month_first = (parts[0] > 12).any(), (parts[1] > 12).any()
    if day_first and month_first:
        raise UserError(f"{name} has dates of both kinds (31/01/2018, 01/31/2018): {ORDERS}")
    if not (day_first or month_first) and dates.str.contains(r"^\d{1,2}\.", regex=True).all():
        notes["dates with points: the day comes first"] = 1
        day_first = True
    return "dmy" if day_first else "mdy" if month_first else "auto"
