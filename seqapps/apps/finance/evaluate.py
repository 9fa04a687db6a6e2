"""Evaluate: prices by the paper's scores and relative to the last value, volatility by QLIKE.

Axis letters: N test days, M networks, Q quantiles.
"""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure

from seqapps.app import Baseline, Columns, Evaluation
from seqapps.apps.finance import baselines as baseline_models
from seqapps.apps.finance import figures as drawings
from seqapps.apps.finance import indicators, leak, metrics, paper, strategy
from seqapps.apps.finance.figures import Findings
from seqapps.apps.finance.metrics import LEVELS
from seqapps.apps.finance.model import MEDIAN
from seqapps.apps.finance.params import Params


def score(params: Params, truth: Columns, response: Columns) -> dict[str, float]:
    """All scores of one forecaster's answers (N, ...), pooled; returns are means over symbols."""
    change, variance = changes(truth), variances(truth)
    quantiles = np.asarray(response["log_return_quantiles"], float)
    forecast = np.asarray(response["variance"], float)
    last = truth["window"][:, -1, 3].astype(float)
    actual, predicted = last * np.exp(change), last * np.exp(quantiles[:, MEDIAN])
    right = metrics.direction(change, quantiles[:, MEDIAN])
    return {
        "qlike": float(metrics.qlike(variance, forecast).mean()),
        "r2_log_variance": metrics.r2(np.log(variance), np.log(forecast)),
        "relative_mae": metrics.relative_mae(actual, predicted, last=last),
        "mase": metrics.mase(actual, predicted, scale=_scale(truth)),
        "mape": metrics.mape(actual, predicted),
        "r": metrics.correlation(actual, predicted),
        "theil_u": metrics.theil_u(actual, predicted),
        "direction": right.value,
        "direction_low": right.low,
        "direction_high": right.high,
        "pinball": metrics.pinball(change, quantiles, levels=LEVELS),
        "crps": metrics.crps(change, quantiles, levels=LEVELS),
        "coverage80": metrics.coverage(change, quantiles[:, 1], high=quantiles[:, 3]),
        "coverage95": metrics.coverage(change, quantiles[:, 0], high=quantiles[:, 4]),
        **_earnings(params, truth, change=change, forecast=quantiles[:, MEDIAN]),
    }


def headline_score(params: Params, truth: Columns, response: Columns) -> float:
    """`qlike` of `variance` (N,)."""
    del params
    return float(metrics.qlike(variances(truth), np.asarray(response["variance"], float)).mean())


def baselines(evaluation: Evaluation[Params]) -> dict[str, Baseline]:
    """Answers (N, ...) of `baselines.RULES`, fitted on all days before each test block."""
    return {
        name: Baseline(answers, None if name == "last_value" else evaluation.trained_rows)
        for name, answers in baseline_models.responses(evaluation).items()
    }


def controls(evaluation: Evaluation[Params]) -> dict[str, Columns]:
    """Answers (N, ...) of the network to windows whose days were shuffled."""
    rng = np.random.default_rng(evaluation.params.evaluate.seed)
    window = evaluation.truth["window"]
    order = rng.permuted(np.tile(np.arange(window.shape[1]), (len(window), 1)), axis=1)
    window = np.take_along_axis(window, order[..., None], axis=1)
    return {"shuffled_days": evaluation.ask(evaluation.truth | {"window": window})}


def measure(evaluation: Evaluation[Params]) -> tuple[dict[str, float], Findings]:
    """Diebold-Mariano tests (a scalar each), up days, buy and hold, networks, the leak."""
    truth = evaluation.truth
    metrics = _tests(evaluation) | _market(truth)
    networks = {leak.shown(name): answer for name, answer in compared(evaluation).items()}
    for name, answer in networks.items():
        values = score(evaluation.params, truth, answer)
        metrics |= {f"{name}.{metric}": value for metric, value in values.items()}
    table = _paper_table(evaluation, networks, metrics)
    leaks = leak.demonstration(evaluation.raw, evaluation.params)
    rows = {
        f"{symbol} {leak.LABEL if mode == 'full_leaky' else mode}": values
        for symbol, modes in leaks.items()
        for mode, values in modes.items()
    }
    for name, cells in (("sp500_bao2017", table), ("four_lags", rows)):
        for row, values in cells.items():
            metrics |= {f"{name}.{row}.{column}": value for column, value in values.items()}
    _say(metrics, networks)
    return metrics, Findings(networks, table, leaks)


