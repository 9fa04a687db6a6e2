"""Stacked autoencoders, trained layer by layer on the train split (Bengio et al. 2007; Bao 2017).

Axis letters: N examples, F features, U units.
"""

import numpy as np

RATE, DECAY = 0.01, 1e-4


def fit(
    features: np.ndarray, *, layers: int, units: int, steps: int, seed: int
) -> dict[str, np.ndarray]:
    """Weights `w0, b0, w1, ...` of the encoders, and `mean`, `std` (U,) of the last code.

    Each layer learns to give back what the layer below it says: sigmoid code, linear answer,
    squared error, weight decay, all examples at once.

    Args:
        features: float32 (N, F), standardized.
        layers: how many autoencoders.
        units: U of each.
        steps: of Adam, for each.
        seed: of the first weights.
    """
    rng, trained = np.random.default_rng(seed), {}
    code = features.astype(float)
    for layer in range(layers):
        weights, bias = _one(code, units, steps=steps, rng=rng)
        trained |= {f"w{layer}": weights.astype(np.float32), f"b{layer}": bias.astype(np.float32)}
        code = _sigmoid(code @ weights + bias)
    return trained | {
        "mean": code.mean(axis=0).astype(np.float32),
        "std": np.maximum(code.std(axis=0), 1e-6).astype(np.float32),
    }


def _one(
    code: np.ndarray, units: int, *, steps: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    # Codes of lower layers hardly move about their means; without scale nothing would be learnt.
    mean, std = code.mean(axis=0), np.maximum(code.std(axis=0), 1e-6)
    wanted = (code - mean) / std
    bound = np.sqrt(6 / (code.shape[1] + units))
    params = [
        rng.uniform(-bound, bound, (code.shape[1], units)),
        np.zeros(units),
        rng.uniform(-bound, bound, (units, code.shape[1])),
        np.zeros(code.shape[1]),
    ]
    moments = [(np.zeros_like(p), np.zeros_like(p)) for p in params]
    for step in range(1, steps + 1):
        _adam(params, _gradients(wanted, params), moments, step)
    weights = params[0] / std[:, None]
    return weights, params[1] - mean @ weights


def _gradients(wanted: np.ndarray, params: list[np.ndarray]) -> list[np.ndarray]:
    encode, bias, decode, shift = params
    hidden = _sigmoid(wanted @ encode + bias)
    error = (hidden @ decode + shift - wanted) / len(wanted)
    inner = (error @ decode.T) * hidden * (1 - hidden)
    return [
        wanted.T @ inner + DECAY * encode,
        inner.sum(axis=0),
        hidden.T @ error + DECAY * decode,
        error.sum(axis=0),
    ]


def _adam(params, gradients, moments, step: int) -> None:
    for param, gradient, (first, second) in zip(params, gradients, moments, strict=True):
        first += 0.1 * (gradient - first)
        second += 0.001 * (gradient**2 - second)
        mean, square = first / (1 - 0.9**step), second / (1 - 0.999**step)
        param -= RATE * mean / (np.sqrt(square) + 1e-8)


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))
