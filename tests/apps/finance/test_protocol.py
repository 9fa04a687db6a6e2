from types import SimpleNamespace

import pandas as pd
import pytest

from seqapps.apps.finance import protocol
from seqapps.apps.finance.params import Preprocess
from seqapps.config import UserError

BAO = {
    "test_from": "2010-10-01",
    "test_until": "2016-09-30",
    "test_months": 3,
    "validation_months": 3,
    "train_months": 24,
    "steps": 4,
    "seed": 1,
}


def test_the_papers_protocol_has_24_quarters_of_2_years_a_quarter_and_a_quarter():
    folds = protocol.folds(Preprocess(**BAO), "2013-06-30")
    assert len(folds) == 24
    first, last = folds[0], folds[-1]
    assert [str(day.date()) for day in (first.train, first.validation, first.test, first.end)] == [
        "2008-07-01",
        "2010-07-01",
        "2010-10-01",
        "2011-01-01",
    ]
    assert (last.name, str(last.end.date())) == ("2016-07", "2016-10-01")


def test_test_blocks_follow_each_other_without_gap_or_overlap():
    folds = protocol.folds(Preprocess(**BAO), "2013-06-30")
    assert all(one.end == other.test for one, other in zip(folds, folds[1:], strict=False))


def test_the_last_block_may_be_short():
    table = SimpleNamespace(**BAO | {"test_until": "2016-08-31"})
    assert protocol.folds(table, "2013-06-30")[-1].end == pd.Timestamp("2016-09-01")


def test_pairs_across_a_border_are_purged():
    fold = protocol.folds(Preprocess(**BAO), "2013-06-30")[0]
    days = pd.bdate_range("2010-06-28", "2010-07-05")
    assert fold.splits(days).tolist() == ["train", "train", "purged", "validation", "validation"]


def test_the_first_test_day_is_judged():
    fold = protocol.folds(Preprocess(**BAO), "2013-06-30")[0]
    days = pd.DatetimeIndex(["2010-09-29", "2010-09-30", "2010-10-01", "2010-10-04"])
    assert fold.splits(days).tolist() == ["validation", "test", "test"]


def test_pairs_that_leave_the_fold_belong_to_no_block():
    fold = protocol.folds(Preprocess(**BAO), "2013-06-30")[0]
    for pair in (["2008-06-30", "2008-07-01"], ["2010-12-31", "2011-01-03"]):
        assert fold.splits(pd.DatetimeIndex(pair)).tolist() == [""]


def test_a_first_day_after_the_last_is_refused():
    table = SimpleNamespace(**BAO | {"test_until": None})
    with pytest.raises(UserError, match="test_from is 2010-10-01, after the last day"):
        protocol.folds(table, pd.Timestamp("2009-12-31"))


def test_without_dates_the_last_months_of_the_series_are_judged():
    table = Preprocess(**{n: v for n, v in BAO.items() if n not in ("test_from", "test_until")})
    months = table.test_months
    [fold] = protocol.folds(table, pd.Timestamp("2024-05-17"))
    assert fold.end == pd.Timestamp("2024-05-18")
    assert fold.test == pd.Timestamp("2024-05-01") - pd.DateOffset(months=months - 1)
