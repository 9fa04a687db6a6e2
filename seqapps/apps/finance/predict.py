"""Predict: a user's prices to tomorrow's quantiles of the close and tomorrow's volatility.

The intervals are calibrated on the series itself, where it is long enough: the distances from the
median are multiplied by what the `CALIBRATION_DAYS` days before the forecast would have needed
(split conformal prediction on a rolling window: Gibbs & Candes 2021 discuss why it must roll).
"""

import csv
import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from seqapps.app import Meta, Record, Skip, UserFile
from seqapps.apps.finance import metrics, preprocess, prices
from seqapps.apps.finance.export import INTERVALS
from seqapps.apps.finance.metrics import LEVELS
from seqapps.apps.finance.model import MEDIAN
from seqapps.apps.finance.params import Params
from seqapps.config import UserError
from seqapps.kit import plots

CALIBRATION_DAYS = 250
SHOWN_DAYS = 60
LONGEST_NAME = 60
"""Characters of a picture's name and title."""

QUANTILES = [f"close_q{100 * level:g}" for level in LEVELS]
WIDTHS = [f"width{round(100 * (LEVELS[high] - LEVELS[low]))}" for low, high in INTERVALS]
CALIBRATED = ["intervals", *WIDTHS]
COLUMNS = [
    "file", "symbol", "after", "last_close", *QUANTILES, "volatility_percent", *CALIBRATED,
]  # fmt: skip
INSIDE = [name.replace("width", "inside") for name in WIDTHS]
BACKTEST = [
    "file", "symbol", "after", *QUANTILES, "next_close", *INSIDE, "pinball", *CALIBRATED,
]  # fmt: skip


def requests(
    params: Params, assets: Path, file: UserFile | None
) -> Iterator[tuple[Meta, Record] | Skip]:
    """The windows that end on each of the last `days` days of each symbol in a file.

    With `conformal` and `backtest` windows of earlier days come before them, oldest first.

    Raises:
        UserError: the file is no table of daily prices, or holds closes only.
    """
    assert file is not None  # no option holds an input
    needed = preprocess.facts(assets)["window_days"]
    table = params.predict
    for priced in prices.read(
        file.path, file.name, date_order=table.date_order, decimals=table.decimals
    ):
        symbol = priced.symbol or file.name.rpartition("/")[2].removesuffix(".csv")
        if isinstance(priced, prices.Refused):
            yield Skip(priced.reason, f"{file.name} {symbol}")
            continue
        for note, count in priced.notes.items():
            print(f"predict: {file.name} {symbol}: {note}{f': {count}' if count > 1 else ''}")
        if "high" not in priced.table:
            raise UserError(
                f"{file.name} has closes only; wanted Open, High, Low, Close and Volume"
            )
        meta = {"file": file.name, "symbol": symbol, "series": (file.name, priced.symbol or "")}
        if len(priced.table) < needed:
            yield Skip(f"fewer than {needed} days", f"{file.name} {symbol}")
        else:
            yield from _windows(meta, priced.table, needed=needed, params=params)


def render(
    params: Params, assets: Path, rows: Iterable[tuple[Meta, Record]], out: Path
) -> list[Path]:
    """Writes `forecasts.csv` (a row per symbol and day) and `<file>[-<symbol>].png`.

    `intervals` is "series" where they were calibrated on the series itself by the factors
    `width80` and `width95`, else "model". With `backtest` also `backtest.csv`, a row per day whose
    next is known: the means of `inside80`, `inside95` and `pinball` (log returns) are what is said.
    """
    del assets
    table = params.predict
    written = [out / "forecasts.csv"] + ([out / "backtest.csv"] if table.backtest else [])
    opened = [path.open("w", newline="", encoding="utf-8") for path in written]
    try:
        writers = [csv.writer(file) for file in opened]
        for writer, columns in zip(writers, (COLUMNS, BACKTEST), strict=False):
            writer.writerow(columns)
        pictures: set[str] = set()
        for series, group in itertools.groupby(rows, key=lambda row: row[0]["series"]):
            answers = calibrated(list(group), conformal=table.conformal)
            asked = [one for one in answers if one.meta["asked"]]
            writers[0].writerows(_row(one) for one in asked)
            if table.backtest:
                judged = [one for one in answers if one.meta["judged"]]
                writers[1].writerows(_judged_row(one) for one in judged)
                print(f"predict: {said(judged)}")
            if asked:
                written.append(out / _picture(series, pictures))
                with mpl.rc_context(plots.STYLE):
                    plots.save(fan(asked), written[-1])
    finally:
        for file in opened:
            file.close()
    return written


