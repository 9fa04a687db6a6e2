"""Daily price tables: the cells of a user's file (see `tables`), checked, as one form.

Made: columns `open, high, low, close, volume` (float64) indexed by `date`, oldest first. Where a
file has adjusted closes, open, high, low and close are rescaled by adjusted / close. The sign of
decimals and the order of dates are decided once for a file, and said.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa

from seqapps.apps.finance import dates, numerals, tables
from seqapps.apps.finance.params import Decimals
from seqapps.apps.finance.tables import Cells
from seqapps.config import UserError

OHLC = ["open", "high", "low", "close"]
OHLCV = [*OHLC, "volume"]
LONG_GAP_DAYS = 10
LONGEST_STEP = np.log(1.6)
"""A close that moves further in a day is a wrong price or a split that is not applied."""

WIDEST_RANGE = np.log(3)
"""A High that is further above its Low is a wrong price."""

SPLIT = np.log(1.5)
"""A split of 3 for 2; all others make a step of more than `LONGEST_STEP`."""

NAMED_BREAKS = 5
"""Most days that are named because no window may hold them."""

PRICES, MOST_VOLUME = (1e-15, 1e15), 1e20
"""Beyond these the network's single precision overflows."""


ROUNDING = 1e-4  # bounds may be broken by this share: adjusted and printed prices are rounded


class Refused(NamedTuple):
    """A symbol of a file whose rows cannot be used, and why."""

    symbol: str | None
    reason: str


class Priced(NamedTuple):
    """A checked table of one symbol, and what was mended or left out, counted."""

    symbol: str | None
    table: pd.DataFrame
    notes: Counter[str]


WITHIN = pa.Check.in_range(*PRICES)
SCHEMA = pa.DataFrameSchema(
    {name: pa.Column(float, [pa.Check.gt(0), WITHIN], nullable=False) for name in OHLC}
    | {"volume": pa.Column(float, [pa.Check.ge(0), pa.Check.le(MOST_VOLUME)], nullable=False)},
    checks=[
        pa.Check(lambda t: t["high"] >= t[["open", "low", "close"]].max(axis=1), name="high"),
        pa.Check(lambda t: t["low"] <= t[["open", "high", "close"]].min(axis=1), name="low"),
    ],
    index=pa.Index("datetime64[ns]", name="date", unique=True),
    strict=True,
)
CLOSES = pa.DataFrameSchema({"close": pa.Column(float, [pa.Check.gt(0), WITHIN])}, strict=True)
HINTS = {
    "high": "High is below Open, Low or Close",
    "low": "Low is above Open, High or Close",
    "greater_than(0)": "prices must be above zero",
    "greater_than_or_equal_to(0)": "Volume must not be below zero",
    WITHIN.error: "no price is so small or so large",
    pa.Check.le(MOST_VOLUME).error: "no Volume is so large",
    "not_nullable": "a price is no number: Close of zero beside an adjusted one",
}


def read(
    path: Path, name: str, *, date_order: str = "auto", decimals: Decimals = "auto"
) -> list[Priced | Refused]:
    """A checked table for each symbol in a file, or the reason why there is none.

    Args:
        path: CSV, xlsx or parquet, perhaps compressed.
        name: of the file in messages.
        date_order: "mdy" or "dmy" for dates like 03/04/2018; "auto" asks the file's other dates.
        decimals: the sign before decimals; "auto" asks all numbers of the file.

    Raises:
        UserError: a column, a date, a number or a bound is wrong in a file of one symbol, or in all
            of a file's symbols; names the line and the way out.
    """
    return _each(tables.read(path, name), name, date_order=date_order, decimals=decimals)


def parse(text: str, name: str, *, date_order: str = "auto") -> Priced:
    """The checked table in a CSV's text that holds one symbol; `name` stands for it in messages."""
    series = tables.of_text(text, name)
    if len(series) > 1:
        symbols = ", ".join(str(cells.symbol) for cells in series[:5])
        raise UserError(f"{name} holds several symbols ({symbols}); name a file for each")
    conventions = _Conventions.of(series, name, date_order=date_order, decimals="auto")
    return checked(series[0], name, conventions)


@dataclass(frozen=True)
class _Conventions:
    """The sign before decimals and the order of dates of all a file, and notes on both."""

    sign: numerals.Sign
    date_order: str
    notes: Counter[str]

    @classmethod
    def of(
        cls, series: list[Cells], name: str, *, date_order: str, decimals: Decimals
    ) -> "_Conventions":
        notes: Counter[str] = Counter()
        sign = decimals if decimals != "auto" else numerals.decimal_sign(series, notes)
        cells: Any = pd.concat([one.table["date"] for one in series])
        order = date_order if date_order != "auto" else dates.order(cells, name, notes=notes)
        return cls(sign, order, +notes)


def _each(
    series: list[Cells], name: str, *, date_order: str, decimals: Decimals
) -> list[Priced | Refused]:
    conventions = _Conventions.of(series, name, date_order=date_order, decimals=decimals)
    entries: list[Priced | Refused] = []
    for cells in series:
        try:
            entries.append(checked(cells, name, conventions))
        except UserError as error:
            entries.append(Refused(cells.symbol, str(error)))
    if all(isinstance(entry, Refused) for entry in entries):
        raise UserError(entries[0].reason)  # pyright: ignore[reportAttributeAccessIssue] all are Refused
    return entries


