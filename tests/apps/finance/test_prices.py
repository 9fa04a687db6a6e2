import gzip

import numpy as np
import pandas as pd
import pytest

from seqapps.apps.finance import prices
from seqapps.config import UserError
from tests.apps.finance.conftest import walk

YAHOO = """Date,Open,High,Low,Close,Adj Close,Volume
2018-01-02,10,12,9,11,5.5,1000
2018-01-03,11,13,10,12,6,1100
"""
STOOQ = """<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>
SPX,D,20180102,000000,10,12,9,11,1000,0
SPX,D,20180103,000000,11,13,10,12,1100,0
"""
INVESTING = (
    '\ufeff"Date","Price","Open","High","Low","Vol.","Change %"\n'
    '"01/16/2018","2,776.42","2,798.96","2,807.54","2,768.64","1.23M","-0.35%"\n'
    '"01/12/2018","2,786.24","2,770.18","2,787.85","2,769.64","-","0.67%"\n'
)


def days(*rows):
    return "Date,Open,High,Low,Close,Volume\n" + "".join(f"{row}\n" for row in rows)


def test_yahoo_is_adjusted_by_its_own_closes():
    _, table, notes = prices.parse(YAHOO, "yahoo.csv")
    assert table.loc["2018-01-02"].tolist() == [5, 6, 4.5, 5.5, 1000]
    assert notes["rows rescaled by Adj Close / Close"] == 2


def test_stooq_in_its_ascii_form():
    _, table, _ = prices.parse(STOOQ, "spx.txt")
    assert table["close"].tolist() == [11, 12]
    assert str(table.index[0].date()) == "2018-01-02"


def test_investing_is_turned_round_and_freed_of_commas_units_and_mark():
    _, table, notes = prices.parse(INVESTING, "spx.csv")
    assert table["close"].tolist() == [2786.24, 2776.42]
    assert table["volume"].tolist() == [0, 1_230_000]
    assert notes["rows newest first: turned round"] == 2
    assert notes["rows without a volume: set to zero"] == 1


def test_a_file_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "spx.csv"
    path.write_bytes(INVESTING.encode())
    [(_, table, _)] = prices.read(path, path.name)
    assert len(table) == 2


def test_closes_alone_are_a_table_of_closes():
    _, table, notes = prices.parse("Date,DCOILWTICO\n1/2/1986,25.56\n1/13/1986,.\n", "wti")
    assert table["close"].tolist() == [25.56]
    assert notes["rows left out: a price is missing"] == 1


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["2018-01-02,10,9,8,10,1"], "2018-01-02: High is below"),
        (["2018-01-02,10,12,11,11,1"], "2018-01-02: Low is above"),
        (["2018-01-02,10,12,-1,11,1"], "2018-01-02: prices must be above zero"),
        (["2018-01-02,10,12,9,11,-5"], "2018-01-02: Volume must not be below zero"),
        (["2018-01-02,10,12,9,11,1", "2018-01-02,10,12,9,10,1"], "two different rows"),
        (["03/04/2018,10,12,9,11,1"], "date_order"),
        (["13/04/2018,10,12,9,11,1", "04/13/2018,10,12,9,11,1"], "of both kinds"),
        (["2018-02-30,10,12,9,11,1"], "line 2: '2018-02-30' is not a day of the calendar"),
        (["soon,10,12,9,11,1"], "line 2: 'soon' is not a date"),
        (['2018-01-02,"10,5",12.5,9,11,1'], "line 2: open is '10,5'; the file's numbers have"),
        (["2018-01-02,10,12,9,11,1", "2018-01-03,1,0,12,9,11,1"], "line 3 has 7 cells, the header"),
        (["2018-01-02,10,12,9,11,1", 'x,"10'], "line 3: a quote is opened and not closed"),
        ([], "no rows"),
    ],
)
def test_a_broken_file_is_refused_with_place_and_reason(rows, expected):
    with pytest.raises(UserError, match=expected.replace("(", r"\(")):
        prices.parse(days(*rows), "bad.csv")


@pytest.mark.parametrize(("order", "month"), [("mdy", 3), ("dmy", 4)])
def test_an_ambiguous_date_is_read_as_the_user_says(order, month):
    _, table, _ = prices.parse(days("03/04/2018,10,12,9,11,1"), "x.csv", date_order=order)
    assert table.index[0].month == month


def test_missing_columns_are_named():
    with pytest.raises(UserError, match="Date, Open, High, Low"):
        prices.parse("Day,Value\n1,2\n", "x.csv")


