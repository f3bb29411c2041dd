"""What does a fold's model see of its rows? What the pipeline before it makes of them, inside the fold.

In go an estimator, alone or at the end of a pipeline, and a fold; out come arrays, and the way back: the
pipeline that takes raw rows to the fold's model.
"""

import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import check_array

from kerasdl.selection.folds import Fold


class Prepared(NamedTuple):
    """A fold's rows after what its estimator does before the model.

    Attributes:
        steps: the fitted pipeline without its last step.
        train, valid: ``(rows, …)``.
        shape: of a row before any padding.
    """

    steps: Pipeline
    train: np.ndarray
    valid: np.ndarray
    shape: tuple[int, ...]

    def whole(self, model: BaseEstimator) -> Pipeline:
        """Return the pipeline that takes raw rows to this fitted estimator."""
        shape = (None, *self.train.shape[1:])
        return make_pipeline(self.steps, FunctionTransformer(pad, kw_args={"shape": shape}), model)


def last(estimator: BaseEstimator) -> BaseEstimator:
    """Return a pipeline's last step, or the estimator itself."""
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator


def prepare(estimator: BaseEstimator, fold: Fold) -> Prepared:
    """Return a fold's rows as a pipeline's last step would see them."""
    if isinstance(estimator, Pipeline):
        steps = clone(estimator[:-1])
        train = steps.fit_transform(fold.train.X, fold.train.y)
        valid = steps.transform(fold.valid.X)
    else:
        steps, train, valid = make_pipeline("passthrough"), fold.train.X, fold.valid.X
    train, valid = (check_array(side, allow_nd=True) for side in (train, valid))
    return Prepared(steps, train, valid, train.shape[1:])


def widened(prepared: Sequence[Prepared]) -> list[Prepared]:
    """Return all folds as wide as the widest, padded with zeros."""
    widest = (None, *max(own.shape for own in prepared))
    return [own._replace(train=pad(own.train, widest), valid=pad(own.valid, widest)) for own in prepared]


def pad(values: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    """Append zeros to each axis up to ``shape``; None leaves an axis as it is."""
    values = np.asarray(values)
    missing = [0 if size is None else size - have for size, have in zip(shape, values.shape, strict=True)]
    return np.pad(values, [(0, n) for n in missing]) if any(missing) else values


def preparation(estimator: BaseEstimator) -> str:
    """Return what tells one pipeline's preparation from another's; "" where there is none."""
    if not isinstance(estimator, Pipeline):
        return ""
    name = estimator.steps[-1][0]
    own = {k: v for k, v in estimator.get_params().items() if k != "steps" and k.partition("__")[0] != name}
    # Two long arrays may be unlike in one digit.
    with np.printoptions(threshold=sys.maxsize, floatmode="unique"):
        return str(sorted((k, str(v)) for k, v in own.items()))
