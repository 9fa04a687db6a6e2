import csv
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from seqapps.app import Skip, UserFile
from seqapps.apps.finance import predict
from seqapps.apps.finance.params import Predict
from seqapps.config import UserError
from tests.apps.finance.conftest import walk


@pytest.fixture
def assets(tmp_path):
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets/facts.json").write_text(json.dumps({"window_days": 70}))
    return tmp_path / "assets"


@pytest.fixture
def mine(tmp_path, table):
    table.to_csv(tmp_path / "mine.csv")
    return tmp_path / "mine.csv"


def ask(assets, path, *, name=None, **options):
    params = SimpleNamespace(predict=Predict(**{"conformal": False} | options))
    return list(predict.requests(params, assets, UserFile(path, name or path.name)))


def answer(close, *, spread=1.0):
    logs = spread * np.log([0.97, 0.99, 1.0, 1.01, 1.03])
    return {
        "close_quantiles": close * np.exp(logs),
        "log_return_quantiles": logs,
        "variance": np.float32(1e-4),
    }


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def rendered(assets, found, out, **options):
    rows = [(meta, answer(meta["last_close"])) for meta, _ in found]
    return predict.render(SimpleNamespace(predict=Predict(**options)), assets, rows, out)


def test_the_request_is_the_last_window_of_raw_rows(assets, mine, table):
    [(meta, request)] = ask(assets, mine)
    assert (request["window"] == table.iloc[-70:].to_numpy(np.float32)).all()
    assert (meta["symbol"], meta["after"]) == ("mine", f"{table.index[-1]:%Y-%m-%d}")


def test_days_asks_for_the_forecasts_made_after_each_of_the_last_days(assets, mine, table):
    found = ask(assets, mine, days=3)
    assert [m["after"] for m, _ in found] == [f"{day:%Y-%m-%d}" for day in table.index[-3:]]
    assert [m["next_close"] for m, _ in found][:2] == table["close"].iloc[-2:].tolist()


def test_a_short_series_is_left_out_and_closes_alone_are_refused(assets, tmp_path, table):
    table.iloc[:50].to_csv(tmp_path / "short.csv")
    assert ask(assets, tmp_path / "short.csv") == [Skip("fewer than 70 days", "short.csv short")]
    table[["close"]].to_csv(tmp_path / "closes.csv")
    with pytest.raises(UserError, match="closes.csv has closes only"):
        ask(assets, tmp_path / "closes.csv")


def test_a_window_with_a_gap_or_a_leap_is_left_out_with_its_day(assets, tmp_path, table, capsys):
    leapt = table.copy()
    leapt.iloc[-5:, :4] *= 0.25
    leapt.to_csv(tmp_path / "split.csv")
    [skip] = ask(assets, tmp_path / "split.csv")
    assert (
        skip.key == f"split.csv split {table.index[-1]:%Y-%m-%d}"
        and f"{table.index[-5]:%Y-%m-%d}: the close" in skip.reason
    )
    said = f"split.csv split: {table.index[-5]:%Y-%m-%d}: the close is 0.2"
    assert said in capsys.readouterr().out
    table.drop(table.index[-40:-20]).to_csv(tmp_path / "gap.csv")
    [skip] = ask(assets, tmp_path / "gap.csv")
    assert skip.reason.startswith(f"{table.index[-20]:%Y-%m-%d}: no row in the ")


def test_symbols_of_one_name_and_names_with_dots_are_told_apart(assets, mine, tmp_path):
    found = []
    for name in ("BRK.A.csv", "BRK.B.csv", "x/AAPL.csv", "y/AAPL.csv"):
        found += ask(assets, mine, name=name)
    assert [meta["symbol"] for meta, _ in found] == ["BRK.A", "BRK.B", "AAPL", "AAPL"]
    table, *pictures = rendered(assets, found, tmp_path)
    assert [row["file"] for row in rows_of(table)][2:] == ["x/AAPL.csv", "y/AAPL.csv"]
    assert [path.name for path in pictures] == [
        "BRK.A.png", "BRK.B.png", "x~AAPL.png", "y~AAPL.png",
    ]  # fmt: skip


def test_stacked_symbols_are_series_of_their_own(assets, tmp_path, table):
    stacked = [table.assign(Name="aaa"), walk(90, seed=2).assign(Name="bbb")]
    text = "".join(part.to_csv(header=n == 0) for n, part in enumerate(stacked))
    (tmp_path / "all.csv").write_text(text)
    found = ask(assets, tmp_path / "all.csv")
    assert [meta["symbol"] for meta, _ in found] == ["aaa", "bbb"]
    _, *pictures = rendered(assets, found, tmp_path)
    assert [path.name for path in pictures] == ["all-aaa.png", "all-bbb.png"]


def test_answers_become_a_table_and_a_picture_for_each_symbol(assets, mine, tmp_path):
    written = rendered(assets, ask(assets, mine, days=2), tmp_path)
    assert [path.name for path in written] == ["forecasts.csv", "mine.png"]
    found = rows_of(written[0])
    assert len(found) == 2
    assert float(found[0]["close_q50"]) == pytest.approx(float(found[0]["last_close"]), rel=1e-5)
    assert float(found[0]["volatility_percent"]) == pytest.approx(1.0)
    assert (found[0]["width80"], found[0]["width95"]) == ("1", "1")