class Answer(NamedTuple):
    """One day's answer: quantiles (Q,) of the next close, calibrated by `widths` (2,)."""

    meta: Meta
    quantiles: np.ndarray
    variance: float
    widths: np.ndarray
    intervals: Literal["model", "series"]


def calibrated(rows: list[tuple[Meta, Record]], *, conformal: bool) -> list[Answer]:
    """The answers to one series' windows, oldest first, each calibrated by the days before it.

    A width is the ceil((N + 1) p)-th smallest of how many half-widths from the median the N days
    before fell; 1 if fewer than `CALIBRATION_DAYS` are there. Days with a `next_close` of NaN do
    not count: the day after them is not known yet, or is one that no window may hold.
    """
    logs = np.log(np.stack([np.asarray(answer["close_quantiles"], float) for _, answer in rows]))
    following = np.log([meta["next_close"] for meta, _ in rows])
    middle = logs[:, MEDIAN]
    scores = []
    for low, high in INTERVALS:
        below = (middle - following) / (middle - logs[:, low])
        scores.append(np.maximum(below, (following - middle) / (logs[:, high] - middle)))
    known = np.flatnonzero(np.isfinite(following))
    answers = []
    for day, (meta, answer) in enumerate(rows):
        widths = np.ones(len(INTERVALS))
        before = known[: np.searchsorted(known, day)][-CALIBRATION_DAYS:]
        enough = conformal and len(before) == CALIBRATION_DAYS
        if enough:
            pairs = zip(scores, INTERVALS, strict=True)
            widths = np.array([_factor(s[before], low, high=high) for s, (low, high) in pairs])
        scaled = middle[day] + (logs[day] - middle[day]) * _by_level(widths)
        quantiles, variance = np.exp(np.sort(scaled)), float(answer["variance"])
        answers.append(Answer(meta, quantiles, variance, widths, "series" if enough else "model"))
    return answers


def _factor(scores: np.ndarray, low: int, *, high: int) -> float:
    rank = int(np.ceil((len(scores) + 1) * (LEVELS[high] - LEVELS[low]))) - 1
    return max(float(np.sort(scores)[min(rank, len(scores) - 1)]), 1e-3)


def _by_level(widths: np.ndarray) -> np.ndarray:
    factors = np.ones(len(LEVELS))
    for (low, high), width in zip(INTERVALS, widths, strict=True):
        factors[[low, high]] = width
    return factors


def said(judged: list[Answer]) -> str:
    """The line about a backtest: coverage of the intervals, pinball loss in % of the close."""
    if not judged:
        return "backtest: no day whose next is known"
    closes = np.array([one.meta["next_close"] for one in judged])
    quantiles = np.stack([one.quantiles for one in judged])
    parts = []
    for (low, high), name in zip(INTERVALS, WIDTHS, strict=True):
        inside = np.mean((quantiles[:, low] <= closes) & (closes <= quantiles[:, high]))
        parts.append(f"{inside:.1%} within {name.removeprefix('width')} %")
    pinball = 100 * np.mean([_pinball(one) for one in judged])
    meta = judged[0].meta
    return (
        f"backtest of {meta['symbol']} ({meta['file']}), {len(judged)} days: {', '.join(parts)}; "
        f"pinball loss {pinball:.3f} % of the close"
    )


def _pinball(one: Answer) -> float:
    close, quantiles = np.log([one.meta["next_close"]]), np.log(one.quantiles[None])
    return metrics.pinball(close, quantiles, levels=LEVELS)


def example_input(row: Record, out: Path) -> Path:
    """The prices of a request, as `example.csv` in `out`.

    A request holds no dates; the file counts working days from the first of 2001.
    """
    days = pd.bdate_range("2001-01-01", periods=len(row["window"]), name="Date")
    names = [name.capitalize() for name in prices.OHLCV]
    path = out / "example.csv"
    pd.DataFrame(row["window"], days, names).to_csv(path)  # pyright: ignore[reportArgumentType] stubs take no list
    return path


