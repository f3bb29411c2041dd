"""Which problems have a known truth? Gaussians of known ratio, digits of known shares, error streams."""

import functools

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kerasdl.shift import simulate

RATIO_CELLS = [
    *((f"g d{d}, n = {n}", "g", n, d) for n in (200, 1000) for d in (1, 2, 5, 10, 20)),
    *((f"m d{d}", "m", 1000, d) for d in (1, 2, 10)),
]


def ratio_problem(kind, source_rows, columns, seed):
    """Source N(0, I); target N(e₁, I) for "g", for "m" ½N(−1.2, .4²) + ½N(1.2, .4²) in the first column."""
    rng = np.random.default_rng([2026, ord(kind), source_rows, columns, seed])
    source, target = rng.normal(size=(source_rows, columns)), rng.normal(size=(1000, columns))
    x = source[:, 0]
    if kind == "g":
        target[:, 0] += 1
        return source, target, np.exp(x - 0.5)
    target[:, 0] = rng.choice([-1.2, 1.2], 1000) + 0.4 * target[:, 0]
    bell = lambda mean, deviation: np.exp(-0.5 * ((x - mean) / deviation) ** 2) / deviation  # noqa: E731
    return source, target, 0.5 * (bell(-1.2, 0.4) + bell(1.2, 0.4)) / bell(0, 1)


def logistic_weights(source, target):
    """The textbook method: logistic regression as it stands."""
    side = np.repeat([0, 1], [len(source), len(target)])
    model = LogisticRegression().fit(np.vstack([source, target]), side)
    return np.exp(model.decision_function(source))


@functools.cache
def _digits():
    X, y = load_digits(return_X_y=True)
    return X / 16, y


def label_problems(seed):
    """Yield ``(model, p_val, y_val, p_target, prior, realised)`` for three classifiers of digits.

    700 rows train, 400 validate, the rest is drawn from with replacement: 200 and 500 rows whose shares are
    Dirichlet(.1), Dirichlet(1), Dirichlet(10), or one class at .5, .7, .9.
    """
    X, y = _digits()
    rng = np.random.default_rng([2026, seed])
    train, val, test = np.split(rng.permutation(len(y)), [700, 1100])
    noisy = X + rng.normal(0, 0.37, X.shape)
    linear = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    fitted = {
        "LR": (linear.fit(X[train], y[train]), X),
        "MLP": (MLPClassifier((64,), max_iter=400, random_state=seed).fit(X[train], y[train]), X),
        "weak": (LogisticRegression(max_iter=500).fit(noisy[train[:300]], y[train[:300]]), noisy),
    }
    said = {
        name: [m.predict_proba(table[rows]) for rows in (val, test)] for name, (m, table) in fitted.items()
    }
    one = lambda share: np.roll(np.r_[share, np.full(9, (1 - share) / 9)], rng.integers(10))  # noqa: E731
    for rows in (200, 500):
        priors = [rng.dirichlet(np.full(10, a)) for a in (0.1, 1, 10)]
        priors += [one(share) for share in (0.5, 0.7, 0.9)]
        for prior in priors:
            made = simulate.label_shift(y[test], prior, rows, random_state=int(rng.integers(2**31)))
            realised = np.bincount(y[test][made.rows], minlength=10) / rows
            for name, (p_val, p_test) in said.items():
                yield name, p_val, y[val], p_test[made.rows], prior, realised


SHIFTS = [
    "noise .1 on all",
    "noise .3 on 20 %",
    "one class to .25",
    "one class missing",
    "one class new",
]


@functools.cache
def _classifier(seed):
    X, y = _digits()
    order = np.random.default_rng([2026, 1, seed]).permutation(len(y))
    return LogisticRegression(max_iter=500).fit(X[order[:700]], y[order[:700]]), order


def detection_problem(seed, rows, kind):
    """Return a reference of 400 digits, a sample of ``rows`` with the shift in question, and a classifier.

    Noise is clipped to [0, 1], as pixels are. "missing": the sample lacks a class that the reference has;
    "new": the reference lacks a class that the sample has.
    """
    X, y = _digits()
    model, order = _classifier(seed)
    rng = np.random.default_rng([2026, 2, seed, rows])
    label = rng.integers(10)
    rest = rng.permutation(order[700:])
    if kind == "one class new":
        known = rest[y[rest] != label][:400]
        pool = np.setdiff1d(rest, known)
        # The pool keeps the natural share of the class that is new.
        share = np.mean(y[rest] == label)
        new, old = pool[y[pool] == label], pool[y[pool] != label]
        count = min(rng.binomial(rows, share), len(new))
        sample = np.r_[rng.choice(new, count, replace=False), rng.choice(old, rows - count, replace=False)]
        return X[known], X[sample], model
    reference, pool = rest[:400], rest[400:]
    inside, outside = pool[y[pool] == label], pool[y[pool] != label]
    if kind == "one class to .25":
        count = min(rng.binomial(rows, 0.25), len(inside))
        parts = rng.choice(inside, count, replace=False), rng.choice(outside, rows - count, replace=False)
        sample = np.concatenate(parts)
    else:
        sample = rng.choice(outside if kind == "one class missing" else pool, rows, replace=False)
    table = X[sample].copy()
    if kind == "noise .1 on all":
        table += rng.normal(0, 0.1, table.shape)
    if kind == "noise .3 on 20 %":
        table += rng.normal(0, 0.3, table.shape) * (rng.random(rows) < 0.2)[:, None]
    return X[reference], table.clip(0, 1), model


def error_stream(seed):
    rng = np.random.default_rng([2026, 3, seed])
    return (rng.random(3000) < np.repeat([0.1, 0.3], [2000, 1000])).astype(float).tolist()


def shifted_table(X, y, seed):
    """Split a table along its first axis; return source X, y, true weights, target X, y."""
    made = simulate.covariate_shift(X, strength=2.0, random_state=seed)
    return X[made.source], y[made.source], made.weights, X[made.target], y[made.target]


def shifted_curve(seed):
    """y = x² + noise for x from N(0, 1), asked about x from N(1, 1): a line must choose where to fit."""
    rng = np.random.default_rng([2026, 4, seed])
    x, x_target = rng.normal(size=(300, 1)), 1 + rng.normal(size=(300, 1))
    f = lambda x: x[:, 0] ** 2 + 0.3 * rng.normal(size=len(x))  # noqa: E731
    return x, f(x), np.exp(x[:, 0] - 0.5), x_target, f(x_target)
