"""Daily prices: tomorrow's close and tomorrow's volatility from a window of OHLCV rows."""

from seqapps.app import App, Asks, Feature, Output
from seqapps.apps.finance.params import Params

APP = App(
    title="Finance: next day's close and volatility",
    package=__name__,
    params=Params,
    features={
        "window": Feature("float32", (None, 5)),  # OHLCV rows up to the day of the forecast
        "next": Feature("float32", (5,)),  # the row that is to be forecast
        "leaky": Feature("float32", (None, 5)),  # window denoised with its future, or no rows
        "symbol": Feature("string"),
        "date": Feature("string"),  # of the last row of the window
        "target_date": Feature("string"),
    },
    headline=("qlike", "min"),
    asks=Asks(
        "Give daily Open, High, Low, Close and Volume as CSV: the next day's close and volatility.",
        endings=(".csv", ".txt", ".gz", ".xlsx", ".parquet"),
        pasted="pasted.csv",
    ),
    reported=(
        "relative_mae",
        "direction",
        "direction_low",
        "direction_high",
        "pinball",
        "coverage80",
        "coverage95",
        "return_per_year",
    ),
    resample="group",
    outputs={
        "close_quantiles": Output("in the unit of the window's closes", names="levels"),
        "log_return_quantiles": Output("natural logarithm of next close over last", names="levels"),
        "levels": Output("probability below a quantile"),
        "variance": Output("range variance of the next day's log prices"),
    },
)
