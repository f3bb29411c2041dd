"""What does a K-fold cost? All folds at once beside three other ways, in turn, a backend a process.

    KERAS_BACKEND=jax python benchmarks/kfold.py           # --quick: fewer epochs and rounds

1460 rows of 330 numbers, a 330-64-1 perceptron with dropout 0.2, Adam, batches of 64; 5 and 10 folds. Each
run adds its backend's rows to ``benchmarks/results/kfold.json`` and writes ``kfold.md`` anew. Only the ratios
count; they are worth little where the load at the start or the end was not near 0, or rounds spread widely.

``kerasdl``: ``selection.cross_validate``; the first call, which compiles, and the median of later ones.
``fresh``: a new Keras model, compiled and fitted, for each fold. ``wrapper``: Keras's own scikit-learn
wrapper under ``cross_val_score``. Its ``clone`` drops the arguments of ``fit``, so that it would train one
epoch: here a subclass puts them back. ``torch loop``: fold by fold without Keras, where torch is installed.
``arithmetic``: in NumPy, the two large products of every step and Adam's update, and nothing else. Where
``kerasdl`` takes about as long, twice the folds take twice the time.
"""

import argparse
import importlib.util
import statistics
import time
from functools import partial

import keras
import numpy as np
from kept import Kept
from keras.wrappers import SKLearnRegressor
from sklearn.model_selection import KFold, cross_val_score

from kerasdl import models, selection
from kerasdl.estimators import KerasRegressor

BACKEND = keras.backend.backend()
GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(1460, 330)).astype("float32")
Y = (X[:, :5].sum(axis=1) + GENERATOR.normal(size=1460)).astype("float32")
BATCH, WIDTH, RATE = 64, 64, 0.2


def ours(folds: int, epochs: int) -> None:
    estimator = KerasRegressor(
        models.mlp,
        epochs=epochs,
        batch_size=BATCH,
        report_every=epochs,
        random_state=0,
        build__hidden=(WIDTH,),
        build__dropout=RATE,
    )
    found = selection.cross_validate(estimator, X, Y, cv=KFold(folds), vectorize=True)
    assert len(found.scores) == folds


def stock_model(X=None, y=None) -> keras.Model:
    stack = [
        keras.Input((330,)),
        keras.layers.Dense(WIDTH, "relu"),
        keras.layers.Dropout(RATE),
        keras.layers.Dense(1),
    ]
    model = keras.Sequential(stack)
    model.compile("adam", "mse")
    return model


def fresh(folds: int, epochs: int) -> None:
    for train, valid in KFold(folds).split(X):
        model = stock_model()
        model.fit(X[train], Y[train], batch_size=BATCH, epochs=epochs, verbose=0)
        for rows in (train, valid):
            model.predict(X[rows], verbose=0)


class Wrapped(SKLearnRegressor):
    """Keras's wrapper, trained for as long as asked."""

    fit_epochs = 1

    def fit(self, X, y):
        return super().fit(X, y, batch_size=BATCH, epochs=self.fit_epochs, verbose=0)

    def predict(self, X):
        return self.model_.predict(X, verbose=0)


def wrapper(folds: int, epochs: int) -> None:
    Wrapped.fit_epochs = epochs
    cross_val_score(Wrapped(stock_model), X, Y, cv=KFold(folds))


def torch_loop(folds: int, epochs: int) -> None:
    import torch

    x, y = torch.from_numpy(X), torch.from_numpy(Y)[:, None]
    for train, valid in KFold(folds).split(X):
        model = torch.nn.Sequential(
            torch.nn.Linear(330, WIDTH), torch.nn.ReLU(), torch.nn.Dropout(RATE), torch.nn.Linear(WIDTH, 1)
        )
        optimizer = torch.optim.Adam(model.parameters())
        rows = torch.from_numpy(train)
        for _ in range(epochs):
            for batch in rows[torch.randperm(len(rows))].split(BATCH):
                optimizer.zero_grad()
                torch.nn.functional.mse_loss(model(x[batch]), y[batch]).backward()
                optimizer.step()
        with torch.no_grad():
            model.eval()
            model(x[torch.from_numpy(valid)])


