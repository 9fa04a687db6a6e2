"""Damaged copies of small tables of prices: each is read right, or refused by name.

`python -m tests.apps.finance.test_mutations 10000` tries more of them.
"""

import random
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from seqapps.apps.finance import prices
from seqapps.config import UserError
from tests.apps.finance.conftest import walk
from tests.apps.finance.test_prices import GERMAN, INVESTING, KLINES, SIDE_BY_SIDE, STOOQ, YFINANCE
from tests.mutations import mutated

TABLE = walk(30).round(2)
READERS = {
    "csv": TABLE.to_csv(),
    "stacked": TABLE.assign(Name="aaa").to_csv() + TABLE.assign(Name="bbb").to_csv(header=False),
    "yfinance": YFINANCE,
    "side by side": SIDE_BY_SIDE,
    "stooq": STOOQ,
    "investing": INVESTING,
    "klines": KLINES * 3,
    "german": GERMAN,
}


def ask(folder: Path, content: bytes) -> None:
    path = folder / "mine"
    path.write_bytes(content)
    try:
        for priced in prices.read(path, path.name):
            if isinstance(priced, prices.Refused):
                assert priced.reason.startswith("mine")
                continue
            table = priced.table
            assert np.isfinite(table.to_numpy()).all() and (table["close"] > 0).all()
            assert table.index.is_monotonic_increasing
            if "open" in table:
                prices.breaks(table)
    except UserError as error:
        assert str(error).startswith("mine")


def campaign(folder: Path, reader: str, count: int) -> None:
    rng = random.Random(reader)
    for _ in range(count):
        ask(folder, mutated(READERS[reader].encode(), rng))


@pytest.mark.parametrize("reader", READERS)
def test_a_damaged_table_is_read_or_refused_by_name(tmp_path, reader):
    campaign(tmp_path, reader, 150)


if __name__ == "__main__":
    for name in sys.argv[2:] or READERS:
        with tempfile.TemporaryDirectory() as scratch:
            campaign(Path(scratch), name, int(sys.argv[1]))
        print(f"{name}: {sys.argv[1]} read or refused", flush=True)