def checked(cells: Cells, name: str, conventions: _Conventions) -> Priced:
    """The numbers and dates of one symbol's cells, as a checked table; see `read`."""
    notes = cells.notes + conventions.notes
    name = f"{name} ({cells.symbol})" if cells.symbol else name
    columns = {*cells.table.columns}
    if ({"open", "high", "low"} & columns) not in (set(), {"open", "high", "low"}) or not (
        {"close", "adjusted"} & columns
    ):
        raise UserError(f"{name} has the columns {', '.join(cells.table.columns)}; {tables.WANTED}")
    text: Any = dates.rows_between_dates(cells.table, notes, name)
    if "close" not in columns:
        text = text.rename(columns={"adjusted": "close"})
    table: Any = pd.DataFrame(
        {
            c: numerals.values(text[c], name, conventions.sign)
            for c in [*OHLCV, "adjusted"]
            if c in text
        }
    )
    times: Any = dates.days(dates.moments(text), name, date_order=conventions.date_order)
    table.index = pd.DatetimeIndex(times.normalize(), name="date")
    dates.require_daily(times, name)
    table = _ordered(_complete(table, notes), name, notes)
    if table.empty:
        raise UserError(f"{name} has no row with all its prices")
    table = _adjusted(table, notes)
    if list(table.columns) == ["close"]:
        return Priced(cells.symbol, _validated(table, CLOSES, name), +notes)
    table = _rounded(_with_volume(table, notes))
    table = _validated(table.loc[:, OHLCV], SCHEMA, name)
    reasons = [*dict.fromkeys(reason for reason in breaks(table) if reason)]
    notes.update(reasons[:NAMED_BREAKS])
    notes["further days that no window may hold"] = len(reasons[NAMED_BREAKS:])
    notes["rows with zero volume"] = int((table["volume"] == 0).sum())
    notes["rows without a range"] = int((table["high"] <= table["low"]).sum())
    return Priced(cells.symbol, table, +notes)


def breaks(table: pd.DataFrame) -> np.ndarray:
    """Reasons, text (D,), why no window may hold a day beside the day before; "" where it may.

    The day follows a gap of more than `LONG_GAP_DAYS`; or its close moved further than any market
    does (`LONGEST_STEP`), or by the factor of a split of 3 for 2 overnight; or its High is too far
    above its Low (`WIDEST_RANGE`).
    """
    opened, high, low, close = (np.log(table[name].to_numpy()) for name in OHLC)
    gaps = np.concatenate([[0], _gap_days(table)])
    step = np.diff(close, prepend=close[:1])
    overnight = np.concatenate([[0.0], opened[1:] - close[:-1]])
    reasons = np.full(len(table), "", object)
    days = pd.DatetimeIndex(table.index)
    for day in np.flatnonzero(high - low > WIDEST_RANGE):
        # The day after it too, so that no window begins with it.
        reasons[day : day + 2] = (
            f"{days[day]:%Y-%m-%d}: High is {np.exp(high[day] - low[day]):.3g} times Low; a wrong "
            "price?"
        )
    for day in np.flatnonzero((np.abs(step) > LONGEST_STEP) | split_of_3_for_2(step, overnight)):
        reasons[day] = (
            f"{days[day]:%Y-%m-%d}: the close is {np.exp(step[day]):.3g} times the one before; a "
            "split not applied, or a wrong price?"
        )
    for day in np.flatnonzero(gaps > LONG_GAP_DAYS):
        reasons[day] = f"{days[day]:%Y-%m-%d}: no row in the {gaps[day]} days before"
    return reasons


def split_of_3_for_2(step: Any, overnight: Any) -> Any:
    """Days, bool (..., D), whose price moved by a factor of 3 / 2 or 2 / 3 between two days.

    Args:
        step: log (..., D) of close / close before, NumPy or TensorFlow.
        overnight: the same of open / close before.
    """
    return (abs(abs(overnight) - SPLIT) < 0.025) & (abs(abs(step) - SPLIT) < 0.05)


def no_window(days: pd.DatetimeIndex, reasons: np.ndarray, rows: slice) -> str:
    """The reason why days that follow each other in a series are no window; "" if they are one.

    Args:
        days: (D,) of the series.
        reasons: text (D,), see `breaks`.
        rows: the window; with the day after it where its forecast is judged.
    """
    first = next((reason for reason in reasons[rows][1:] if reason), "")
    if not first and (often := dates.frequency(pd.DatetimeIndex(days[rows]))):
        first = f"the rows until {days[rows][-1]:%Y-%m} are {often}"
    return first and f"{first} (windows with it are left out)"


def load(path: Path) -> pd.DataFrame:
    """The table that `save` wrote."""
    table = pd.read_csv(path, float_precision="round_trip")  # pyright: ignore[reportArgumentType, reportCallIssue] stubs lack it
    return table.set_index(pd.DatetimeIndex(table.pop("date"), name="date"))


def save(table: pd.DataFrame, path: Path) -> None:
    """Writes a checked table as CSV, all digits kept."""
    table.to_csv(path, date_format="%Y-%m-%d")


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