def test_several_symbols_in_a_file_are_refused():
    text = "Ticker,Date,Open,High,Low,Close\nA,2018-01-02,1,2,1,2\nB,2018-01-02,1,2,1,2\n"
    with pytest.raises(UserError, match="several symbols"):
        prices.parse(text, "x.csv")


def test_what_is_mended_is_counted():
    text = days(
        "2018-01-02,10,12,9,11,0",
        "2018-01-02,10,12,9,11,0",
        "2018-01-03,null,null,null,null,null",
        "2018-03-01,10,10.9999,9,11,5",
    )
    _, table, notes = prices.parse(text, "x.csv")
    assert notes == {
        "rows left out: a price is missing": 1,
        "rows left out: said twice": 1,
        "2018-03-01: no row in the 58 days before": 1,
        "rows with zero volume": 1,
    }
    assert table["high"].iloc[-1] == 11  # rounding


def test_a_saved_table_comes_back_to_the_last_digit(tmp_path, table):
    prices.save(table, tmp_path / "x.csv")
    assert np.array_equal(prices.load(tmp_path / "x.csv").to_numpy(), table.to_numpy())


def closes(found):
    """Symbol -> closes."""
    return {symbol: table["close"].tolist() for symbol, table, _ in found}


def read(tmp_path, content, name="mine.csv", **options):
    path = tmp_path / "mine"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return prices.read(path, name, **options)


YFINANCE = """Price,Close,High,Low,Open,Volume
Ticker,AAPL,AAPL,AAPL,AAPL,AAPL
Date,,,,,
2024-01-02,184.08,186.86,182.34,185.58,82488700
2024-01-03,182.70,184.32,181.90,182.66,58414500
"""
SIDE_BY_SIDE = """Ticker,MSFT,MSFT,MSFT,MSFT,MSFT,AAPL,AAPL,AAPL,AAPL,AAPL
Price,Open,High,Low,Close,Volume,Open,High,Low,Close,Volume
Date,,,,,,,,,,
2024-01-02,370,374,366,371,100,185,187,182,184,200
2024-01-03,371,374,368,369,100,183,185,181,183,200
"""
ALPHA = """timestamp,open,high,low,close,adjusted_close,volume
2024-01-03,11,13,10,12,12,1100
2024-01-02,10,12,9,11,5.5,1000
"""
ALPHA_NUMBERED = "date,1. open,2. high,3. low,4. close,5. volume\n2024-01-02,10,12,9,11,1000\n"
KLINES = "1704153600000,10.0,12.0,9.0,11.0,1000.5,1704239999999,5,7,1,2,0\n"
GERMAN = "Datum;Eröffnung;Hoch;Tief;Schluss;Volumen\n02.01.2018;0,940;0,960;0,930;0,950;1.000\n"
GERMAN += "03.01.2018;0,950;0,990;0,940;0,980;2.000\n"


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (YFINANCE, {"AAPL": [184.08, 182.70]}),
        (SIDE_BY_SIDE, {"MSFT": [371, 369], "AAPL": [184, 183]}),
        (ALPHA, {None: [5.5, 12]}),
        (ALPHA_NUMBERED, {None: [11]}),
        (KLINES + KLINES.replace("170415", "170424"), {None: [11, 11]}),
        (GERMAN, {None: [0.95, 0.98]}),
        (GERMAN.encode("cp1252"), {None: [0.95, 0.98]}),
        (YAHOO.encode("utf-16"), {None: [5.5, 6]}),
        (YAHOO.replace("\n", "\r").encode(), {None: [5.5, 6]}),
        (gzip.compress(YAHOO.encode()), {None: [5.5, 6]}),
        (YAHOO.replace("Adj Close", "Adjusted Close"), {None: [5.5, 6]}),
        (YAHOO.replace("Adj Close", "Adjusted_close"), {None: [5.5, 6]}),
        (YAHOO.replace("Adj Close", "Last"), {None: [11, 12]}),
        (YAHOO + "\nSource: somebody,,,,,,\nDownloaded today\n", {None: [5.5, 6]}),
        ("Prices of X\n\n" + YAHOO, {None: [5.5, 6]}),
        (YAHOO + "2018-01-04,12,13", {None: [5.5, 6]}),
        (YAHOO.replace("2018-01-03,11,13,10,12,6", "2018-01-03,NA,NA,NA,NA,NA"), {None: [5.5]}),
        (
            "Date,Name,Open,High,Low,Close\n2018-01-02,A,1,2,1,2\n2018-01-02,B,3,4,3,4\n",
            {"A": [2], "B": [4]},
        ),
    ],
)  # fmt: skip
def test_formats_that_people_have(tmp_path, content, wanted):
    assert closes(read(tmp_path, content)) == wanted


