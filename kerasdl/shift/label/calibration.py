"""How are a classifier's probabilities made honest, so that they may be reweighted?

Probabilities of labelled rows go in; out comes a map that makes probabilities agree with how often each class
is right.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

FLOOR = 1e-12  # a probability of exactly 0 would stay 0 under every prior

KINDS = ("temperature", "bias_corrected", "vector", "matrix")


class Calibrator(NamedTuple):
    """softmax(log p · slope + bias): the map that :func:`fit_calibrator` chose.

    Attributes:
        slope: ``(classes, classes)``; a multiple of the identity for one temperature, diagonal for vector.
        bias: ``(classes,)``; zero for ``temperature``.
    """

    slope: np.ndarray
    bias: np.ndarray

    def __call__(self, p: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities ``(rows, classes)``."""
        return softmax(np.log(np.maximum(p, FLOOR)) @ self.slope + self.bias, axis=1)


def fit_calibrator(p: np.ndarray, y: np.ndarray, kind: str = "matrix", penalty: float = 0.01) -> Calibrator:
    """Fit softmax(log p · A + b) by maximum likelihood, with a penalty against straying.

    Temperature scaling has one slope and no bias (Guo et al. 2017); bias-corrected temperature scaling one
    slope and a bias for each class, vector scaling a slope and a bias for each class (Alexandari, Kundaje &
    Shrikumar 2020), all penalised towards the identity. Matrix scaling lets log p of one class speak for
    another, which mends a classifier that confuses two of them: A is penalised towards the bias-corrected
    fit, and the logits of the two fits are averaged, so that few rows do no harm.

    Args:
        p: probabilities on rows that the classifier was not trained on ``(rows, classes)``.
        y: their labels ``(rows,)``, 0 … classes − 1.
        kind: ``"temperature"``, ``"bias_corrected"``, ``"vector"`` or ``"matrix"``.
        penalty: weight of the squared distance beside the mean log-loss.

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
    here = np.arange(rows)
    one = np.eye(classes)
    hits = one[y]
    if kind == "matrix":
        start = fit_calibrator(p, y, "bias_corrected", penalty)
        identity = np.r_[start.slope.ravel(), start.bias]
        read = lambda theta: (theta[:-classes].reshape(classes, classes), theta[-classes:])  # noqa: E731
        by_slope = lambda error: (logs.T @ error).ravel()  # noqa: E731
    elif kind == "vector":
        identity = np.r_[np.ones(classes), np.zeros(classes)]
        read = lambda theta: (theta[:classes] * one, theta[classes:])  # noqa: E731
        by_slope = lambda error: (logs * error).sum(axis=0)  # noqa: E731
    else:
        identity = np.r_[1.0, np.zeros(classes if kind == "bias_corrected" else 0)]
        read = lambda theta: (theta[0] * one, theta[1:] if len(theta) > 1 else np.zeros(classes))  # noqa: E731
        by_slope = lambda error: np.vdot(logs, error)  # noqa: E731

    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        slope, bias = read(theta)
        log_p = log_softmax(logs @ slope + bias, axis=1)
        error = (np.exp(log_p) - hits) / rows
        gradient = np.r_[by_slope(error), error.sum(axis=0)][: len(theta)]
        away = theta - identity
        return penalty * away @ away - log_p[here, y].mean(), gradient + 2 * penalty * away

    theta = minimize(objective, identity, jac=True, method="L-BFGS-B").x
    if kind == "matrix":
        theta = (theta + identity) / 2
    return Calibrator(*read(theta))


def choose_calibrator(
    p: np.ndarray, y: np.ndarray, penalty: float, rng: np.random.Generator, folds: int = 5
) -> str:
    """Return ``"matrix"``, unless another kind's held-out log-loss is lower by a standard error.

    The folds keep the class shares; arguments are those of :func:`fit_calibrator`.
    """
    order = rng.permutation(len(y))
    fold = np.empty(len(y), dtype=int)
    fold[order[np.argsort(y[order], kind="stable")]] = np.arange(len(y)) % folds
    losses = {kind: np.empty(len(y)) for kind in KINDS}
    for kind, loss in losses.items():
        for k in range(folds):
            held = np.flatnonzero(fold == k)
            q = fit_calibrator(p[fold != k], y[fold != k], kind, penalty)(p[held])
            loss[held] = -np.log(np.maximum(q[np.arange(len(held)), y[held]], FLOOR))
    best = min(losses, key=lambda kind: losses[kind].mean())
    gain = losses["matrix"] - losses[best]
    return best if gain.mean() > gain.std() / np.sqrt(len(y)) else "matrix"
