"""Predict: a user's CSVs to tomorrow's quantiles of the close and tomorrow's volatility."""

import csv
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from seqapps.app import Meta, Record, Skip
from seqapps.apps.finance import preprocess, prices
from seqapps.apps.finance.metrics import LEVELS
from seqapps.apps.finance.params import Params
from seqapps.config import UserError
from seqapps.kit import plots

SUFFIXES = (".csv", ".txt", ".csv.gz")
SHOWN_DAYS = 60
COLUMNS = [
    "symbol",
    "after",
    "last_close",
    *(f"close_q{100 * level:g}" for level in LEVELS),
    "volatility_percent",
]


def requests(
    params: Params, assets: Path, paths: list[Path]
) -> Iterator[tuple[Meta, Record] | Skip]:
    """The windows that end on each of the last `days` days of each CSV; the file names the symbol.

    Raises:
        UserError: a file is not a CSV of daily prices, or holds closes only.
    """
    needed = preprocess.facts(assets)["window_days"]
    for path in sorted(itertools.chain.from_iterable(_files(path) for path in paths)):
        table, notes = prices.read(path, date_order=params.predict.date_order)
        symbol = path.name.split(".")[0]
        for note, count in notes.items():
            print(f"predict: {symbol}: {note}: {count}")
        if "high" not in table:
            raise UserError(f"{path} has closes only; wanted Open, High, Low, Close and Volume")
        if len(table) < needed:
            yield Skip(f"fewer than {needed} days", path.name)
            continue
        yield from _windows(symbol, table, needed=needed, count=params.predict.days)


def render(
    params: Params, assets: Path, rows: Iterable[tuple[Meta, Record]], out: Path
) -> list[Path]:
    """Writes `forecasts.csv` (a row per symbol and day) and `<symbol>.png`."""
    del params, assets
    written = [out / "forecasts.csv"]
    with written[0].open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for symbol, group in itertools.groupby(rows, key=lambda row: row[0]["symbol"]):
            answers = list(group)
            writer.writerows(_row(meta, response) for meta, response in answers)
            written.append(out / f"{symbol}.png")
            with mpl.rc_context(plots.STYLE):
                plots.save(fan(symbol, answers), written[-1])
    return written


def example_input(row: Record, out: Path) -> Path:
    """The prices of a request, as `example.csv` in `out`.

    A request holds no dates; the file counts working days from the first of 2001.
    """
    days = pd.bdate_range("2001-01-01", periods=len(row["window"]), name="Date")
    names = [name.capitalize() for name in prices.OHLCV]
    path = out / "example.csv"
    pd.DataFrame(row["window"], days, names).to_csv(path)  # pyright: ignore[reportArgumentType] stubs take no list
    return path


def fan(symbol: str, answers: list[tuple[Meta, Record]]) -> Figure:
    """The last closes, and the quantiles of the next after each day asked for."""
    meta = answers[-1][0]
    closes, days = meta["closes"], pd.DatetimeIndex(meta["days"])
    after = pd.DatetimeIndex([m["after"] for m, _ in answers])
    shown = days.union(after)
    ahead = [days[days > day][0] if (days > day).any() else _next(shown[-1]) for day in after]
    quantiles = np.stack([response["close_quantiles"] for _, response in answers])
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
    volatility = 100 * float(np.sqrt(answers[-1][1]["variance"]))
    panel.set_title(f"{symbol} after {meta['after']}: next day's volatility {volatility:.2f} %")
    panel.set_ylabel("close")
    panel.legend(loc="best")
    return drawn


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    files = [p for p in path.iterdir() if p.name.lower().endswith(SUFFIXES)]
    if not files:
        raise UserError(f"{path} holds no file that ends in {', '.join(SUFFIXES)}")
    return files


def _windows(
    symbol: str, table: pd.DataFrame, *, needed: int, count: int
) -> Iterator[tuple[Meta, Record]]:
    rows = table[prices.OHLCV].to_numpy(np.float32)
    for end in range(max(needed, len(table) - count + 1), len(table) + 1):
        tail = table.iloc[-max(SHOWN_DAYS, count) :]
        meta = {
            "symbol": symbol,
            "after": f"{table.index[end - 1]:%Y-%m-%d}",
            "last_close": float(table["close"].iloc[end - 1]),
            "days": tail.index,
            "closes": tail["close"].to_numpy(),
        }
        yield meta, {"window": rows[end - needed : end]}


def _row(meta: Meta, response: Record) -> list[str | float]:
    closes = [f"{value:.6g}" for value in response["close_quantiles"]]
    volatility = 100 * float(np.sqrt(response["variance"]))
    return [
        meta["symbol"], meta["after"], f"{meta['last_close']:.6g}", *closes, f"{volatility:.4g}"
    ]  # fmt: skip


def _next(day: Any) -> Any:
    return pd.bdate_range(day, periods=2)[-1]