def arithmetic(folds: int, epochs: int) -> None:
    x = np.stack([X[:BATCH]] * folds)
    turned = np.ascontiguousarray(x.transpose(0, 2, 1))
    weights = np.full((folds, X.shape[1], WIDTH), 0.01, "float32")
    mean, square, gradient, step = (np.zeros_like(weights) for _ in range(4))
    hidden = np.empty((folds, BATCH, WIDTH), "float32")
    rows = len(X) * (folds - 1) // folds
    for _ in range(epochs * -(-rows // BATCH)):
        np.matmul(x, weights, out=hidden)
        np.matmul(turned, hidden, out=gradient)
        np.subtract(gradient, mean, out=step)
        step *= 0.1
        mean += step
        np.multiply(gradient, gradient, out=step)
        step -= square
        step *= 0.001
        square += step
        np.sqrt(square, out=step)
        step += 1e-7
        np.divide(mean, step, out=step)
        step *= 0.001
        weights -= step


def measure(epochs: int, rounds: int) -> dict:
    """Seconds of each way and number of folds, the ways taking turns; and kerasdl's first call."""
    ways = {"kerasdl": ours, "arithmetic": arithmetic, "fresh": fresh, "wrapper": wrapper}
    if importlib.util.find_spec("torch"):
        ways["torch loop"] = torch_loop
    rows = {}
    for folds in (5, 10):
        started = time.perf_counter()
        ours(folds, epochs)
        first = time.perf_counter() - started
        times = {name: [] for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                timed = partial(way, folds, epochs)
                started = time.perf_counter()
                timed()
                times[name].append(time.perf_counter() - started)
        rows[str(folds)] = {"kerasdl, first call": [first], **times}
    return rows


def table(record: dict) -> str:
    names = ["kerasdl, first call", "kerasdl", "arithmetic", "fresh", "wrapper", "torch loop"]
    lines = [
        "# K-fold: seconds, median (least – most), and how many times quicker kerasdl is",
        "",
        "Written by `benchmarks/kfold.py`; see there for what is measured. The first call compiles; a later",
        "one of the same shapes, as in any search, does not.",
        "",
        "| backend | folds | " + " | ".join(names) + " | fresh ÷ first | fresh ÷ kerasdl | torch ÷ kerasdl |",
        "|---|---|" + "---:|" * (len(names) + 3),
    ]
    for backend, run in sorted(record.items()):
        for folds, found in run["rows"].items():
            cells = [
                f"{statistics.median(t):.2f} ({min(t):.2f} – {max(t):.2f})" if (t := found.get(n)) else "–"
                for n in names
            ]
            middle = {name: statistics.median(times) for name, times in found.items()}
            ratios = [middle["fresh"] / middle[name] for name in names[:2]]
            cells += [f"{ratio:.1f}" for ratio in ratios]
            cells.append(f"{middle['torch loop'] / middle['kerasdl']:.1f}" if "torch loop" in middle else "–")
            lines.append(f"| {backend} | {folds} | " + " | ".join(cells) + " |")
    lines += [""] + [f"- {backend}: {run['where']}" for backend, run in sorted(record.items())]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="3 epochs, one round, nothing written")
    parser.add_argument("--rounds", type=int, default=3, help="in which the ways take turns")
    args = parser.parse_args()
    quick = args.quick
    epochs, rounds = (3, 1) if quick else (30, args.rounds)
    kept = Kept("kfold", table, write=not quick)
    kept.add(BACKEND, {"rows": measure(epochs, rounds)}, f"{epochs} epochs, {rounds} rounds")


if __name__ == "__main__":
    main()
