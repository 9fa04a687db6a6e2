import csv
import json
from types import SimpleNamespace

import numpy as np
import pytest

from seqapps.app import Skip
from seqapps.apps.finance import predict
from seqapps.apps.finance.params import Predict
from seqapps.config import UserError


@pytest.fixture
def assets(tmp_path):
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets/facts.json").write_text(json.dumps({"window_days": 70}))
    return tmp_path / "assets"


@pytest.fixture
def mine(tmp_path, table):
    table.to_csv(tmp_path / "mine.csv")
    return tmp_path / "mine.csv"


def ask(assets, paths, **options):
    params = SimpleNamespace(predict=Predict(**options))
    return list(predict.requests(params, assets, paths))


def answer(close):
    return {
        "close_quantiles": close * np.array([0.97, 0.99, 1.0, 1.01, 1.03]),
        "log_return_quantiles": np.log([0.97, 0.99, 1.0, 1.01, 1.03]),
        "variance": np.float32(1e-4),
    }


def test_the_request_is_the_last_window_of_raw_rows(assets, mine, table):
    [(meta, request)] = ask(assets, [mine])
    assert (request["window"] == table.iloc[-70:].to_numpy(np.float32)).all()
    assert (meta["symbol"], meta["after"]) == ("mine", f"{table.index[-1]:%Y-%m-%d}")


def test_days_asks_for_the_forecasts_made_after_each_of_the_last_days(assets, mine, table):
    found = ask(assets, [mine], days=3)
    assert [m["after"] for m, _ in found] == [f"{day:%Y-%m-%d}" for day in table.index[-3:]]


def test_a_folder_is_all_its_files_and_a_short_one_is_left_out(assets, mine, table):
    table.iloc[:50].to_csv(mine.parent / "short.csv")
    found = ask(assets, [mine.parent])
    assert [isinstance(entry, Skip) for entry in found] == [False, True]


def test_closes_alone_and_folders_without_csv_are_refused(assets, tmp_path, table):
    table[["close"]].to_csv(tmp_path / "closes.csv")
    with pytest.raises(UserError, match="has closes only"):
        ask(assets, [tmp_path / "closes.csv"])
    with pytest.raises(UserError, match="holds no file"):
        ask(assets, [assets])


def test_answers_become_a_table_and_a_picture_for_each_symbol(assets, mine, tmp_path):
    rows = [(meta, answer(meta["last_close"])) for meta, _ in ask(assets, [mine], days=2)]
    written = predict.render(None, assets, rows, tmp_path)
    assert [path.name for path in written] == ["forecasts.csv", "mine.png"]
    with written[0].open() as file:
        found = list(csv.DictReader(file))
    assert len(found) == 2
    assert float(found[0]["close_q50"]) == pytest.approx(float(found[0]["last_close"]), rel=1e-5)
    assert float(found[0]["volatility_percent"]) == pytest.approx(1.0)
