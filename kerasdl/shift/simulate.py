"""What does each shift look like, made on purpose, with the truth known?

In go rows, labels or a stream, and how strong the shift is; out come a source and a target, and what moved.
"""

from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from kerasdl import checks
from kerasdl.shift.inputs import allowed, geometry


class CovariateShift(NamedTuple):
    """A source and a target drawn from one table, and the true weights of the source rows.

    Attributes:
        source, target: row numbers into the table.
        weights: p_target / p_source of each source row, mean 1 ``(len(source),)``.
    """

    source: np.ndarray
    target: np.ndarray
    weights: np.ndarray


class LabelShift(NamedTuple):
    """Rows drawn so that the classes have new shares.

    Attributes:
        rows: row numbers into the table.
        prior: the shares asked for ``(classes,)``, in the order of ``classes``.
        classes: the labels.
        class_weights: new share / old share of each class ``(classes,)``.
    """

    rows: np.ndarray
    prior: np.ndarray
    classes: np.ndarray
    class_weights: np.ndarray


class ConceptShift(NamedTuple):
    """A stream of rows whose labels change meaning.

    Attributes:
        rows: row numbers into the table, in the order of the stream.
        y: the label that the stream shows for each row.
        changed: whether the new meaning held when the row was drawn.
    """

    rows: np.ndarray
    y: np.ndarray
    changed: np.ndarray


def covariate_shift(
    X: Any,
    *,
    direction: np.ndarray | None = None,
    strength: float = 1.0,
    target_share: float = 0.5,
    random_state: Any = None,
) -> CovariateShift:
    """Split a table so that the target leans to one side: P(target | x) grows along a direction.

    With u the standardised projection of x, P(target | x) = sigmoid(``strength`` · u + c), c set to meet
    ``target_share`` on average. The true ratio is then p_target / p_source ∝ exp(``strength`` · u).

    Args:
        X: table ``(rows, columns)``, at least 2 rows.
        direction: ``(columns,)``; ``None`` takes the first principal axis of the standardised columns.
        strength: 0 for no shift; 1 is clear, 3 is severe.
        target_share: expected share of the rows that become target, above 0 and below 1.
        random_state: int, ``RandomState`` or None.

    Returns:
        A :class:`CovariateShift`.

    Raises:
        ValueError: a share outside its limits, a direction of another length or along which nothing varies,
            or a draw that puts every row on one side.

    Example:
        >>> X = np.random.default_rng(0).normal(size=(500, 2))
        >>> made = covariate_shift(X, direction=[1, 0], random_state=0)
        >>> bool(X[made.source, 0].mean() < X[made.target, 0].mean())
        True
    """
    X = allowed.numbers("X", X)
    if not 0 < target_share < 1:
        raise ValueError(f"target_share={target_share!r}: give a share above 0 and below 1")
    if not np.isfinite(strength):
        raise ValueError(f"strength={strength!r}: give a finite number")
    mean, scale = geometry.standardizer(X)
    Z = (X - mean) / scale
    if direction is None:
        direction = np.linalg.eigh(Z.T @ Z)[1][:, -1]
    direction = np.asarray(direction, dtype=np.float64)
    if direction.shape != (X.shape[1],):
        raise ValueError(
            f"direction has shape {direction.shape}: give one number for each of {X.shape[1]} columns"
        )
    u = Z @ direction
    if u.std() < 1e-12:
        raise ValueError("X does not vary along direction: choose another")
    u = (u - u.mean()) / u.std()
    low, high = -50 - abs(strength) * np.abs(u).max(), 50 + abs(strength) * np.abs(u).max()
    for _ in range(100):  # bisection: the mean of a sigmoid grows with c
        c = (low + high) / 2
        chance = 1 / (1 + np.exp(-np.clip(strength * u + c, -700, 700)))
        low, high = (low, c) if chance.mean() > target_share else (c, high)
    is_target = check_random_state(random_state).random_sample(len(X)) < chance
    source, target = np.flatnonzero(~is_target), np.flatnonzero(is_target)
    if not len(source) or not len(target):
        raise ValueError(f"all {len(X)} rows fell on one side: give more rows or a target_share nearer 0.5")
    exponent = strength * u[source]
    weights = np.exp(exponent - exponent.max())
    return CovariateShift(source, target, weights / weights.mean())


