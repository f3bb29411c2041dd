"""What do workers save? A grid of folds in this process and on two workers, and what that promises for more.

    KERAS_BACKEND=jax python benchmarks/scaling.py         # --quick: 2 epochs, nothing written

Two learning rates on 2 and on 8 folds of a small convolutional network, which can't be trained as one stack:
in turn, in this process; on two loky workers that have just been started; and once more on the same two. Each
is as its user meets it: compiling and, on new workers, loading Keras are in it.

The model: with *n* workers, *f* folds take start + fold · ⌈f ÷ n⌉ seconds; start and fold are read off the
two sizes of grid on new workers. What it says of more workers than two is arithmetic, not a measurement:
each worker has a core of its own, as quick as these were with both at work, and sending data costs nothing.
Each run adds its backend to ``benchmarks/results/scaling.json`` and writes ``scaling.md`` anew. Figures are
worth little where the load at the start was not near 0.
"""

import argparse
import math
import time

import keras
import numpy as np
from joblib import parallel_config
from kept import Kept

from kerasdl import models, selection
from kerasdl.engines import Loky
from kerasdl.estimators import KerasClassifier

BACKEND = keras.backend.backend()
WORKERS, GRID = 2, {"learning_rate": [0.001, 0.003]}
FOLDS = (2, 8)  # of each setting
FORESEEN, FORESEEN_FOLDS = (1, 2, 4, 8, 16, 64), 64
WAYS = ("in turn", "2 new workers", "the same workers")
GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(1000, 14, 14, 1)).astype("float32")
Y = GENERATOR.integers(10, size=1000)


def seconds(folds: int, epochs: int, jobs: int) -> float:
    """Search the grid in this process (1) or on loky's workers."""
    estimator = KerasClassifier(models.convnet, epochs=epochs, report_every=epochs, random_state=0)
    started = time.perf_counter()
    with parallel_config("loky", n_jobs=jobs):
        found = selection.grid_search(estimator, X, Y, GRID, cv=folds)
    assert found.engine == ("in turn" if jobs == 1 else "loky")
    return time.perf_counter() - started


def measure(epochs: int) -> dict[str, dict[str, float]]:
    """Seconds of each way, by the number of fits."""
    rows = {}
    for folds in FOLDS:
        Loky.stop()
        times = [seconds(folds, epochs, jobs) for jobs in (1, WORKERS, WORKERS)]
        rows[str(folds * len(GRID["learning_rate"]))] = dict(zip(WAYS, times, strict=True))
    return rows


def foreseen(rows: dict) -> tuple[float, float]:
    """Return what starting costs and what a round of folds does, in seconds."""
    (few, quick), (many, long) = ((int(fits) / WORKERS, run[WAYS[1]]) for fits, run in rows.items())
    fold = (long - quick) / (many - few)
    return quick - fold * few, fold


def table(record: dict) -> str:
    lines = [
        "# Folds on workers: seconds, and what more workers would give",
        "",
        "Written by `benchmarks/scaling.py`; see there for what is measured.",
        "",
        "| backend | folds | " + " | ".join(WAYS) + " | in turn ÷ new | in turn ÷ same |",
        "|---|---|" + "---:|" * (len(WAYS) + 2),
    ]
    for backend, run in sorted(record.items()):
        for fits, found in run["rows"].items():
            times = [found[way] for way in WAYS]
            cells = [f"{t:.1f}" for t in times] + [f"{times[0] / t:.2f}" for t in times[1:]]
            lines.append(f"| {backend} | {fits} | " + " | ".join(cells) + " |")
    lines += [
        "",
        f"Not measured but worked out, for {FORESEEN_FOLDS} folds of this size: start + fold · ⌈folds ÷ "
        "workers⌉ seconds, as if every worker had a core of its own and sending data were free.",
        "",
        "| backend | start | fold | " + " | ".join(f"{n} worker{'s' * (n > 1)}" for n in FORESEEN) + " |",
        "|---|" + "---:|" * (len(FORESEEN) + 2),
    ]
    for backend, run in sorted(record.items()):
        start, fold = foreseen(run["rows"])
        if fold <= 0:
            lines.append(f"| {backend} | – | – |" + " – |" * len(FORESEEN))  # the load changed in between
            continue
        times = [start + fold * math.ceil(FORESEEN_FOLDS / n) for n in FORESEEN]
        lines.append(
            f"| {backend} | {start:.1f} | {fold:.2f} | " + " | ".join(f"{t:.0f}" for t in times) + " |"
        )
    lines += [""] + [f"- {backend}: {run['where']}" for backend, run in sorted(record.items())]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="2 epochs, nothing written")
    epochs = 2 if (quick := parser.parse_args().quick) else 20
    kept = Kept("scaling", table, write=not quick)
    kept.add(BACKEND, {"rows": measure(epochs)}, f"{epochs} epochs")


if __name__ == "__main__":
    main()
