"""What do the others ask for a K-fold? The same network by scikeras, skorch and scikit-learn, time and score.

    KERAS_BACKEND=torch python benchmarks/kfold_peers.py   # --quick: fewer epochs, one round

Needs scikeras and skorch beside the packages of kerasdl: ``pip install scikeras skorch``. A peer that does
not import is left out. The task is that of ``benchmarks/kfold.py``: 1460 rows of 330 numbers, 330-64-1, ReLU,
dropout 0.2, Adam, batches of 64, 5 folds; each peer as its users would write it, in scikit-learn's
``cross_validate`` with both sides scored. scikit-learn's ``MLPRegressor`` has no dropout. Each run writes
``benchmarks/results/kfold_peers.json`` and makes ``kfold_peers.md`` from it. Only the ratios count.

The ways take turns. Of each: seconds and processor seconds, and the mean R² over the folds of the last round,
on training and on validation rows. Rounds differ in their seed, so that the spread of the scores is seen.
"""

import argparse
import contextlib
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version

import keras
import numpy as np
import sklearn
from kept import Kept
from kfold import BATCH, RATE, WIDTH, X, Y, stock_model
from sklearn.base import BaseEstimator
from sklearn.model_selection import KFold, cross_validate
from sklearn.neural_network import MLPRegressor

from kerasdl import models, selection
from kerasdl.estimators import KerasRegressor

FOLDS = KFold(5)
Way = Callable[[int, int], tuple[float, float]]  # (epochs, seed) → mean R² on training and validation rows


def ours(together: bool) -> Way:
    def way(epochs: int, seed: int) -> tuple[float, float]:
        estimator = KerasRegressor(
            models.mlp,
            epochs=epochs,
            batch_size=BATCH,
            report_every=epochs,
            random_state=seed,
            build__hidden=(WIDTH,),
            build__dropout=RATE,
        )
        scores = selection.cross_validate(estimator, X, Y, cv=FOLDS, vectorize=together).scores
        return scores.train.mean(), scores.valid.mean()

    return way


def by_scikit_learn(make: Callable[[int, int], BaseEstimator], y: np.ndarray = Y) -> Way:
    def way(epochs: int, seed: int) -> tuple[float, float]:
        found = cross_validate(
            make(epochs, seed), X, y, cv=FOLDS, return_train_score=True, error_score="raise"
        )
        return found["train_score"].mean(), found["test_score"].mean()

    return way


def perceptron(epochs: int, seed: int) -> BaseEstimator:
    # tol and n_iter_no_change: it trains all epochs, as the others do.
    return MLPRegressor(
        hidden_layer_sizes=(WIDTH,),
        alpha=0.0,
        batch_size=BATCH,
        max_iter=epochs,
        tol=0.0,
        n_iter_no_change=epochs + 1,
        random_state=seed,
    )


def ways() -> dict[str, Way]:
    """Return each way by name; peers that do not import are left out."""
    found = {
        "kerasdl, together": ours(True),
        "kerasdl, in turn": ours(False),
        "scikit-learn's MLPRegressor": by_scikit_learn(perceptron),
    }
    with contextlib.suppress(ImportError):  # an optional peer
        from scikeras.wrappers import KerasRegressor as SciKeras

        def scikeras(epochs: int, seed: int) -> BaseEstimator:
            return SciKeras(
                lambda: stock_model(),  # compiled there
                epochs=epochs,
                batch_size=BATCH,
                verbose=0,
                random_state=seed,
            )

        found[f"scikeras {version('scikeras')}"] = by_scikit_learn(scikeras)
    with contextlib.suppress(ImportError):  # an optional peer
        import skorch
        import torch

        class Network(torch.nn.Sequential):
            def __init__(self) -> None:
                middle = (torch.nn.ReLU(), torch.nn.Dropout(RATE))
                super().__init__(torch.nn.Linear(330, WIDTH), *middle, torch.nn.Linear(WIDTH, 1))

        def net(epochs: int, seed: int) -> BaseEstimator:
            torch.manual_seed(seed)
            settings = {"batch_size": BATCH, "max_epochs": epochs, "train_split": None, "verbose": 0}
            return skorch.NeuralNetRegressor(
                Network, optimizer=torch.optim.Adam, lr=0.001, iterator_train__shuffle=True, **settings
            )

        found[f"skorch {version('skorch')}"] = by_scikit_learn(net, Y[:, None])
    return found


def measure(epochs: int, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Return of each way its figures, a number a round; a first, short round compiles and is not counted."""
    candidates = ways()
    figures = ("seconds", "processor", "train", "valid")
    rows: dict[str, dict[str, list[float]]] = {name: {one: [] for one in figures} for name in candidates}
    for name, way in candidates.items():
        # Programs are made for a number of epochs: ours must have been through these.
        way(epochs if name.startswith("kerasdl") else 1, 0)
    for seed in range(rounds):
        for name, way in candidates.items():
            wall, processor = time.perf_counter(), time.process_time()
            train, valid = way(epochs, seed)
            spent = (time.perf_counter() - wall, time.process_time() - processor, train, valid)
            for figure, value in zip(figures, spent, strict=True):
                rows[name][figure].append(float(value))
    return rows


def table(record: dict) -> str:
    lines = [
        "# K-fold beside its peers",
        "",
        "Written by `benchmarks/kfold_peers.py`; see there for the task. Seconds are medians (least – most);",
        "`×` says how many times as long as `kerasdl, together` in the same run, on the clock and by the",
        "processor. R² is the mean over folds and rounds; the noise in the targets allows at most 0.83.",
    ]
    for backend, run in sorted(record.items()):
        lines += [
            "",
            f"## Keras on {backend}",
            "",
            "| way | seconds | × clock | × processor | R² train | valid |",
        ]
        lines += ["|---|---:|---:|---:|---:|---:|"]
        first = run["rows"]["kerasdl, together"]
        for name, found in run["rows"].items():
            times = found["seconds"]
            ratios = [
                statistics.median(found[one]) / statistics.median(first[one])
                for one in ("seconds", "processor")
            ]
            cells = [
                f"{statistics.median(times):.2f} ({min(times):.2f} – {max(times):.2f})",
                *(f"{ratio:.1f}" for ratio in ratios),
                *(f"{statistics.mean(found[side]):.3f}" for side in ("train", "valid")),
            ]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        lines += ["", run["where"]]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="3 epochs, one round, nothing written")
    parser.add_argument("--rounds", type=int, default=3, help="in which the ways take turns")
    args = parser.parse_args()
    epochs, rounds = (3, 1) if args.quick else (30, args.rounds)
    kept = Kept("kfold_peers", table, write=not args.quick)
    how = f"{epochs} epochs, {rounds} rounds, scikit-learn {sklearn.__version__}"
    kept.add(keras.backend.backend(), {"rows": measure(epochs, rounds)}, how)


if __name__ == "__main__":
    main()
