import numpy as np
import pytest

from seqapps.apps.finance import prices
from seqapps.config import UserError

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
    table, notes = prices.parse(YAHOO, "yahoo.csv")
    assert table.loc["2018-01-02"].tolist() == [5, 6, 4.5, 5.5, 1000]
    assert notes["rows rescaled by Adj Close / Close"] == 2


def test_stooq_in_its_ascii_form():
    table, _ = prices.parse(STOOQ, "spx.txt")
    assert table["close"].tolist() == [11, 12]
    assert str(table.index[0].date()) == "2018-01-02"


def test_investing_is_turned_round_and_freed_of_commas_units_and_mark():
    table, notes = prices.parse(INVESTING, "spx.csv")
    assert table["close"].tolist() == [2786.24, 2776.42]
    assert table["volume"].tolist() == [0, 1_230_000]
    assert notes["rows newest first: turned round"] == 2
    assert notes["rows without a volume: set to zero"] == 1


def test_a_file_with_a_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "spx.csv"
    path.write_bytes(INVESTING.encode())
    assert len(prices.read(path)[0]) == 2


def test_closes_alone_are_a_table_of_closes():
    table, notes = prices.parse("Date,DCOILWTICO\n1/2/1986,25.56\n1/13/1986,.\n", "wti")
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
        (['2018-01-02,"10,5",12,9,11,1'], "line 2: open is '10,5'"),
        ([], "no rows"),
    ],
)
def test_a_broken_file_is_refused_with_place_and_reason(rows, expected):
    with pytest.raises(UserError, match=expected.replace("(", r"\(")):
        prices.parse(days(*rows), "bad.csv")


@pytest.mark.parametrize(("order", "month"), [("mdy", 3), ("dmy", 4)])
def test_an_ambiguous_date_is_read_as_the_user_says(order, month):
    table, _ = prices.parse(days("03/04/2018,10,12,9,11,1"), "x.csv", date_order=order)
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
    table, notes = prices.parse(text, "x.csv")
    assert notes == {
        "rows left out: a price is missing": 1,
        "rows left out: said twice": 1,
        "gaps of more than 10 days": 1,
        "rows with zero volume": 1,
    }
    assert table["high"].iloc[-1] == 11  # rounding


def test_a_saved_table_comes_back_to_the_last_digit(tmp_path, table):
    prices.save(table, tmp_path / "x.csv")
    assert np.array_equal(prices.load(tmp_path / "x.csv").to_numpy(), table.to_numpy())
