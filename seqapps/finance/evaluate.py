"""Evaluate: prices by the paper's scores and by honest ones, volatility by QLIKE, beside rivals.

Axis letters: N test days, M networks, Q quantiles.
"""

from typing import Any

import numpy as np

from seqapps.app import Evaluation
from seqapps.finance import baselines as rivals
from seqapps.finance import indicators, leak, paper, scores, strategy
from seqapps.finance.model import MEDIAN
from seqapps.finance.preprocess import LEVELS

Columns = dict[str, Any]


def score(params: Any, truth: Columns, response: Columns) -> dict[str, float]:
    """All scores of one forecaster, pooled over symbols; returns are means over symbols."""
    change, variance = changes(truth), variances(truth)
    quantiles = np.asarray(response["log_return_quantiles"], float)
    forecast = np.asarray(response["variance"], float)
    last = truth["window"][:, -1, 3].astype(float)
    actual, said = last * np.exp(change), last * np.exp(quantiles[:, MEDIAN])
    right = scores.direction(change, quantiles[:, MEDIAN])
    return {
        "qlike": float(scores.qlike(variance, forecast).mean()),
        "r2_log_variance": scores.r2(np.log(variance), np.log(forecast)),
        "relative_mae": scores.relative_mae(actual, said, last),
        "mase": scores.mase(actual, said, _scale(truth)),
        "mape": scores.mape(actual, said),
        "r": scores.correlation(actual, said),
        "theil_u": scores.theil_u(actual, said),
        "direction": right.value,
        "direction_low": right.low,
        "direction_high": right.high,
        "pinball": scores.pinball(change, quantiles, LEVELS),
        "crps": scores.crps(change, quantiles, LEVELS),
        "coverage80": scores.coverage(change, quantiles[:, 1], quantiles[:, 3]),
        "coverage95": scores.coverage(change, quantiles[:, 0], quantiles[:, 4]),
        **_earnings(params, truth, change, quantiles[:, MEDIAN]),
    }


def baselines(evaluation: Evaluation) -> dict[str, Columns]:
    """See `baselines.RULES`: a price rule and a variance rule in each row."""
    return rivals.responses(evaluation)


def controls(evaluation: Evaluation) -> dict[str, Columns]:
    """The network asked about windows whose days were shuffled: it must be worse."""
    rng = np.random.default_rng(evaluation.params.evaluate.seed)
    window = evaluation.truth["window"]
    order = rng.permuted(np.tile(np.arange(window.shape[1]), (len(window), 1)), axis=1)
    window = np.take_along_axis(window, order[..., None], axis=1)
    return {"shuffled_days": evaluation.ask(evaluation.truth | {"window": window})}


def measure(evaluation: Evaluation) -> tuple[dict[str, float], Columns]:
    """Diebold-Mariano tests, up days, buy and hold, each network, the paper's years, the leak."""
    truth, response = evaluation.truth, evaluation.response
    found = _tests(evaluation) | _market(truth)
    networks = {leak.shown(name): answer for name, answer in compared(evaluation).items()}
    for name, answer in networks.items():
        values = score(evaluation.params, truth, answer)
        found |= {f"{name}.{metric}": value for metric, value in values.items()}
    table = _paper_table(evaluation, networks, found)
    leaks = leak.demonstration(evaluation.raw, evaluation.params)
    rows = {
        f"{symbol} {leak.LABEL if mode == 'full_leaky' else mode}": values
        for symbol, modes in leaks.items()
        for mode, values in modes.items()
    }
    for name, cells in (("sp500_bao2017", table), ("four_lags", rows)):
        for row, values in cells.items():
            found |= {f"{name}.{row}.{column}": value for column, value in values.items()}
    _say(found, networks)
    return found, {"networks": networks, "table": table, "leaks": leaks, "own": response}


def figures(evaluation: Evaluation, findings: Columns) -> Any:
    """See `figures`: the paper's figure 8 and table, the leak, calibration, earnings, the fan."""
    from seqapps.finance import figures as drawn

    return drawn.all_of(evaluation, findings)


def changes(truth: Columns) -> np.ndarray:
    """The log returns (N,) that were to be forecast."""
    return np.log(truth["next"][:, 3].astype(float) / truth["window"][:, -1, 3])


def variances(truth: Columns) -> np.ndarray:
    """The log range variances (N,) that were to be forecast."""
    return indicators.log_range_variance(truth["next"].astype(float)).numpy()


