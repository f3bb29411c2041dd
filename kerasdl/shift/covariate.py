"""Which source rows look like the target? The density ratio by way of a classifier."""

from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_random_state

from kerasdl import checks
from kerasdl.shift import geometry
from kerasdl.shift.base import DensityRatio
from kerasdl.shift.families import FAMILIES, Family

LIMIT = 30.0  # log-odds beyond ±30 say "never" and "always"; e³⁰ still has an exact sum

SPLINE_COLUMNS = 200  # six splines for each of more columns cost too much to be tried unasked


class _ClassifierOdds:
    """Log-odds of a fitted classifier."""

    def __init__(self, classifier: Any):
        self.classifier = classifier

    def __call__(self, X: np.ndarray) -> np.ndarray:
        p = np.clip(self.classifier.predict_proba(X)[:, 1].astype(np.float64), 1e-13, 1 - 1e-13)
        return np.log(p) - np.log1p(-p)


class DiscriminativeRatio(DensityRatio):
    """The ratio from a classifier that tells target from source: w(x) ∝ P(target | x) / P(source | x).

    By default the classifier is chosen. Four families of growing freedom (linear, additive splines, Gaussian
    kernels, boosted trees) are each given their best setting by out-of-fold log-loss. Linear stays unless
    another beats it by more than two standard errors of the difference; then the log-odds of all families
    within two standard errors of the best are averaged. So the simple answer is kept while the data cannot
    refute it, and no unguarded curve is ever let loose. Beyond 200 columns splines are not tried.

    Rows beyond ``max_rows`` of a side do not take part in the fit, and all rows are weighed in chunks: time
    and memory for a million rows are those of one pass over them.

    Args:
        classifier: ``"auto"``, one of ``"linear"``, ``"additive"``, ``"kernel"``, ``"trees"``, or a
            classifier with ``predict_proba`` (scikit-learn's or kerasdl's), which is cloned and fitted on the
            columns as they are.
        folds: folds of the choice.
        max_rows: most rows of each side in the fit.
        random_state: int, ``RandomState`` or None.

    Attributes:
        families_: names of the families whose mean log-odds are used.
        losses_: out-of-fold log-loss of each candidate by ``(family, setting)``; one candidate: empty.
        classifier_: the fitted clone, when a classifier was given.
        weights_, scale_, effective_sample_size_, diagnostics_: see ``DensityRatio``.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> ratio = DiscriminativeRatio(random_state=0)
        >>> _ = ratio.fit(rng.normal(size=(400, 2)), rng.normal([1, 0], 1, size=(400, 2)))
        >>> ratio.families_
        ('linear',)
        >>> w = ratio.predict_weights([[2.0, 0.0], [0.0, 0.0]])  # the true quotient is e² = 7.4
        >>> bool(5 < w[0] / w[1] < 11)
        True
    """

    CHOICE_ROWS = 1000  # rows of each side that the families are compared on when rows abound

    def __init__(
        self, classifier: Any = "auto", folds: int = 5, max_rows: int = 20_000, random_state: Any = None
    ):
        self.classifier = classifier
        self.folds = folds
        self.max_rows = max_rows
        self.random_state = random_state

    def _fit(self, X_source: np.ndarray, X_target: np.ndarray) -> np.ndarray:
        self._seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        most = checks.positive_int("max_rows", self.max_rows)
        X, y = _stack(X_source, X_target, most, np.random.default_rng(self._seed))
        self.losses_: dict[tuple[str, str], float] = {}
        self._mean, self._deviation = geometry.standardizer(X)
        if not isinstance(self.classifier, str):
            self._fit_classifier(X, y)
        else:
            families = FAMILIES
            if X.shape[1] > SPLINE_COLUMNS:
                families = {name: fit for name, fit in FAMILIES.items() if name != "additive"}
            if self.classifier != "auto":
                name = checks.one_of("classifier", self.classifier, ["auto", *FAMILIES])
                families = {name: FAMILIES[name]}
            Z = (X - self._mean) / self._deviation
            if not (X.max(axis=0) > X.min(axis=0)).any():
                raise ValueError("every column is constant on both sides: there is nothing to weigh by")
            chosen = self._choose(families, Z, y)
            self.families_ = tuple(family for family, _ in chosen)
            self._models = [
                FAMILIES[family](Z, y, self._seed, setting)[setting] for family, setting in chosen
            ]
        self._offset = 0.0
        log_odds = self._log_odds(X_source)
        self._offset = float(log_odds.max())  # the weights are rescaled anyway; this keeps them below 1
        return np.exp(log_odds - self._offset)

    def _fit_classifier(self, X: np.ndarray, y: np.ndarray) -> None:
        if not hasattr(self.classifier, "predict_proba"):
            raise TypeError(
                f"classifier={self.classifier!r} has no predict_proba: give one that has, or 'auto', "
                + ", ".join(map(repr, FAMILIES))
            )
        self.classifier_ = clone(self.classifier).fit(X, y)
        self.families_ = (type(self.classifier_).__name__,)

        columns = X.shape[1]
        self._mean, self._deviation = np.zeros(columns), np.ones(columns)  # the classifier scales itself
        self._models = [_ClassifierOdds(self.classifier_)]

    def _choose(self, families: dict[str, Family], Z: np.ndarray, y: np.ndarray) -> list[tuple[str, str]]:
        """Return the ``(family, setting)`` pairs to average."""
        rng = np.random.default_rng(self._seed)
        sides = [rng.permutation(np.flatnonzero(y == side)) for side in (0, 1)]
        if min(len(side) for side in sides) >= 2 * self.CHOICE_ROWS:
            # Rows abound: one split with many rows held out tells more than folds, for a fifth of the time.
            rows = np.concatenate([side[: 2 * self.CHOICE_ROWS] for side in sides])
            held_out = [np.tile(np.arange(2 * self.CHOICE_ROWS) >= self.CHOICE_ROWS, 2)]
        else:
            rows = np.concatenate([side[: 2 * self.CHOICE_ROWS] for side in sides])
            folds = min(checks.positive_int("folds", self.folds), *(len(side) for side in sides))
            if folds < 2:
                raise ValueError("choosing a classifier takes 2 folds and 2 rows of each side at least")
            fold = np.concatenate([np.arange((y[rows] == side).sum()) for side in (0, 1)]) % folds
            held_out = [fold == k for k in range(folds)]
        Z, y = Z[rows], y[rows]
        losses: dict[tuple[str, str], np.ndarray] = {}
        for held in held_out:
            sign = np.where(y[held] == 1, -1.0, 1.0)
            for family, fit in families.items():
                for setting, log_odds in fit(Z[~held], y[~held], self._seed, None).items():
                    loss = losses.setdefault((family, setting), np.full(len(y), np.nan))
                    loss[held] = np.logaddexp(0, sign * np.clip(log_odds(Z[held]), -LIMIT, LIMIT))
        losses = {candidate: loss[~np.isnan(loss)] for candidate, loss in losses.items()}
        self.losses_ = {candidate: float(loss.mean()) for candidate, loss in losses.items()}
        loss_of = self.losses_.__getitem__
        best = [min((c for c in losses if c[0] == family), key=loss_of) for family in families]
        top = losses[min(best, key=loss_of)]

        def close(candidate: tuple[str, str]) -> bool:
            gap = losses[candidate] - top
            return gap.mean() <= 2 * gap.std() / np.sqrt(len(gap))

        if close(best[0]):
            return best[:1]
        return [candidate for candidate in best if close(candidate)]

    def _log_odds(self, X: np.ndarray) -> np.ndarray:
        out = np.empty(len(X))
        for rows in geometry.chunks(len(X), 65_536):
            Z = (X[rows] - self._mean) / self._deviation
            out[rows] = np.clip(np.mean([model(Z) for model in self._models], axis=0), -LIMIT, LIMIT)
        return out

    def _predict(self, X: np.ndarray) -> np.ndarray:
        return np.exp(self._log_odds(X) - self._offset)


def _stack(
    X_source: np.ndarray, X_target: np.ndarray, most: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return at most ``most`` rows of each side as one table, and y: 0 for source, 1 for target."""
    sides = [
        X if len(X) <= most else X[rng.choice(len(X), most, replace=False)] for X in (X_source, X_target)
    ]
    return np.vstack(sides).astype(np.float64), np.repeat([0, 1], [len(side) for side in sides])
