"""Ingest: daily price tables out of packages or the user's CSVs, checked, in one form.

Writes `<symbol>.csv` (see `prices`) and `manifest.json`: origin, licence, digest, notes.
"""

import csv
import gzip
import hashlib
import importlib.metadata
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

from seqapps.apps.finance import prices
from seqapps.apps.finance.params import Ingest, Params
from seqapps.artifacts import fingerprints, layout
from seqapps.config import UserError
from seqapps.pipeline import fetch

ARCH = {
    "sp500": (
        "arch/data/sp500/sp500.csv.gz",
        "1e028cbb9c400cc018c816ccc439b33c919387e726c3ed5ca2c05c82746059de",
    ),
    "nasdaq": (
        "arch/data/nasdaq/nasdaq.csv.gz",
        "b2009535343ebb14e0aa11ed086788d2997a416ffe4f9450eed9a561ae30ac59",
    ),
    "wti": (
        "arch/data/wti/wti.csv.gz",
        "b83498894138a65cdc14a67fc1716aa90b3cfda274f976bd3692cc3f1500084d",
    ),
}
BOKEH_VERSION = "2026.1"
BOKEH_WHEEL = "bokeh_sampledata-2026.1-py3-none-any.whl"
BOKEH_SHA256 = "f40331a40ca30c64a1c1471835aad9006b61b0d9731a3f649ee8cbbf48d3822f"
STOCKS = "bokeh_sampledata/_data/stocks.csv.gz"


def ingest(params: Params, out: Path) -> dict[str, int]:
    """Writes the checked tables into `out`; returns rows per symbol and what was mended.

    Raises:
        UserError: a file is missing, or its content is not what it should be.
    """
    table = params.ingest
    if table.source == "user" and not table.files:
        raise UserError(
            'ingest.source = "user" without files; give ingest.files = {SYMBOL = "prices.csv"}'
        )
    symbols = table.symbols if table.source == "packages" else tuple(table.files)
    counts: Counter[str] = Counter()
    manifest = []
    for symbol in symbols:
        if table.source == "packages":
            text, origin = _packaged(symbol)
            _, prices_table, notes = prices.parse(text, origin["file"])
        else:
            (_, prices_table, notes), origin = _own(table, symbol)
        path = out / f"{symbol}.csv"
        prices.save(prices_table, path)
        counts[f"{symbol} rows"] = len(prices_table)
        counts.update({f"{symbol} {note}": n for note, n in notes.items()})
        manifest.append(
            {"symbol": symbol, "sha256": fingerprints.digest(path), **origin, "notes": notes}
        )
    (out / layout.MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
    for name, count in counts.items():
        print(f"ingest: {name}: {count}")
    return dict(counts)


def _own(table: Ingest, symbol: str) -> tuple[prices.Priced, dict[str, Any]]:
    """The prices in a user's file: its only table, or the one of the symbol."""
    path = table.files[symbol]
    if not path.is_file():
        raise UserError(f"ingest.files.{symbol}: {path} does not exist")
    name = path.as_posix()
    series = prices.read(path, name, date_order=table.date_order, decimals=table.decimals)
    if len(series) > 1:
        named = {str(priced.symbol).casefold(): priced for priced in series}
        if symbol.casefold() not in named:
            there = ", ".join(str(priced.symbol) for priced in series[:8])
            raise UserError(f"ingest.files.{symbol}: {path} has no such symbol; there is: {there}")
        series = [named[symbol.casefold()]]
    [only] = series
    if isinstance(only, prices.Refused):
        raise UserError(only.reason)
    origin = {"file": name, "packaged": False, "licence": "not stated: the user's own file"}
    return only, origin


def _packaged(symbol: str) -> tuple[str, dict[str, Any]]:
    """The text of a packaged series, and where it came from."""
    if symbol not in ARCH:
        return _stock(symbol)
    member, sha256 = ARCH[symbol]
    # arch is one of our dependencies (GARCH): its data lie beside it, on every platform.
    installed = importlib.metadata.distribution("arch")
    name = f"arch {installed.version}: {member}"
    content = Path(str(installed.locate_file(member))).read_bytes()
    if (digest := hashlib.sha256(content).hexdigest()) != sha256:
        raise UserError(f"{name}: sha256 is {digest}, pinned is {sha256}; reinstall arch")
    return gzip.decompress(content).decode(), {
        "file": name,
        "packaged": True,
        "licence": "NCSA (the package); the origin of the prices is not stated",
    }


def _stock(symbol: str) -> tuple[str, dict[str, Any]]:
    wheel = fetch.package(
        "pip",
        name="bokeh_sampledata",
        version=BOKEH_VERSION,
        filename=BOKEH_WHEEL,
        sha256=BOKEH_SHA256,
    )
    lines = gzip.decompress(fetch.member(wheel, STOCKS)).decode().splitlines()
    rows = [row for row in csv.reader(lines[1:]) if row[0].lower() == symbol]
    text = io.StringIO()
    csv.writer(text).writerows([next(csv.reader(lines[:1])), *rows])
    return text.getvalue(), {
        "file": f"bokeh_sampledata {BOKEH_VERSION}: {STOCKS} ({symbol.upper()})",
        "packaged": True,
        "licence": "public domain (as the package's datasets.json lists it)",
    }