@pytest.mark.parametrize("kind", ["parquet", "xlsx"])
def test_frames_saved_by_pandas_are_read(tmp_path, table, kind):
    path = tmp_path / f"mine.{kind}"
    if kind == "xlsx":
        pytest.importorskip("openpyxl")
        table.to_excel(path)
    else:
        table.to_parquet(path)
    [(_, found, _)] = prices.read(path, path.name)
    assert np.allclose(found.to_numpy(), table.to_numpy())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"Date,Close\n2018-01-02,\0\n", "holds zero bytes"),
        (gzip.compress(YAHOO.encode())[:-9], "^mine.csv is gzip that is damaged or cut short"),
        (b"PAR1 and no more", "is parquet that cannot be read"),
        (b"PK\3\4 and no more", "is xlsx that cannot be read"),
        (b"\xd0\xcf\x11\xe0old", "an Excel file of the old kind"),
        (b"Day,Value\n1,2\n", "has the columns Day, Value; wanted Date, Open"),
    ],
)
def test_what_is_no_table_of_prices_is_said(tmp_path, content, said):
    with pytest.raises(UserError, match=said):
        read(tmp_path, content)


@pytest.mark.parametrize(
    ("days_apart", "said"), [(7, "weekly"), (30, "monthly"), (90, "rarer"), (1 / 24, "hourly")]
)
def test_rows_that_are_not_daily_are_refused(days_apart, said):
    times = pd.date_range("2018-01-01", periods=30, freq=pd.Timedelta(days=days_apart))
    rows = days(*(f"{time},10,12,9,11,1" for time in times))
    with pytest.raises(UserError, match=f"holds {said} rows"):
        prices.parse(rows, "x.csv")


@pytest.mark.parametrize(
    ("numbers", "options", "wanted"),
    [
        (("1.880", "1.900"), {}, [1.88, 1.9]),
        (("1.880", "1.900"), {"decimals": "comma"}, [1880, 1900]),
        (("1.880,5", "1.900,0"), {}, [1880.5, 1900]),
        (("0,940", "1,000"), {}, [0.94, 1.0]),
        (("1.234.567", "1.234.568"), {}, [1234567, 1234568]),
    ],
)
def test_the_sign_of_decimals_is_decided_once_for_a_file(tmp_path, numbers, options, wanted):
    text = "Date;Close\n" + "".join(f"2018-01-0{n + 2};{w}\n" for n, w in enumerate(numbers))
    assert closes(read(tmp_path, text, **options)) == {None: wanted}


def test_a_leap_is_named_and_no_window_may_hold_it():
    text = days("2018-01-02,10,12,9,11,1", "2018-01-03,1000,1200,900,1100,1")
    _, table, notes = prices.parse(text, "x.csv")
    leap = (
        "2018-01-03: the close is 100 times the one before; a split not applied, or a wrong price?"
    )
    assert leap in notes
    assert prices.breaks(table).tolist() == ["", leap]


def stacked(**symbols):
    rows = (f"{symbol};{row}\n" for symbol, lines in symbols.items() for row in lines)
    return "Symbol;Date;Close\n" + "".join(rows)


def test_signs_and_dates_are_decided_by_all_symbols_of_a_file(tmp_path):
    text = stacked(A=["03/04/2018;1,880"], B=["13/04/2018;0,94"]).replace(";", "\t")
    series = read(tmp_path, text)
    assert closes(series) == {"A": [1.88], "B": [0.94]}
    assert [str(table.index[0].date()) for _, table, _ in series] == ["2018-04-03", "2018-04-13"]


def test_a_sign_that_no_number_shows_is_said(tmp_path):
    [(_, table, notes)] = read(tmp_path, "Date\tClose\n2018-01-02\t1,880\n")
    assert table["close"].tolist() == [1880]
    assert notes == {"'1,880' read as 1880, not 1.88; DECIMALS decides otherwise": 1}


def test_a_symbol_that_cannot_be_used_does_not_end_the_others(tmp_path):
    good, bad = read(tmp_path, stacked(A=["2018-01-02;1"], B=["2018-01-02;-1"]))
    assert good.table["close"].tolist() == [1]
    assert bad == prices.Refused("B", "mine.csv (B) 2018-01-02: prices must be above zero; mend or "
                                 "remove the row")  # fmt: skip
    with pytest.raises(UserError, match=r"mine.csv \(A\) 2018-01-02: prices must be above zero"):
        read(tmp_path, stacked(A=["2018-01-02;0"], B=["2018-01-02;-1"]))


