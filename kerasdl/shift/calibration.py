"""How are a classifier's probabilities made honest, so that they may be reweighted?"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

FLOOR = 1e-12  # a probability of exactly 0 would stay 0 under every prior

KINDS = ("temperature", "bias_corrected", "vector")


class Calibrator(NamedTuple):
    """softmax(slope · log p + bias): the map that :func:`fit_calibrator` chose.

    Attributes:
        slope: ``(classes,)``, all equal unless the kind is ``vector``.
        bias: ``(classes,)``, zero for the kind ``temperature``.
    """

    slope: np.ndarray
    bias: np.ndarray

    def __call__(self, p: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities ``(rows, classes)``."""
        return softmax(self.slope * np.log(np.maximum(p, FLOOR)) + self.bias, axis=1)


def fit_calibrator(
    p: np.ndarray,
    y: np.ndarray,
    kind: str = "bias_corrected",
    penalty: float = 0.01,
) -> Calibrator:
    """Fit softmax(a log p + b) by maximum likelihood with a penalty towards the identity a = 1, b = 0.

    Temperature scaling has one slope and no bias (Guo et al. 2017), bias-corrected temperature scaling one
    slope and a bias for each class, vector scaling a slope and a bias for each class (Alexandari, Kundaje &
    Shrikumar 2020). The penalty keeps a class with few rows from running off.

    Args:
        p: probabilities on rows that the classifier was not trained on ``(rows, classes)``.
        y: their labels ``(rows,)``, 0 … classes − 1.
        kind: ``"temperature"``, ``"bias_corrected"`` or ``"vector"``.
        penalty: weight of ‖a − 1‖² + ‖b‖² beside the mean log-loss.

    Returns:
        A :class:`Calibrator`.

    Example:
        >>> p = np.tile([[0.99, 0.01], [0.01, 0.99]], (50, 1))
        >>> y = np.r_[np.tile([0, 1], 40), np.tile([1, 0], 10)]  # one in five is wrong
        >>> bool(fit_calibrator(p, y, "temperature", penalty=0.0)(p)[0, 0].round(2) == 0.8)
        True
    """
    logs = np.log(np.maximum(p, FLOOR))
    rows, classes = logs.shape
    slopes = classes if kind == "vector" else 1
    hits = np.zeros_like(logs)
    hits[np.arange(rows), y] = 1

    def unpack(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        bias = np.zeros(classes) if kind == "temperature" else theta[slopes:]
        return np.broadcast_to(theta[:slopes], classes), bias

    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        slope, bias = unpack(theta)
        log_p = log_softmax(slope * logs + bias, axis=1)
        error = (np.exp(log_p) - hits) / rows
        by_slope = (error * logs).sum(axis=0)
        gradient = by_slope if kind == "vector" else by_slope.sum(keepdims=True)
        if kind != "temperature":
            gradient = np.r_[gradient, error.sum(axis=0)]
        away = theta - identity
        return -log_p[np.arange(rows), y].mean() + penalty * away @ away, gradient + 2 * penalty * away

    identity = np.r_[np.ones(slopes), np.zeros(0 if kind == "temperature" else classes)]
    # A slope below 0 would reverse what the classifier says.
    bounds = [(1e-3, None)] * slopes + [(None, None)] * (len(identity) - slopes)
    theta = minimize(objective, identity, jac=True, method="L-BFGS-B", bounds=bounds).x
    return Calibrator(*(np.array(part) for part in unpack(theta)))


def choose_calibrator(
    p: np.ndarray, y: np.ndarray, penalty: float, random: np.random.Generator, folds: int = 5
) -> str:
    """Return ``"bias_corrected"``, unless another kind's held-out log-loss is lower by a standard error.

    The folds keep the class shares; arguments are those of :func:`fit_calibrator`.
    """
    order = random.permutation(len(y))
    fold = np.empty(len(y), dtype=int)
    fold[order[np.argsort(y[order], kind="stable")]] = np.arange(len(y)) % folds
    losses = {kind: np.empty(len(y)) for kind in KINDS}
    for kind, loss in losses.items():
        for k in range(folds):
            held = np.flatnonzero(fold == k)
            q = fit_calibrator(p[fold != k], y[fold != k], kind, penalty)(p[held])
            loss[held] = -np.log(np.maximum(q[np.arange(len(held)), y[held]], FLOOR))
    best = min(losses, key=lambda kind: losses[kind].mean())
    gain = losses["bias_corrected"] - losses[best]
    return best if gain.mean() > gain.std() / np.sqrt(len(y)) else "bias_corrected"
