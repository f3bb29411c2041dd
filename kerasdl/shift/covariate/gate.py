"""Do weights help this model at all? The safety gate between a density ratio and a training.

In go importance weights, a model and its source rows; out come weights that are as steep as validation shows
to be worth it, which may be: all equal.
"""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier

from kerasdl import checks
from kerasdl.borrowed import safe_indexing
from kerasdl.shift.covariate.weights import ImportanceWeightedKFold, effective_sample_size
from kerasdl.shift.inputs import allowed

TAUS = (0.0, 0.25, 0.5, 0.75, 1.0)
ERRORS = 2.0  # a gain must exceed so many of its standard errors
FEWEST = 30  # effective rows below which a weighted risk proves nothing

Loss = Callable[[Any, Any, np.ndarray], np.ndarray]


def fit_weighted(estimator: Any, X: Any, y: np.ndarray, w: np.ndarray) -> Any:
    """Return a clone fitted with sample weights; a pipeline hands them to its last step.

    Raises:
        TypeError: ``fit`` takes no ``sample_weight``.
    """
    model = clone(estimator)
    name, last = "", model
    while hasattr(last, "steps"):  # a pipeline in a pipeline, too
        step, last = last.steps[-1]
        name += f"{step}__"
    taken = inspect.signature(last.fit).parameters
    if "sample_weight" not in taken and all(p.kind is not p.VAR_KEYWORD for p in taken.values()):
        raise TypeError(
            f"estimator={type(last).__name__}: its fit takes no sample_weight, so weights cannot reach it; "
            "give one whose fit does, or resample the source rows by their weights"
        )
    return model.fit(X, y, **{f"{name}sample_weight": w})


def _losses(model: Any, X: Any, y: np.ndarray) -> np.ndarray:
    """Squared error of each row; for a classifier log-loss, or 0–1 loss if it knows no probabilities."""
    if not is_classifier(model):
        gap = np.asarray(model.predict(X)).reshape(len(y), -1) - y.reshape(len(y), -1)
        return (gap**2).mean(axis=1)
    if not hasattr(model, "predict_proba"):
        return (model.predict(X) != y).astype(float)
    column = {label: k for k, label in enumerate(model.classes_)}
    p = model.predict_proba(X)
    # A label that the training fold never held has probability 0; the floor keeps its loss finite.
    picked = [p[row, column[label]] if label in column else 0.0 for row, label in enumerate(y)]
    return -np.log(np.maximum(picked, 1e-7))


def flatten_weights(
    w: Any,
    tau: float | str = "iwcv",
    *,
    estimator: Any = None,
    X: Any = None,
    y: Any = None,
    loss: Loss = _losses,
    random_state: Any = 0,
    return_tau: bool = False,
) -> Any:
    """Return w^τ at mean 1: τ = 0 ignores the weights, 1 keeps them (Shimodaira 2000, sec. 5).

    Exact weights remove bias and add variance; with few effective rows they can make a model worse. With
    ``tau="iwcv"`` the safety gate chooses τ from 0, ¼, ½, ¾, 1 by importance-weighted cross-validation
    (Sugiyama, Krauledat & Müller 2007): the τ of least risk, and 0 unless the gain over τ = 0 exceeds twice
    its own standard error and the weights rest on 30 effective rows.

    Args:
        w: weights of the source rows ``(rows,)``.
        tau: a number in [0, 1], or ``"iwcv"``, which needs ``estimator``, ``X`` and ``y``.
        estimator: scikit-learn estimator, or a pipeline of one, whose ``fit`` takes ``sample_weight``.
        X: source inputs ``(rows, …)``, DataFrames too.
        y: source targets ``(rows,)``.
        loss: ``loss(model, X, y)`` → ``(rows,)``; by default log-loss (or 0–1) and squared error.
        random_state: of the folds.
        return_tau: return the τ chosen as well.

    Returns:
        Weights ``(rows,)`` with mean 1; with ``return_tau`` the pair ``(weights, tau)``.

    Raises:
        ValueError: ``tau`` outside [0, 1]; ``"iwcv"`` without estimator, X and y; rows differ.
        TypeError: the estimator's ``fit`` takes no ``sample_weight``.

    Example:
        >>> flatten_weights(np.array([1.0, 4.0]), tau=0.5).round(3)
        array([0.667, 1.333])
    """
    w = allowed.weights("w", w)
    w = w / w.mean()
    if tau == "iwcv":
        if estimator is None or X is None or y is None:
            raise ValueError("tau='iwcv' chooses by validation: give estimator, X and y, or a number for tau")
        y = np.asarray(y)
        rows = X.shape[0] if hasattr(X, "shape") else len(X)
        if not len(w) == rows == len(y):
            raise ValueError(f"rows differ: w has {len(w)}, X has {rows}, y has {len(y)}")
        chosen = _choose_tau(w, estimator, X, y, loss, random_state)
    elif isinstance(tau, str):
        raise ValueError(f"tau={tau!r}: give a number in [0, 1] or 'iwcv'")
    else:
        chosen = checks.fraction("tau", tau)
    flat = _power(w, chosen)
    return (flat, chosen) if return_tau else flat


def _power(w: np.ndarray, tau: float) -> np.ndarray:
    flat = np.where(w > 0, w, 0.0) ** tau
    return flat / flat.mean()


def _choose_tau(w: np.ndarray, estimator: Any, X: Any, y: np.ndarray, loss: Loss, random_state: Any) -> float:
    losses = np.zeros((len(TAUS), len(w)))
    for train, test in ImportanceWeightedKFold(w, 5, random_state).split(y):
        for k, tau in enumerate(TAUS):
            model = fit_weighted(estimator, safe_indexing(X, train), y[train], _power(w[train], tau))
            losses[k, test] = loss(model, safe_indexing(X, test), y[test])
    if effective_sample_size(w) < FEWEST:
        return 0.0
    share = w / w.sum()
    best = int(np.argmin(losses @ share))
    gain = losses[0] - losses[best]
    standard_error = np.sqrt(share**2 @ (gain - share @ gain) ** 2)
    return TAUS[best] if share @ gain > ERRORS * standard_error else 0.0
