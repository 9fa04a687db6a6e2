"""Figures of the finance application; each says on which days and rows it stands."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from seqapps.app import Columns, Evaluation
from seqapps.apps.finance import leak, paper, strategy
from seqapps.apps.finance.metrics import LEVELS
from seqapps.apps.finance.model import MEDIAN
from seqapps.apps.finance.params import Params
from seqapps.kit import plots

COLOURS = (plots.MODEL, plots.BASELINE, "#2a8c5a", "#8c3fa0", "#b02a2a", "#6b5b1e")
FAN_DAYS = 250


class Findings(NamedTuple):
    """Results of evaluate that figures show.

    `networks`: name -> answers (N, ...), the shipped one first; `table`: row -> column -> value,
    empty without the S&P 500; `leaks`: symbol -> mode -> value of each number.
    """

    networks: dict[str, Columns]
    table: dict[str, dict[str, float]]
    leaks: dict[str, dict[str, dict[str, float]]]


def all_of(evaluation: Evaluation[Params], findings: Findings) -> Iterator[tuple[str, Figure]]:
    """Each figure's name and the figure."""
    first, networks = _first_symbol(evaluation.truth), findings.networks
    draw = {
        "closes": lambda: closes(evaluation.truth, networks, symbol=first),
        "paper_table": lambda: paper_table(findings.table),
        "leak": lambda: leaks(findings.leaks),
        "calibration": lambda: calibration(evaluation, networks),
        "earnings": lambda: earnings(evaluation, networks, first),
        "volatility": lambda: volatility(evaluation, first),
    }
    if not findings.table:
        del draw["paper_table"]  # no S&P 500 among the test days
    for name, function in draw.items():
        with mpl.rc_context(plots.STYLE):
            drawn = function()
        yield name, drawn


def closes(truth: Any, networks: Any, *, symbol: str) -> Figure:
    """Bao 2017, figure 8: actual and forecast closes; its year 1 where the test days reach it."""
    dates = truth["target_date"].astype(str)
    year = np.array([paper.year(date) for date in dates])
    rows = _rows(truth, symbol)
    rows = rows[year[rows] == (0 if (year[rows] == 0).any() else year[rows].min())]
    days = pd.to_datetime(dates[rows])
    last = truth["window"][rows, -1, 3]
    drawn = plots.figure(9.0, 2.6 * len(networks))
    panels = drawn.subplots(len(networks), 1, sharex=True, squeeze=False)[:, 0]
    for panel, (name, answer), colour in zip(panels, networks.items(), _colours(), strict=False):
        forecast = last * np.exp(answer["log_return_quantiles"][rows, MEDIAN])
        panel.plot(days, truth["next"][rows, 3], color="black", linewidth=1.2, label="actual")
        panel.plot(days, forecast, color=colour, linewidth=1.2, label=f"forecast {name}")
        panel.legend(loc="best", ncols=2)
        panel.set_ylabel("close")
    drawn.suptitle(f"{symbol}: next day's close, {dates[rows[0]]} to {dates[rows[-1]]}")
    return drawn


def paper_table(scores: dict[str, dict[str, float]]) -> Figure:
    """`paper.table` as a picture: MAPE on the S&P 500 by year, published and ours."""
    columns = [*paper.MAPE_COLUMNS, "mape", "r", "theil_u", "return_percent"]
    cells = [
        [f"{row[column]:.4g}" if column in row else "" for column in columns]
        for row in scores.values()
    ]
    drawn = plots.figure(13.5, 0.9 + 0.34 * len(scores))
    panel = drawn.subplots()
    panel.axis("off")
    heads = [f"year {n + 1}" for n in range(paper.YEARS)]
    heads += ["mean MAPE", "mean R", "mean Theil U", "% a year"]
    table = panel.table(
        cellText=cells, rowLabels=list(scores), colLabels=heads, loc="center", cellLoc="center"
    )
    table.auto_set_font_size(False)
    table.set_fontsize(9)
    table.scale(1, 1.35)
    drawn.suptitle(
        "S&P 500, MAPE of next day's close; years begin on 1 October, year 1 in 2010\n"
        "(empty: published but not recovered by us, or not on these test days)"
    )
    return drawn


def leaks(results: dict[str, dict[str, dict[str, float]]]) -> Figure:
    """Least squares on four denoised closes: direction with 95 % intervals, return per year."""
    drawn = plots.figure(9.5, 4.2)
    left, right = drawn.subplots(1, 2)
    width = 0.8 / max(len(results), 1)
    for number, (symbol, modes) in enumerate(results.items()):
        centre = np.arange(len(leak.MODES)) + (number - (len(results) - 1) / 2) * width
        share = np.array([modes[mode]["direction"] for mode in leak.MODES])
        bounds = np.array([[modes[m]["low"], modes[m]["high"]] for m in leak.MODES]).T
        left.errorbar(
            centre, share, np.abs(bounds - share), fmt="o", capsize=4, color=COLOURS[number],
            label=symbol,
        )  # fmt: skip
        earned = [100 * modes[mode]["return_per_year"] for mode in leak.MODES]
        right.bar(centre, earned, width, color=COLOURS[number])
    left.axhline(0.5, color=plots.REFERENCE, linestyle="--")
    right.axhline(0.0, color=plots.REFERENCE)
    leaking = leak.LABEL.replace(": ", ":\n")
    for panel in (left, right):
        panel.set_xticks(range(len(leak.MODES)), ["none", "causal", leaking])
    left.set_ylabel("share of right directions (95 %)")
    right.set_ylabel("return net of costs, % a year (log)")
    left.legend()
    drawn.suptitle("The leak: least squares on 4 closes, denoised in three ways, test days")
    return drawn