def compared(evaluation: Evaluation) -> dict[str, Columns]:
    """Each network's answers to all test days, the shipped one first."""
    members = evaluation.params.train.members
    truth = evaluation.truth
    found = {
        name: {
            "log_return_quantiles": np.zeros((len(truth["key"]), len(LEVELS))),
            "variance": np.zeros(len(truth["key"])),
        }
        for name in members
    }
    for fold in evaluation.folds:
        rows = np.flatnonzero(truth["fold"] == fold)
        columns = {name: truth[name][rows] for name in ("window", "leaky")}
        answer = evaluation.call(fold, "compared", columns)
        for number, name in enumerate(members):
            for part, values in answer.items():
                found[name][part][rows] = values[:, number]
    return found


def _paper_table(evaluation: Evaluation, networks: Columns, found: dict[str, float]) -> Columns:
    truth = evaluation.truth
    if not (truth["symbol"] == "sp500").any():
        return {}
    rows = {"last_value": evaluation.baselines["last_value"], **networks}
    alone = (truth["symbol"] == "sp500").all()  # returns are means over symbols
    returns = {name: 100 * found[f"{name}.return_per_year"] for name in networks if alone}
    return paper.table(paper.by_year(truth, rows), returns)


def _scale(truth: Columns) -> np.ndarray:
    # The last value's MAE over the days before the forecast that the request itself holds.
    closes = truth["window"][:, :, 3].astype(float)
    return np.abs(np.diff(closes, axis=1)).mean(axis=1)


def _earnings(
    params: Any, truth: Columns, change: np.ndarray, said: np.ndarray
) -> dict[str, float]:
    rows = [
        strategy.long_short(change[at], said[at], cost_percent=params.evaluate.cost_percent)
        for at in _by_symbol(truth)
    ]
    return {
        "return_per_year": float(np.mean([row.per_year for row in rows])),
        "sharpe": float(np.mean([row.sharpe for row in rows])),
        "drawdown": float(np.max([row.drawdown for row in rows])),
    }


def _by_symbol(truth: Columns) -> list[np.ndarray]:
    symbols, dates = truth["symbol"].astype(str), truth["target_date"].astype(str)
    order = np.argsort(dates, kind="stable")
    return [order[symbols[order] == symbol] for symbol in np.unique(symbols)]


def _tests(evaluation: Evaluation) -> dict[str, float]:
    truth, own = evaluation.truth, evaluation.response
    change, variance = changes(truth), variances(truth)
    dates = truth["target_date"].astype(str)
    found = {}
    for name, rival in evaluation.baselines.items():
        pairs = {
            "qlike": [scores.qlike(variance, r["variance"]) for r in (own, rival)],
            "price": [
                np.abs(np.exp(change) - np.exp(r["log_return_quantiles"][:, MEDIAN]))
                for r in (own, rival)
            ],
        }
        for target, (loss, other) in pairs.items():
            statistic, p = scores.diebold_mariano(loss, other, dates)
            row = f"diebold_mariano.{name}"
            found |= {f"{row}.{target}": statistic, f"{row}.{target}_p": p}
    return found


def _market(truth: Columns) -> dict[str, float]:
    change = changes(truth)
    up = scores.binomial(int((change > 0).sum()), len(change))
    held = [strategy.buy_and_hold(change[at]) for at in _by_symbol(truth)]
    return {
        "up_days": up.value,
        "up_days_low": up.low,
        "up_days_high": up.high,
        "buy_and_hold.return_per_year": float(np.mean([row.per_year for row in held])),
        "buy_and_hold.sharpe": float(np.mean([row.sharpe for row in held])),
        "buy_and_hold.drawdown": float(np.max([row.drawdown for row in held])),
    }


def _say(found: dict[str, float], networks: Columns) -> None:
    for row in [n.removesuffix(".qlike_p") for n in found if n.endswith(".qlike_p")]:
        print(
            f"finance evaluate: against {row.split('.')[1]}: Diebold-Mariano p "
            f"{found[f'{row}.qlike_p']:.3g} on QLIKE, {found[f'{row}.price_p']:.3g} on price"
        )
    for name in networks:
        low, high = found[f"{name}.direction_low"], found[f"{name}.direction_high"]
        print(
            f"finance evaluate: {name}: direction {found[f'{name}.direction']:.3f} "
            f"({low:.3f}..{high:.3f}; up days {found['up_days']:.3f}), relative MAE "
            f"{found[f'{name}.relative_mae']:.4f}, QLIKE {found[f'{name}.qlike']:.4f}"
        )
