"""Preprocess: windows of raw rows by walk-forward block, and the statistics of each train block.

A record is a raw window; the front end in the model makes the features. Leak groups are months of
the forecast day, both indices together, because they move together.

Axis letters: N train windows, W days, F features, Q quantiles.
"""

import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from seqapps.app import Item, Record, Skip
from seqapps.apps.finance import prices, protocol, statistics, wavelet
from seqapps.apps.finance.indicators import WARMUP_DAYS
from seqapps.apps.finance.params import Params, Preprocess
from seqapps.config import UserError


class Series(NamedTuple):
    """One symbol's rows, float32 (days, 5), and those rows denoised with their future."""

    dates: pd.DatetimeIndex
    rows: np.ndarray
    leaky: np.ndarray
    breaks: np.ndarray  # text (days,), see `prices.breaks`


def index(params: Params, raw: Path) -> Iterator[Item | Skip]:
    """Each (fold, symbol, day): `where` is (file, row of the window's last day).

    Raises:
        UserError: no file has the OHLCV rows that windows are made of.
    """
    paths = [path for path in sorted(raw.glob("*.csv")) if _has_rows(path)]
    if not paths:
        raise UserError(f"{raw}: no series with Open, High, Low and Close; closes are not enough")
    for fold in protocol.folds(params.preprocess, last_day(raw)):
        for path in paths:
            yield from _of_fold(params.preprocess, fold, path)


def assets(params: Params, items: Iterable[Item], out: Path) -> None:
    """Writes `facts.json` and `statistics.npz`, fitted on the train windows.

    For each denoising mode: `<mode>/mean` and `<mode>/std` (F,) of the features, and with
    `sae_layers` the autoencoders `<mode>/sae/...`. For targets: `har` (4,), `return_std`,
    `quantiles` (Q,) and `har_quantiles` (Q,) of standardized returns, `log_variance`, `threshold`.
    """
    table = params.preprocess
    windows, following, leaky = _gathered(params, items)
    fitted = statistics.fit(table, windows, following=following, leaky=leaky)
    np.savez(out / "statistics.npz", **fitted)
    facts = {"steps": table.steps, "window_days": window_days(table), "leaky": table.leaky_windows}
    (out / "facts.json").write_text(json.dumps(facts, indent=1) + "\n")


def example(params: Params, assets: Path, item: Item) -> Record | Skip:
    """The window that ends on a day, and the row after it."""
    del assets
    path, day = item.where
    series = load(path)
    days = window_days(params.preprocess)
    first = day - days + 1
    if reason := prices.no_window(series.dates, series.breaks, slice(first, day + 2)):
        return Skip(reason, item.key)
    following = series.rows[day + 1]
    if following[1] <= following[2]:
        return Skip("High equals Low on the forecast day", item.key)
    leaky = series.leaky[first : day + 1] if params.preprocess.leaky_windows else series.leaky[:0]
    return {
        "window": series.rows[first : day + 1],
        "next": following,
        "leaky": leaky,
        "symbol": Path(path).stem,
        "date": f"{series.dates[day]:%Y-%m-%d}",
        "target_date": f"{series.dates[day + 1]:%Y-%m-%d}",
    }


def last_day(raw: Path) -> Any:
    """The last day, a pandas Timestamp, of all series that windows are made of."""
    return max(load(str(path)).dates[-1] for path in sorted(raw.glob("*.csv")) if _has_rows(path))


def window_days(table: Preprocess) -> int:
    """W: the steps of the network and the days that warm up its averages."""
    return table.steps + WARMUP_DAYS


def facts(assets: Path) -> dict[str, Any]:
    """Content of `facts.json`, see `assets`."""
    return json.loads((assets / "facts.json").read_text())


@lru_cache(maxsize=64)
def load(path: str) -> Series:
    """A file of the ingest stage as arrays."""
    table = prices.load(Path(path))
    rows = table[prices.OHLCV].to_numpy()
    return Series(
        pd.DatetimeIndex(table.index),
        rows.astype(np.float32),
        leaky_rows(rows).astype(np.float32),
        prices.breaks(table),
    )


def leaky_rows(rows: np.ndarray) -> np.ndarray:
    """Rows (D, 5), prices denoised over the whole series: LEAKS, for demonstration only."""
    logs = np.log(rows[:, :4])
    clean = wavelet.full_leaky(logs, wavelet.threshold(logs[:, 3]))
    opened, close = clean[:, 0], clean[:, 3]
    outer = np.stack([opened, clean.max(axis=1), clean.min(axis=1), close], axis=1)
    return np.concatenate([np.exp(outer), rows[:, 4:]], axis=1)


def _has_rows(path: Path) -> bool:
    with path.open() as file:
        return "high" in file.readline()


def _of_fold(table: Preprocess, fold: protocol.Fold, path: Path) -> Iterator[Item | Skip]:
    symbol, dates = path.stem, load(str(path)).dates
    least = window_days(table) - 1
    splits = fold.splits(dates)
    learnt = (splits[least:] == "train").any()
    days, months = dates.strftime("%Y-%m-%d"), dates.strftime("%Y-%m")
    for day, split in enumerate(splits):
        if not split:
            continue
        key = f"{symbol} {days[day]}"
        if day < least:
            yield Skip("too few days before it for a window", f"{fold.name} {key}")
        elif split == "purged":
            yield Skip("purged: the forecast crosses a border of blocks", f"{fold.name} {key}")
        elif split == "test" and not learnt:
            yield Skip("no train windows of the symbol in the fold", f"{fold.name} {key}")
        elif split != "train" or day % table.train_stride_days == 0:
            yield Item(key, split, str(months[day + 1]), (str(path), day), fold.name)


def _gathered(params: Params, items: Iterable[Item]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    records = (example(params, Path(), item) for item in items)
    kept = [record for record in records if isinstance(record, dict)]
    if not kept:
        raise UserError(
            "a fold has no train windows: begin preprocess.test_from later or shorten train_months"
        )
    windows, following, leaky = (
        np.stack([record[name] for record in kept]) for name in ("window", "next", "leaky")
    )
    return windows, following, leaky