def calibration(evaluation: Evaluation[Params], networks: Any) -> Figure:
    """Share of returns at or below each quantile against its level."""
    change = np.log(evaluation.truth["next"][:, 3] / evaluation.truth["window"][:, -1, 3])
    drawn = plots.figure(5.4, 5.0)
    panel = drawn.subplots()
    panel.plot([0, 1], [0, 1], color=plots.REFERENCE, linestyle="--", label="calibrated")
    for (name, answer), colour in zip(networks.items(), _colours(), strict=False):
        share = (change[:, None] <= answer["log_return_quantiles"]).mean(axis=0)
        panel.plot(LEVELS, share, "o-", color=colour, label=name)
    panel.set_xlabel("level of the quantile")
    panel.set_ylabel("share of returns below it")
    panel.legend(loc="lower right", fontsize=8)
    panel.set_title(f"Calibration on {len(change):,} test days")
    return drawn


def earnings(evaluation: Evaluation[Params], networks: Any, symbol: str) -> Figure:
    """Cumulative log return net of costs, long or short each day, beside buy and hold."""
    truth, rows = evaluation.truth, _rows(evaluation.truth, symbol)
    days = pd.to_datetime(truth["target_date"][rows].astype(str))
    change = np.log(truth["next"][rows, 3].astype(float) / truth["window"][rows, -1, 3])
    cost = evaluation.params.evaluate.cost_percent
    drawn = plots.figure(9.0, 4.2)
    panel = drawn.subplots()
    held = strategy.buy_and_hold(change).path
    panel.plot(days, held, color="black", label="buy and hold")
    for (name, answer), colour in zip(networks.items(), _colours(), strict=False):
        forecast = answer["log_return_quantiles"][rows, MEDIAN]
        path = strategy.long_short(change, forecast, cost_percent=cost).path
        panel.plot(days, path, color=colour, label=name)
    panel.set_ylabel("cumulative log return")
    panel.legend()
    panel.set_title(f"{symbol}: long or short by the forecast's sign, {cost} % a side")
    return drawn


def volatility(evaluation: Evaluation[Params], symbol: str) -> Figure:
    """The last test days: realised and forecast volatility, and the fan of returns."""
    truth, response = evaluation.truth, evaluation.response
    rows = _rows(truth, symbol)[-FAN_DAYS:]
    days = pd.to_datetime(truth["target_date"][rows].astype(str))
    change = np.log(truth["next"][rows, 3] / truth["window"][rows, -1, 3])
    drawn = plots.figure(9.0, 6.0)
    upper, lower = drawn.subplots(2, 1, sharex=True)
    realised = 100 * np.sqrt(_variance(truth, rows))
    upper.plot(days, realised, ".", color=plots.REFERENCE, label="realised (Garman-Klass)")
    rival = evaluation.baselines["last+lhar"]["variance"][rows]
    upper.plot(days, 100 * np.sqrt(rival), color=plots.BASELINE, label="HAR with leverage")
    upper.plot(days, 100 * np.sqrt(response["variance"][rows]), color=plots.MODEL, label="network")
    upper.set_ylabel("volatility of the day, %")
    upper.legend()
    _fan(lower, days, quantiles=100 * response["log_return_quantiles"][rows])
    lower.plot(days, 100 * change, ".", color="black", markersize=4, label="return")
    lower.set_ylabel("log return, %")
    lower.legend(loc="lower left")
    drawn.suptitle(f"{symbol}: forecasts made the day before")
    return drawn


def _fan(panel: Any, days: Any, *, quantiles: np.ndarray) -> None:
    for low, high, alpha, label in ((0, 4, 0.2, "95 % interval"), (1, 3, 0.35, "80 % interval")):
        panel.fill_between(
            days, quantiles[:, low], quantiles[:, high], color=plots.MODEL, alpha=alpha,
            linewidth=0, label=label,
        )  # fmt: skip


def _variance(truth: Any, rows: np.ndarray) -> np.ndarray:
    from seqapps.apps.finance.indicators import log_range_variance

    return log_range_variance(truth["next"][rows]).numpy()


def _first_symbol(truth: Any) -> str:
    symbols = set(truth["symbol"].astype(str))
    return "sp500" if "sp500" in symbols else min(symbols)


def _rows(truth: Any, symbol: str) -> np.ndarray:
    rows = np.flatnonzero(truth["symbol"] == symbol)
    return rows[np.argsort(truth["target_date"][rows].astype(str), kind="stable")]


def _colours() -> Iterator[str]:
    while True:
        yield from COLOURS