@pytest.mark.parametrize("name", ["Symbol", "Ticker", "Name", "Code", "Stock", "Instrument"])
def test_stacked_symbols_are_told_apart_by_any_of_their_columns(tmp_path, name):
    text = stacked(A=["2018-01-02;1"], B=["2018-01-02;2"]).replace("Symbol", name)
    assert closes(read(tmp_path, text)) == {"A": [1], "B": [2]}


def test_tickers_may_be_called_as_columns_are(tmp_path):
    text = SIDE_BY_SIDE.replace("MSFT", "LOW").replace("AAPL", "OPEN")
    assert closes(read(tmp_path, text)) == {"LOW": [371, 369], "OPEN": [184, 183]}


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (",Open,High,Low,Close\n2018-01-02,1,2,1,2\n", [2]),
        (",1a. open (USD),2a. high (USD),3a. low (USD),4a. close (USD)\n2018-01-02,1,2,1,2\n", [2]),
        ("1704153600000,10,12,9,11,5,1704239999999,5,7,1,2,0\n17042\n", [11]),
        (YAHOO + "Source: X, Y, Z, and, many, more, commas, than, the, header\n", [5.5, 6]),
        ("Date,Close\n2018-01-02,1'234.50\n", [1234.5]),
    ],
)
def test_further_forms(tmp_path, content, wanted):
    assert closes(read(tmp_path, content)) == {None: wanted}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("9999999999999,10,12,9,11,1", "'9999999999999' is not a day of the calendar"),
        ("2018-01-02,10,1e999,9,11,1", "no price is so small or so large"),
        ("2018-01-02,1e-320,1e-320,1e-320,1e-320,1", "no price is so small or so large"),
        ("2018-01-02,10,12,9,11,1e300", "no Volume is so large"),
        ("2018-01-02,10,12,9,11", "line 2 has 5 cells, the header 6"),
        ("2018-01-02,10%,12,9,11,1", "open is '10%'"),
    ],
)
def test_values_beyond_what_can_be_computed_are_refused(tmp_path, row, expected):
    with pytest.raises(UserError, match=expected):
        read(tmp_path, days(row))


def test_hours_in_a_column_of_their_own_are_seen(tmp_path):
    rows = "".join(f"X,60,20180102,{hour:02d}0000,10,12,9,11,1,0\n" for hour in range(9, 17))
    with pytest.raises(UserError, match="holds hourly rows"):
        read(tmp_path, STOOQ.splitlines()[0] + "\n" + rows)


@pytest.mark.parametrize(
    ("column", "factor", "broken"),
    [("high", 100.0, [60, 61]), ("low", 0.01, [60, 61]), (prices.OHLC, 100.0, [60, 61])],
)
def test_a_price_100_times_too_large_on_one_day_breaks_every_window_with_it(
    table, column, factor, broken
):
    table.loc[table.index[60], column] *= factor
    reasons = prices.breaks(table)
    assert np.flatnonzero(reasons != "").tolist() == broken
    assert reasons[60].startswith(f"{table.index[60]:%Y-%m-%d}: ")
    dates = table.index
    assert [bool(prices.no_window(dates, reasons, slice(n, n + 10))) for n in (50, 51, 60, 61)] == [
        False, True, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize("ratio", [1.5, 2, 3, 4, 10, 0.5, 0.1])
def test_a_split_that_is_not_applied_is_named(ratio):
    table = walk(120)
    table.iloc[:60, :4] *= ratio
    assert np.flatnonzero(prices.breaks(table) != "").tolist() == [60]


def test_a_weekly_stretch_of_a_daily_series_is_no_window():
    table = walk(300)
    weeks = table.index[199] + pd.to_timedelta(7 * np.arange(1, 101), "D")
    dates = table.index[:200].append(weeks)
    reasons = prices.breaks(table.set_axis(dates))
    assert not prices.no_window(dates, reasons, slice(120, 200))
    assert "are weekly" in prices.no_window(dates, reasons, slice(220, 300))


def test_the_packaged_series_have_no_breaks():
    """Real crashes (1987 is not in them, 2008 is) are no splits and no wrong prices."""
    from seqapps.apps.finance import ingest

    for symbol in ("sp500", "nasdaq"):
        text, origin = ingest._packaged(symbol)
        assert not any(prices.breaks(prices.parse(text, origin["file"]).table))