def figures(evaluation: Evaluation[Params], findings: Findings) -> Iterator[tuple[str, Figure]]:
    """Figures of N test days: figure 8 and table of the paper, the leak, calibration, earnings."""
    return drawings.all_of(evaluation, findings)


def changes(truth: Columns) -> np.ndarray:
    """The log returns (N,) that were to be forecast."""
    return np.log(truth["next"][:, 3].astype(float) / truth["window"][:, -1, 3])


def variances(truth: Columns) -> np.ndarray:
    """The log range variances (N,) that were to be forecast."""
    return indicators.log_range_variance(tf.constant(truth["next"].astype(float))).numpy()


def compared(evaluation: Evaluation[Params]) -> dict[str, Columns]:
    """Answers (N, ...) of each network to all test days, the shipped one first."""
    members = evaluation.params.train.members
    truth = evaluation.truth
    metrics = {
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
                metrics[name][part][rows] = values[:, number]
    return metrics


def _paper_table(
    evaluation: Evaluation[Params], networks: dict[str, Columns], metrics: dict[str, float]
) -> dict[str, dict[str, float]]:
    truth = evaluation.truth
    if not (truth["symbol"] == "sp500").any():
        return {}
    rows = {"last_value": evaluation.baselines["last_value"], **networks}
    alone = (truth["symbol"] == "sp500").all()  # returns are means over symbols
    returns = {name: 100 * metrics[f"{name}.return_per_year"] for name in networks if alone}
    return paper.table(paper.by_year(truth, rows), returns)


def _scale(truth: Columns) -> np.ndarray:
    # The last value's MAE over the days before the forecast that the request itself holds.
    closes = truth["window"][:, :, 3].astype(float)
    return np.abs(np.diff(closes, axis=1)).mean(axis=1)


def _earnings(
    params: Params, truth: Columns, *, change: np.ndarray, forecast: np.ndarray
) -> dict[str, float]:
    rows = [
        strategy.long_short(change[at], forecast[at], cost_percent=params.evaluate.cost_percent)
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


def _tests(evaluation: Evaluation[Params]) -> dict[str, float]:
    truth, response = evaluation.truth, evaluation.response
    change, variance = changes(truth), variances(truth)
    dates = truth["target_date"].astype(str)
    results = {}
    for name, rival in evaluation.baselines.items():
        pairs = {
            "qlike": [metrics.qlike(variance, r["variance"]) for r in (response, rival)],
            "price": [
                np.abs(np.exp(change) - np.exp(r["log_return_quantiles"][:, MEDIAN]))
                for r in (response, rival)
            ],
        }
        for target, (loss, other) in pairs.items():
            statistic, p = metrics.diebold_mariano(loss, other, days=dates)
            row = f"diebold_mariano.{name}"
            results |= {f"{row}.{target}": statistic, f"{row}.{target}_p": p}
    return results


def _market(truth: Columns) -> dict[str, float]:
    change = changes(truth)
    up = metrics.binomial(int((change > 0).sum()), len(change))
    held = [strategy.buy_and_hold(change[at]) for at in _by_symbol(truth)]
    return {
        "up_days": up.value,
        "up_days_low": up.low,
        "up_days_high": up.high,
        "buy_and_hold.return_per_year": float(np.mean([row.per_year for row in held])),
        "buy_and_hold.sharpe": float(np.mean([row.sharpe for row in held])),
        "buy_and_hold.drawdown": float(np.max([row.drawdown for row in held])),
    }


def _say(metrics: dict[str, float], networks: dict[str, Columns]) -> None:
    for row in [n.removesuffix(".qlike_p") for n in metrics if n.endswith(".qlike_p")]:
        print(
            f"finance evaluate: against {row.split('.')[1]}: Diebold-Mariano p "
            f"{metrics[f'{row}.qlike_p']:.3g} on QLIKE, {metrics[f'{row}.price_p']:.3g} on price"
        )
    for name in networks:
        low, high = metrics[f"{name}.direction_low"], metrics[f"{name}.direction_high"]
        print(
            f"finance evaluate: {name}: direction {metrics[f'{name}.direction']:.3f} "
            f"({low:.3f}..{high:.3f}; up days {metrics['up_days']:.3f}), relative MAE "
            f"{metrics[f'{name}.relative_mae']:.4f}, QLIKE {metrics[f'{name}.qlike']:.4f}"
        )
