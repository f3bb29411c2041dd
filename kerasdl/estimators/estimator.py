"""What do a classifier and a regressor share? Everything but their targets.

Here is scikit-learn's protocol: parameters, clones, ``fit``, pickles. What a training consists of is in
:mod:`kerasdl.estimators.steps`, what targets are in :mod:`kerasdl.estimators.targets`.
"""

import inspect
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar, Self

import keras
import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_array
from sklearn.utils.validation import check_is_fitted, validate_data

from kerasdl import borrowed, checks
from kerasdl.estimators import inputs
from kerasdl.estimators.kept import KeptModel, back, kept
from kerasdl.estimators.meaning import plain
from kerasdl.estimators.steps import Compiled, Steps, Validation, outputs
from kerasdl.estimators.targets import Targets
from kerasdl.estimators.watching import copies, parted, rejoined


class KerasEstimator(BaseEstimator):
    """The common part of :class:`~kerasdl.estimators.KerasClassifier` and ``KerasRegressor``; see there."""

    _head: Any  # how the present model is read: a Head of the class's own kind
    _target_checks: ClassVar[dict[str, bool]]  # what scikit-learn's validate_data is told of y

    def __init__(
        self,
        build: Callable[..., keras.Model] | keras.Model,
        *,
        epochs: int = 10,
        batch_size: int = 32,
        report_every: int = 1,
        optimizer: str | keras.optimizers.Optimizer = "adam",
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule | None = None,
        loss: str | keras.losses.Loss | None = None,
        metrics: Any = None,
        callbacks: Any = None,
        early_stopping: int | None = None,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        restore_best: bool = True,
        validation_fraction: float = 0.1,
        validation_split: Any = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        **parameters: Any,
    ):
        self.build = build
        self.epochs = epochs
        self.batch_size = batch_size
        self.report_every = report_every
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.loss = loss
        self.metrics = metrics
        self.callbacks = callbacks
        self.early_stopping = early_stopping
        self.monitor = monitor
        self.min_delta = min_delta
        self.restore_best = restore_best
        self.validation_fraction = validation_fraction
        self.validation_split = validation_split
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        for name, value in parameters.items():  # judged in fit, as scikit-learn wants it
            setattr(self, name, value)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return every constructor argument by name, ``build__…`` and ``optimizer__…`` among them."""
        named = super().get_params(deep=False)
        learned = {name for name in vars(self) if name.startswith("_") or name.endswith("_")}
        return named | {name: value for name, value in vars(self).items() if name not in learned}

    def set_params(self, **parameters: Any) -> Self:
        """Set constructor arguments by name and return the estimator.

        Raises:
            ValueError: a name that the estimator has not, and that starts neither with ``build__`` nor with
                ``optimizer__``.
        """
        known = self.get_params()
        for name, value in parameters.items():
            if not name.startswith(("build__", "optimizer__")):
                checks.one_of("parameter", name, known)
            setattr(self, name, value)
        return self

    def __sklearn_clone__(self) -> Self:
        copy = type(self)(**{name: borrowed.cloned(value) for name, value in self.get_params().items()})
        borrowed.copy_request(self, copy)
        return copy

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.sparse = True
        return tags

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
        groups: Any = None,
        **others: Any,
    ) -> Self:
        """Build, compile and train a model; with ``warm_start``, train the present one on.

        Args:
            X: ``(samples, …)``, numeric, of two axes or more, dense or sparse; for a model with several
                inputs a dict of such arrays, or a table that has a column for each input. Sparse rows that
                would fill more than a quarter of the free memory are made dense batch by batch, which
                leaves training to Keras's ``fit``; others all at once.
            y: the targets, one a row.
            sample_weight: optional ``(samples,)``, scaled here to mean 1.
            X_val, y_val, sample_weight_val: optional rows to validate on: their loss after each epoch goes
                into ``history_``, and decides when to stop where ``early_stopping`` is set. At the end of a
                pipeline, ``Pipeline(..., transform_input=["X_val"])`` sends them through its steps.
            groups: optional ``(samples,)``, told to ``validation_split`` where that is a splitter.

        Raises:
            ValueError: NaN or infinite data, lengths that differ, weights that are negative or sum to 0; with
                ``warm_start``, rows or targets of another shape than before.
            FloatingPointError: the loss became NaN or infinite.
        """
        for name in others:
            mend = "give X_val=… and y_val=…" if name == "validation_data" else "fit takes no such argument"
            if "build__" + name in self.get_params() or name in self.get_params():
                mend = f"it is a parameter of {type(self).__name__}, not of fit"
            raise TypeError(f"fit({name}=…): {mend}")  # rows have no short form
        again = self.warm_start and hasattr(self, "model_")
        X, y = self._checked(X, y, reset=not again)
        steps = self._steps(y, again)
        validation = self._validation(X_val, y_val, sample_weight_val, inputs.shape(X))
        with steps.chance():
            compiled = self._present(steps, X) if again else steps.compiled(X)
            feed = steps.feed(compiled.head, compiled.model, X, y, sample_weight, validation, groups)
            watching = copies(self.callbacks)
            history = steps.train(compiled.model, feed, watching)
        return self._take_over(compiled, history, watching)

    def _one_pass(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> Self:
        """Train for one pass on the present model, which the first call builds."""
        again = hasattr(self, "model_")
        X, y = self._checked(X, y, reset=not again)
        steps = self._steps(y if classes is None or again else np.asarray(classes), again)
        passes = self._passes if again else 0
        with steps.chance():
            compiled = self._present(steps, X) if again else steps.compiled(X)
            feed = steps.feed(compiled.head, compiled.model, X, y, sample_weight, stopping=False)
            watching = copies(self.callbacks)
            history = steps.one_pass(compiled.model, feed, passes, watching)
        return self._take_over(compiled, history, watching, passes + 1)

    def _steps(self, y: np.ndarray, again: bool) -> Steps:
        """Return the steps of a training on y; on the present model, if ``again``."""
        if again:
            self._head.encode(y)  # refuses targets that are new
            return Steps(self, self._head.targets, getattr(self, "feature_names_in_", None))
        return self._new_steps(y, getattr(self, "feature_names_in_", None))

    def _new_steps(self, y: np.ndarray, columns: Any = None) -> Steps:
        """Return the steps of a training of a new model on y; ``columns`` are X's, where it has names."""
        return Steps(self, self._targets(y), columns)

    @abstractmethod
    def _targets(self, y: np.ndarray) -> Targets:
        """Return what y holds."""

    def _present(self, steps: Steps, X: inputs.Rows) -> Compiled:
        """Return the present model, with the optimizer's present settings.

        Raises:
            ValueError: the builder or its arguments are others now.
        """
        model = self.model_
        if not steps.recipe(self._recipe.shape).same(self._recipe):
            raise ValueError(
                "build or a build__ argument is another than that of the present model, which is to be "
                "trained on: fit a new one with warm_start=False"
            )
        wanted = self._compiling()
        if wanted != self._compiled_with:
            changed = {name for name, value in wanted.items() if self._compiled_with.get(name) != value}
            changed |= self._compiled_with.keys() - wanted.keys()
            rate = self.learning_rate
            if changed == {"learning_rate"} and isinstance(rate, (int, float, np.number)):
                model.optimizer.learning_rate = float(rate)
            else:
                head = steps.head(model, X)
                model.compile(steps.optimizer(), head.loss, metrics=steps.metrics_of(self.metrics))
                return Compiled(model, self._recipe, head)
        return Compiled(model, self._recipe, self._head)

    def _compiling(self) -> dict[str, Any]:
        """Return the settings that a model is compiled with."""
        names = ("optimizer", "learning_rate", "loss", "metrics", "from_logits", "one_hot")
        return {
            name: value
            for name, value in self.get_params().items()
            if name in names or name.startswith("optimizer__")
        }

    def _take_over(
        self,
        compiled: Compiled,
        history: pd.DataFrame,
        callbacks: list[keras.callbacks.Callback] | None = None,
        passes: int = 0,
        features: int | None = None,
        columns: Any = None,
    ) -> Self:
        """Take over a trained model and return the fitted estimator.

        Args:
            compiled, history: the model and its training.
            callbacks: the user's, as they were in it.
            passes: of ``partial_fit`` so far.
            features, columns: their number and names, where X was not seen by this estimator itself.
        """
        if features is not None:
            self.n_features_in_ = features
        if columns is not None:
            self.feature_names_in_ = columns
        self.model_, self._recipe, self._head = compiled
        self._compiled_with = self._compiling()
        self.history_ = history
        self.callbacks_ = callbacks or []
        self.n_iter_ = int(history.index[-1])
        self._passes = passes
        return self

    def _outputs(self, X: Any) -> np.ndarray:
        """Return the model's outputs for rows of X, ``(samples, outputs)``."""
        check_is_fitted(self, "model_")
        X = self._rows(X, self._recipe.shape)
        return outputs(self.model_, X, self.batch_size, getattr(self, "feature_names_in_", None))

    def _validation(self, X: Any, y: Any, weight: Any, shape: inputs.Shape) -> Validation | None:
        """Return rows to validate on, of this shape, checked.

        Raises:
            ValueError: only one of X and y, or X has column names that the rows to train on had not.
        """
        if X is None and y is None and weight is None:
            return None
        if X is None or y is None:
            raise ValueError("X_val and y_val belong together: give both")
        if hasattr(X, "columns") and not hasattr(self, "feature_names_in_"):
            raise ValueError(
                "X_val is a table and X was none: it has not gone through the pipeline's steps; "
                "make it Pipeline(..., transform_input=['X_val'])"
            )
        X = self._rows(X, shape)
        y = self._column(self._target(y, "y_val"))
        if inputs.count(X) != len(y):
            raise ValueError(f"X_val has {inputs.count(X)} rows and y_val {len(y)}: give one target a row")
        return Validation(X, y, weight)

    def _rows(self, X: Any, shape: inputs.Shape) -> inputs.Rows:
        """Return rows, checked against the shape of those that the model was made for.

        Raises:
            ValueError: NaN or infinite numbers, or another shape.
        """
        self._plain("X", X)
        if inputs.several(X):
            X = inputs.checked(X)
        elif inputs.axes(X) > 2:  # scikit-learn would hold the second axis for the columns
            X = check_array(X, allow_nd=True, input_name="X")
        else:
            X = validate_data(self, X, reset=False, allow_nd=True, accept_sparse="csr")
        model = getattr(self, "model_", None)
        own = _open_shape(model) or shape
        if not _fits(inputs.shape(X), own):
            raise ValueError(f"X has rows of shape {inputs.shape(X)}, the model takes {own}")
        return X

    def _checked(self, X: Any, y: Any, reset: bool) -> tuple[inputs.Rows, np.ndarray]:
        """Return the data as arrays; unless ``reset``, rows must have the shape that the model takes."""
        if reset and not inputs.several(X):
            self._plain("X", X)
            self._plain("y", y)
            X, y = validate_data(self, X, y, allow_nd=True, accept_sparse="csr", **self._target_checks)
            return X, self._column(y)
        X = inputs.checked(X) if reset else self._rows(X, self._recipe.shape)
        y = self._column(self._target(y, "y"))
        if inputs.count(X) != len(y):
            raise ValueError(f"X has {inputs.count(X)} rows and y {len(y)}: give one target a row")
        return X, y

    def _plain(self, name: str, values: Any) -> None:
        """Refuse what scikit-learn would take as numbers: what a mask hides, and text and dates as numbers.

        Raises:
            ValueError: there is some.
        """
        checks.unmasked(name, values)
        labels = name.startswith("y") and not self._target_checks.get("y_numeric")
        if not (labels or inputs.several(values)):
            checks.real(name, values)

    def _target(self, y: Any, name: str) -> Any:
        """Return targets that come without rows, checked."""
        self._plain(name, y)
        dtype = "numeric" if self._target_checks.get("y_numeric") else None
        return check_array(y, accept_sparse="csr", ensure_2d=False, dtype=dtype, input_name=name)

    def _column(self, y: Any) -> np.ndarray:
        """Return checked targets as an array."""
        return y.toarray() if sparse.issparse(y) else np.asarray(y)

    def __getstate__(self) -> dict[str, Any]:
        state = {name: kept(value) for name, value in super().__getstate__().items() if name != "model_"}
        if hasattr(self, "model_"):
            state["_head"] = replace(self._head, loss=kept(self._head.loss))
            state["model_"] = KeptModel.of(self.model_, self._recipe, self.build)
            del state["_recipe"]
            state["callbacks_"] = parted(self.callbacks_)  # their model is this one, and kept already
            wanted = self._compiling()
            # Of what it was compiled with, only what is no longer wanted: the objects themselves are copied.
            state["_compiled_with"] = [
                name for name in wanted if self._compiled_with.get(name) != wanted[name]
            ]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = {name: back(value) for name, value in state.items()}
        model = state.pop("model_", None)
        super().__setstate__(state)
        if model is not None:
            self._head = replace(self._head, loss=back(self._head.loss))
            self.model_, self._recipe = model.back(
                self.build, self._head.loss, Steps.metrics_of(self.metrics)
            )
            self._compiled_with = self._compiling() | dict.fromkeys(self._compiled_with, object())
            for callback in self.callbacks_:
                rejoined(callback, self.model_)