def fan(answers: list[Answer]) -> Figure:
    """The last closes, and the quantiles of the next after each day asked for."""
    meta = answers[-1].meta
    closes, days = meta["closes"], pd.DatetimeIndex(meta["days"])
    after = pd.DatetimeIndex([one.meta["after"] for one in answers])
    shown = days.union(after)
    last = _next(shown[-1], every_day=any(day.weekday() > 4 for day in days))
    ahead = [days[days > day][0] if (days > day).any() else last for day in after]
    quantiles = np.stack([one.quantiles for one in answers])
    drawn = plots.figure(9.0, 4.2)
    panel = drawn.subplots()
    panel.plot(days, closes, color="black", label="close")
    for index, (day, levels) in enumerate(zip(ahead, quantiles, strict=True)):
        for low, high, width, share in ((0, 4, 3, "95"), (1, 3, 7, "80")):
            label = f"{share} % interval of the next close" if index == 0 else ""
            panel.vlines(
                day, levels[low], levels[high], color=plots.MODEL, alpha=0.45, linewidth=width,
                label=label,
            )  # fmt: skip
    panel.plot(ahead, quantiles[:, 2], "o", color=plots.BASELINE, markersize=4, label="median")
    volatility = 100 * float(np.sqrt(answers[-1].variance))
    symbol = meta["symbol"][:LONGEST_NAME].replace("$", r"\$")
    panel.set_title(f"{symbol} after {meta['after']}: next day's volatility {volatility:.2f} %")
    panel.set_ylabel("close")
    panel.legend(loc="best")
    return drawn


def _windows(
    meta: Meta, table: pd.DataFrame, *, needed: int, params: Params
) -> Iterator[tuple[Meta, Record] | Skip]:
    options = params.predict
    rows = table[prices.OHLCV].to_numpy(np.float32)
    closes = table["close"].to_numpy()
    dates, reasons = pd.DatetimeIndex(table.index), prices.breaks(table)
    asked_from = len(table) - options.days + 1
    judged_from = len(table) - options.backtest
    first = min(asked_from, judged_from) - (CALIBRATION_DAYS if options.conformal else 0)
    for end in range(max(needed, first), len(table) + 1):
        day = f"{table.index[end - 1]:%Y-%m-%d}"
        known = end < len(table) and not reasons[end]
        asked, judged = end >= asked_from, known and end >= judged_from
        if reason := prices.no_window(dates, reasons, slice(end - needed, end)):
            if asked:
                yield Skip(reason, f"{meta['file']} {meta['symbol']} {day}")
            continue
        tail = table.iloc[-max(SHOWN_DAYS, options.days) :]
        shown = {"days": tail.index, "closes": tail["close"].to_numpy()} if asked else {}
        following = float(closes[end]) if known else np.nan
        yield (
            meta
            | shown
            | {
                "after": day,
                "last_close": float(closes[end - 1]),
                "next_close": following,
                "asked": asked,
                "judged": judged,
            },
            {"window": rows[end - needed : end]},
        )


def _row(one: Answer) -> list[str | float]:
    volatility = 100 * float(np.sqrt(one.variance))
    return [
        *(one.meta[name] for name in ("file", "symbol", "after")),
        f"{one.meta['last_close']:.6g}",
        *_short(one.quantiles),
        f"{volatility:.4g}",
        one.intervals,
        *_short(one.widths),
    ]


def _judged_row(one: Answer) -> list[str | float]:
    close = one.meta["next_close"]
    inside = [int(one.quantiles[low] <= close <= one.quantiles[high]) for low, high in INTERVALS]
    return [
        *(one.meta[name] for name in ("file", "symbol", "after")),
        *_short(one.quantiles),
        f"{close:.6g}",
        *inside,
        f"{_pinball(one):.6g}",
        one.intervals,
        *_short(one.widths),
    ]


def _short(values: np.ndarray) -> list[str]:
    return [f"{value:.6g}" for value in values]


def _picture(series: tuple[str, str], taken: set[str]) -> str:
    """A name for the picture of a file's symbol, unlike those in `taken`, to which it is added."""
    name = "-".join(filter(None, (series[0].removesuffix(".csv"), series[1])))
    name = re.sub(r"[^\w .,=^+()&#@$-]", "~", name)[:LONGEST_NAME]
    names = (f"{name} ({number}).png" for number in itertools.count(2))
    free = next(n for n in itertools.chain([f"{name}.png"], names) if n.casefold() not in taken)
    taken.add(free.casefold())
    return free


def _next(day: Any, *, every_day: bool) -> Any:
    later = day + pd.Timedelta(days=1)
    return later if every_day else pd.bdate_range(later, periods=1)[0]