def test_intervals_are_widened_to_what_the_series_shows(assets, tmp_path):
    """Made-up days of 4 % volatility; the answers are intervals for 1 %."""
    rng = np.random.default_rng(3)
    table = walk(900, seed=4)
    factor = np.exp(np.cumsum(0.04 * rng.normal(size=900)) - np.log(table["close"] / 100))
    wild = table.assign(**{name: table[name] * factor for name in ("open", "high", "low", "close")})
    wild["open"] = wild["close"]
    wild["high"], wild["low"] = wild["close"] * 1.01, wild["close"] / 1.01
    wild.to_csv(tmp_path / "wild.csv")
    found = ask(assets, tmp_path / "wild.csv", conformal=True, backtest=300)
    assert sum(meta["judged"] for meta, _ in found) == 300
    rows = [(meta, answer(meta["last_close"])) for meta, _ in found]
    for conformal, low, high in ((True, 0.74, 0.86), (False, 0.1, 0.35)):
        judged = [a for a in predict.calibrated(rows, conformal=conformal) if a.meta["judged"]]
        inside = [a.quantiles[1] <= a.meta["next_close"] <= a.quantiles[3] for a in judged]
        assert low <= np.mean(inside) <= high


def test_a_width_is_what_the_days_before_would_have_needed():
    """With 250 scores of 1 to 250 hundredths the 201st is the 80 % width, the 239th the 95 %."""
    half = np.log(1.01)
    close = 100.0
    rows = []
    for day in range(251):
        away = half * (day + 1) / 100
        meta = {"next_close": close * np.exp(away) if day < 250 else np.nan}
        rows.append((meta, answer(close)))
    widths = predict.calibrated(rows, conformal=True)[-1].widths
    assert widths[0] == pytest.approx(2.01)
    assert widths[1] == pytest.approx(2.39 * half / np.log(1.03))
    assert predict.calibrated(rows[1:], conformal=True)[-1].widths.tolist() == [1.0, 1.0]


def test_a_backtest_is_a_table_and_a_line(assets, mine, tmp_path, capsys):
    found = ask(assets, mine, backtest=40)
    written = rendered(assets, found, tmp_path, backtest=40, conformal=False)
    assert [path.name for path in written] == ["forecasts.csv", "backtest.csv", "mine.png"]
    judged = rows_of(written[1])
    assert len(judged) == 40 and {row["inside80"] for row in judged} <= {"0", "1"}
    share = np.mean([row["inside80"] == "1" for row in judged])
    said = f"backtest of mine (mine.csv), 40 days: {share:.1%} within 80 %"
    assert said in capsys.readouterr().out


def test_pictures_have_names_of_their_own_whatever_files_and_symbols_are_called(assets, tmp_path):
    text = walk(90).assign(Name="B").to_csv() + walk(90).assign(Name="$_$" * 99).to_csv(header=None)
    (tmp_path / "two.csv").write_text(text)
    walk(90).to_csv(tmp_path / "one.csv")
    requests = ask(assets, tmp_path / "two.csv", name="A.csv")
    for name in ("A-B.csv", "a-b", "x/y.csv", "x~y.csv", "a$_$b.csv"):
        requests += ask(assets, tmp_path / "one.csv", name=name)
    table, *pictures = rendered(assets, requests, tmp_path)
    assert len({path.name.casefold() for path in pictures}) == len(rows_of(table)) == 7
    assert [row["file"] for row in rows_of(table)][:3] == ["A.csv", "A.csv", "A-B.csv"]


def test_a_refused_symbol_is_left_out_and_the_others_answered(assets, tmp_path):
    good, bad = walk(90).assign(Name="A"), walk(90).assign(Name="B")
    bad.iloc[5, bad.columns.get_loc("high")] = 1
    (tmp_path / "two.csv").write_text(good.to_csv() + bad.to_csv(header=None))
    answered, skip = ask(assets, tmp_path / "two.csv")
    assert answered[0]["symbol"] == "A" and skip.key == "two.csv B"
    assert "High is below" in skip.reason


def test_no_day_is_judged_or_calibrated_by_a_leap(assets, tmp_path):
    wrong = walk(400)
    wrong.iloc[300, :4] *= 100
    wrong.to_csv(tmp_path / "wrong.csv")
    requests = ask(assets, tmp_path / "wrong.csv", backtest=200, conformal=True)
    [before] = [m for m, _ in requests if m["after"] == f"{wrong.index[299]:%Y-%m-%d}"]
    assert not before["judged"] and np.isnan(before["next_close"])
    assert max(meta["next_close"] for meta, _ in requests[:-1]) < 1000


def test_a_row_says_what_its_intervals_are_and_what_it_loses(assets, tmp_path, capsys):
    walk(600).to_csv(tmp_path / "long.csv")
    options = {"backtest": 20, "conformal": True}
    written = rendered(assets, ask(assets, tmp_path / "long.csv", **options), tmp_path, **options)
    [row], judged = rows_of(written[0]), rows_of(written[1])
    assert row["intervals"] == "series" and {one["intervals"] for one in judged} == {"series"}
    loss = 100 * np.mean([float(one["pinball"]) for one in judged])
    assert f"pinball loss {loss:.3f} % of the close" in capsys.readouterr().out
    rows = rendered(assets, ask(assets, tmp_path / "long.csv"), tmp_path, conformal=False)
    assert rows_of(rows[0])[0]["intervals"] == "model"


@pytest.mark.parametrize(
    ("last", "every_day", "following"),
    [("2024-01-05", False, "2024-01-08"), ("2024-01-05", True, "2024-01-06")],
)
def test_the_day_after_a_friday(last, every_day, following):
    assert predict._next(pd.Timestamp(last), every_day=every_day) == pd.Timestamp(following)