def joined(own: Callable, inherited: Callable) -> inspect.Signature:
    """Return the signature of a constructor that hands what it does not know on to another.

    scikit-learn reads an estimator's parameters off its constructor's signature, and so does a reader.
    """
    first, rest = inspect.signature(own), inspect.signature(inherited)
    known = [one for one in first.parameters.values() if one.kind is not one.VAR_KEYWORD]
    others = [one for name, one in rest.parameters.items() if name not in first.parameters]
    others += [one for one in first.parameters.values() if one.kind is one.VAR_KEYWORD]
    others.sort(key=lambda one: one.kind)
    return first.replace(parameters=[*known, *others])


def _open_shape(model: keras.Model | None) -> tuple[int | None, ...] | None:
    """Return the shape of rows that a model takes, if it leaves the length of some axis open."""
    shape = model.input_shape if model is not None and plain(model) else None
    return shape[1:] if isinstance(shape, tuple) and None in shape[1:] else None


def _fits(shape: inputs.Shape, own: inputs.Shape) -> bool:
    """Return whether rows have the shape that a model takes; None leaves an axis open."""
    if isinstance(own, dict) or isinstance(shape, dict):
        return shape == own
    return len(shape) == len(own) and all(size in (None, have) for size, have in zip(own, shape, strict=True))
