"""Which source rows look like the target? The density ratio by way of a classifier.

In go a source and a target table; out come importance weights: the odds that a row belongs to the
target, estimated by a classifier that was not trained on it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils import check_random_state

from kerasdl import checks
from kerasdl.shift.covariate import overlap
from kerasdl.shift.covariate.base import DensityRatio
from kerasdl.shift.covariate.families import FAMILIES
from kerasdl.shift.covariate.unskew import Scaler
from kerasdl.shift.inputs import geometry
from kerasdl.shift.inputs.tables import Table

LIMIT = 30.0  # log-odds beyond ±30 say "never" and "always"; e³⁰ still has an exact sum

SPLINE_COLUMNS = 200  # six splines for each of more columns cost too much to be tried unasked

CONSTANT = ("constant", "")
Candidate = tuple[str, str]  # a family and its setting


@dataclass(frozen=True)
class _Model:
    """One family's log-odds of rows as they are encoded."""

    scaler: Callable[[np.ndarray], np.ndarray]
    log_odds: Callable[[np.ndarray], np.ndarray]

    def __call__(self, X: np.ndarray) -> np.ndarray:
        return self.log_odds(self.scaler(X))


def _nothing(X: np.ndarray) -> np.ndarray:
    return np.zeros(len(X))


class DiscriminativeRatio(DensityRatio):
    """The ratio from a classifier that tells target from source: w(x) ∝ P(target | x) / P(source | x).

    By default the classifier is chosen. Families of growing freedom (linear, linear in the logarithms of
    skewed columns, additive splines, Gaussian kernels, boosted trees) are each given their best setting by
    out-of-fold log-loss. The better linear one stays unless another beats it by more than two standard errors
    of the difference; then the log-odds of all families within two standard errors of the best are averaged.
    So the simple answer is kept while the data cannot refute it, and no unguarded curve is ever let loose. If
    none beats a constant by a standard error, nothing has moved as far as can be told, and every weight is 1.
    Beyond 200 features splines are not tried.

    A classifier of one's own is validated as well: each source row is weighed by a model that did not learn
    from it, and the log-odds are put on the right scale by a logistic fit to held-out rows (Platt 1999).

    Rows beyond ``max_rows`` of a side do not take part in the fit, and all rows are weighed in chunks: time
    and memory for a million rows are those of one pass over them.

    Args:
        classifier: ``"auto"``, one of ``"linear"``, ``"logged"``, ``"additive"``, ``"kernel"``, ``"trees"``,
            or a classifier with ``predict_proba`` (scikit-learn's, a pipeline, kerasdl's), which is cloned
            and fitted on the tables as they were given, names, text and gaps included.
        folds: folds of the choice, or of the validation of a classifier of one's own.
        max_rows: most rows of each side in the fit.
        random_state: int, ``RandomState`` or None.

    Attributes:
        families_: names of the families whose mean log-odds are used.
        losses_: out-of-fold log-loss of each candidate by ``(family, setting)``.
        classifier_: the clone fitted on all rows, when a classifier was given; it weighs new rows.
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
        rng = np.random.default_rng(self._seed)
        sides = [_some(len(X), most, rng) for X in (X_source, X_target)]
        self.losses_: dict[Candidate, float] = {}
        self._offset = 0.0
        if isinstance(self.classifier, str):
            rows = [X[side] for X, side in zip((X_source, X_target), sides, strict=True)]
            self._fit_families(np.vstack(rows).astype(np.float64), np.repeat([0, 1], list(map(len, rows))))
            log_odds = self._log_odds(X_source)
        else:
            log_odds = self._fit_classifier(sides[0], sides[1])
        self._offset = float(log_odds.max())  # the weights are rescaled anyway; this keeps them below 1
        return np.exp(log_odds - self._offset)

    def _fit_families(self, X: np.ndarray, y: np.ndarray) -> None:
        name = checks.one_of("classifier", self.classifier, ["auto", *FAMILIES])
        if not (X.max(axis=0) > X.min(axis=0)).any():
            raise ValueError("every column is constant on both sides: there is nothing to weigh by")
        raw, logs = Scaler(logs=False).fit(X), Scaler(logs=True).fit(X)
        self._scalers = {family: raw if family == "linear" else logs for family in FAMILIES}
        if name == "auto":
            families = [family for family in FAMILIES if family != "additive" or X.shape[1] <= SPLINE_COLUMNS]
            if all(form == "as it is" for form in logs.forms):
                families.remove("logged")  # there is no skewed column
        else:
            families = [name]
        chosen = self._choose(families, X, y)
        self.families_ = tuple(family for family, _ in chosen)
        self._models: list[Callable[[np.ndarray], np.ndarray]] = []
        for family, setting in chosen:
            if family == "constant":
                self._models.append(_nothing)
                continue
            scaler = self._scalers[family]
            self._models.append(_Model(scaler, FAMILIES[family](scaler(X), y, self._seed, setting)[setting]))

    def _choose(self, families: list[str], X: np.ndarray, y: np.ndarray) -> list[Candidate]:
        """Return the ``(family, setting)`` pairs to average."""
        rng = np.random.default_rng(self._seed)
        sides = [rng.permutation(np.flatnonzero(y == side)) for side in (0, 1)]
        rows = np.concatenate([side[: 2 * self.CHOICE_ROWS] for side in sides])
        if min(len(side) for side in sides) >= 2 * self.CHOICE_ROWS:
            # Rows abound: one split with many rows held out tells more than folds, for a fifth of the time.
            held_out = [np.tile(np.arange(2 * self.CHOICE_ROWS) >= self.CHOICE_ROWS, 2)]
        else:
            fold = self._deal(y[rows])
            held_out = [fold == k for k in range(fold.max() + 1)]
        X, y = X[rows], y[rows]
        odds: dict[Candidate, np.ndarray] = {CONSTANT: np.full(len(y), np.nan)}
        for held in held_out:
            odds[CONSTANT][held] = np.log(y[~held].mean() / (1 - y[~held].mean()))
            for family in families:
                Z = self._scalers[family](X)
                for setting, log_odds in FAMILIES[family](Z[~held], y[~held], self._seed, None).items():
                    said = odds.setdefault((family, setting), np.full(len(y), np.nan))
                    said[held] = np.clip(log_odds(Z[held]), -LIMIT, LIMIT)
        seen = ~np.isnan(odds[CONSTANT])
        sign = np.where(y == 1, -1.0, 1.0)
        losses = {candidate: np.logaddexp(0, (sign * said)[seen]) for candidate, said in odds.items()}
        self.losses_ = {candidate: float(loss.mean()) for candidate, loss in losses.items()}
        loss_of = self.losses_.__getitem__
        best = [min((c for c in losses if c[0] == family), key=loss_of) for family in families]
        top = min(best, key=loss_of)
        self._auc = overlap.auc(odds[top][seen], y[seen] == 1)

        def close(candidate: Candidate, errors: float = 2.0) -> bool:
            gap = losses[candidate] - losses[top]
            return bool(gap.mean() <= errors * gap.std() / np.sqrt(len(gap)))

        if self.classifier == "auto" and close(CONSTANT, 1.0):
            return [CONSTANT]
        simple = min((c for c in best if c[0] in ("linear", "logged")), key=loss_of, default=best[0])
        if close(simple):
            return [simple]
        return [candidate for candidate in best if close(candidate)]

    def _deal(self, y: np.ndarray) -> np.ndarray:
        """Return the fold of each row, the sides shared out evenly."""
        counts = np.bincount(y, minlength=2)
        folds = min(checks.positive_int("folds", self.folds), int(counts.min()))
        if folds < 2:
            raise ValueError("choosing a classifier takes 2 folds and 2 rows of each side at least")
        return np.concatenate([np.arange(count) for count in counts]) % folds

    def _fit_classifier(self, source_rows: np.ndarray, target_rows: np.ndarray) -> np.ndarray:
        """Fit a classifier of the user's own; return the source rows' log-odds, out of fold."""
        if not hasattr(self.classifier, "predict_proba"):
            raise TypeError(
                f"classifier={self.classifier!r} has no predict_proba: give one that has, or 'auto', "
                + ", ".join(map(repr, FAMILIES))
            )
        source, target = self._tables
        rng = np.random.default_rng(self._seed)
        source_rows, target_rows = rng.permutation(source_rows), rng.permutation(target_rows)
        given = [source.take(source_rows).given, target.take(target_rows).given]
        X = _stacked(given)
        y = np.repeat([0, 1], [len(source_rows), len(target_rows)])
        fold = self._deal(y)
        held_out = np.empty(len(y))
        for k in range(fold.max() + 1):
            held = np.flatnonzero(fold == k)
            model = clone(self.classifier).fit(_rows(X, np.flatnonzero(fold != k)), y[fold != k])
            held_out[held] = self._logit(model, _rows(X, held), len(y))
        scale = LogisticRegression(C=1e4).fit(held_out[:, None], y)
        self._slope, self._level = max(float(scale.coef_[0, 0]), 0.0), float(scale.intercept_[0])
        self._auc = overlap.auc(held_out, y == 1)
        self._rows = len(y)
        self.classifier_ = clone(self.classifier).fit(X, y)
        self.families_ = (type(self.classifier_).__name__,)
        log_odds = np.empty(len(source))
        log_odds[source_rows] = self._slope * held_out[: len(source_rows)] + self._level
        rest = np.setdiff1d(np.arange(len(source)), source_rows)
        if len(rest):
            log_odds[rest] = self._classifier_odds(source.take(rest))
        return log_odds

    def _logit(self, model: Any, X: Any, rows: int) -> np.ndarray:
        # "Never" and "always" of a forest are a share of its trees: no surer than one row in all.
        p = np.asarray(model.predict_proba(X), dtype=np.float64)[:, 1].clip(0.5 / rows, 1 - 0.5 / rows)
        return np.log(p) - np.log1p(-p)

    def _classifier_odds(self, table: Table) -> np.ndarray:
        parts = []
        for rows in geometry.chunks(len(table), 65_536):
            parts.append(self._logit(self.classifier_, table.take(rows).given, self._rows))
        return self._slope * np.concatenate(parts) + self._level

    def _log_odds(self, X: np.ndarray) -> np.ndarray:
        out = np.empty(len(X))
        for rows in geometry.chunks(len(X), 65_536):
            out[rows] = np.clip(np.mean([model(X[rows]) for model in self._models], axis=0), -LIMIT, LIMIT)
        return out

    def _predict_table(self, table: Table) -> np.ndarray:
        if hasattr(self, "classifier_"):
            return np.exp(self._classifier_odds(table) - self._offset)
        return np.exp(self._log_odds(self._encoding.encode(table)) - self._offset)


def _some(rows: int, most: int, rng: np.random.Generator) -> np.ndarray:
    return np.arange(rows) if rows <= most else rng.choice(rows, most, replace=False)


def _stacked(parts: list[Any]) -> Any:
    if isinstance(parts[0], pd.DataFrame):
        return pd.concat(parts, ignore_index=True)
    return sparse.vstack(parts, format="csr") if sparse.issparse(parts[0]) else np.vstack(parts)


def _rows(X: Any, rows: np.ndarray) -> Any:
    return X.iloc[rows] if isinstance(X, pd.DataFrame) else X[rows]