def label_shift(y: Any, prior: Any, size: int | None = None, *, random_state: Any = None) -> LabelShift:
    """Draw rows with replacement so that the classes have the shares ``prior``; inside a class nothing moves.

    Args:
        y: labels ``(rows,)``.
        prior: new shares, ``(classes,)`` in the sorted order of the labels or a dict by label; sums to 1.
        size: rows to draw; ``None`` draws as many as there are.
        random_state: int, ``RandomState`` or None.

    Returns:
        A :class:`LabelShift`.

    Raises:
        ValueError: shares that are negative, do not sum to 1, or are not one for each class; a label that
            ``y`` never holds.

    Example:
        >>> y = np.repeat(["cat", "dog"], 50)
        >>> made = label_shift(y, {"cat": 0.9, "dog": 0.1}, 1000, random_state=0)
        >>> bool(0.85 < (y[made.rows] == "cat").mean() < 0.95)
        True
    """
    y = np.asarray(y)
    if y.ndim != 1 or not len(y):
        raise ValueError(f"y has shape {y.shape}: give (rows,), at least one")
    classes, codes = np.unique(y, return_inverse=True)
    if isinstance(prior, dict):
        unknown = [label for label in prior if label not in classes]
        if unknown:
            raise ValueError(f"prior names {unknown}, labels that y never holds: give those of y")
        prior = [prior.get(label, 0.0) for label in classes.tolist()]
    prior = np.asarray(prior, dtype=np.float64)
    if prior.shape != classes.shape:
        raise ValueError(
            f"prior has shape {prior.shape}: give one share for each of the {len(classes)} classes of y"
        )
    if not (prior >= 0).all() or abs(prior.sum() - 1) > 1e-6:
        raise ValueError(f"prior={prior.tolist()}: give shares of at least 0 that sum to 1")
    rng = check_random_state(random_state)
    size = len(y) if size is None else checks.positive_int("size", size)
    drawn = rng.choice(len(classes), size, p=prior / prior.sum())
    rows = np.empty(size, dtype=np.intp)
    for k in range(len(classes)):
        rows[drawn == k] = rng.choice(np.flatnonzero(codes == k), (drawn == k).sum())
    return LabelShift(rows, prior, classes, prior / (np.bincount(codes) / len(y)))


def concept_shift(
    y: Any,
    *,
    before: int = 2000,
    after: int = 1000,
    width: int = 1,
    mapping: dict | None = None,
    random_state: Any = None,
) -> ConceptShift:
    """Make a stream in which the labels change meaning after ``before`` rows; the rows do not move.

    Args:
        y: labels ``(rows,)``.
        before: rows of the old meaning.
        after: rows of the new one.
        width: rows over which the new meaning sets in; 1 is abrupt. The chance of the new meaning rises
            linearly over them.
        mapping: new label by old label; ``None`` exchanges the first two classes. Labels left out stay.
        random_state: int, ``RandomState`` or None.

    Returns:
        A :class:`ConceptShift`.

    Raises:
        ValueError: a length below 1, one class alone and no ``mapping``, or a label that ``y`` never holds.

    Example:
        >>> made = concept_shift([0, 1] * 50, before=3, after=2, random_state=0)
        >>> made.changed.tolist()
        [False, False, False, True, True]
    """
    y = np.asarray(y)
    if y.ndim != 1 or not len(y):
        raise ValueError(f"y has shape {y.shape}: give (rows,), at least one")
    before, after, width = (
        checks.positive_int(name, value)
        for name, value in (("before", before), ("after", after), ("width", width))
    )
    classes = np.unique(y)
    if mapping is None:
        if len(classes) < 2:
            raise ValueError(f"y holds the one class {classes[0]!r}: concept_shift needs two to exchange")
        mapping = {classes[0]: classes[1], classes[1]: classes[0]}
    unknown = [label for label in mapping if label not in classes]
    if unknown:
        raise ValueError(f"mapping names {unknown}, labels that y never holds: give those of y")
    rng = check_random_state(random_state)
    rows = rng.randint(len(y), size=before + after)
    chance = np.clip((np.arange(before + after) - before + 1) / width, 0, 1)
    changed = rng.random_sample(before + after) < chance
    new = y[rows].tolist()
    shown = [mapping.get(label, label) if moved else label for label, moved in zip(new, changed, strict=True)]
    return ConceptShift(rows, np.array(shown), changed)
