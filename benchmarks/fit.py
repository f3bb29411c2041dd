"""What does training cost? `training.fit` beside Keras's own `fit` and a raw loop, in turn.

    KERAS_BACKEND=jax python benchmarks/fit.py           # --quick: fewer rounds; --only mlp: some cells

Each run adds its backend's rows to ``benchmarks/results/fit.json`` and writes ``fit.md`` anew. ``first`` is
one epoch of a new model, tracing and compiling included; ``alike``, the same of a third model of its kind, as
folds and settings of a search are; ``warm``, the last of three equal calls on another: by then
PyTorch has recorded a step of each size of batch, the last short one too. ``Keras`` is ``model.fit`` on
arrays, for a recurrent network with Keras's own layer. ``raw`` is a loop without Keras's ``fit``: a module of
torch.nn and its optimizer, or one scan over an epoch that JAX compiles, no metrics, the last short batch left
out: what the arithmetic takes. Medians over rounds in which the candidates take turns; only ratios count, and
those of a busy machine little.
"""

import argparse
import importlib.util
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

import kerasdl
from kerasdl import files, layers, training
from kerasdl.training.programs import recent

RESULTS = Path(__file__).parent / "results"
BACKEND = keras.backend.backend()
RNG = np.random.default_rng(0)
LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


class Cell(NamedTuple):
    """One setting: what is trained, on how many rows a batch, for how many epochs once warm."""

    kind: str
    batch: int
    epochs: int
    width: int = 0


CELLS = [
    Cell("linear", 1, 50),
    Cell("mlp", 1, 2),
    Cell("mlp", 32, 20),
    Cell("mlp", 256, 40),
    Cell("convnet", 32, 2),
    Cell("convnet", 256, 2),
    Cell("lstm", 1, 1, 32),
    Cell("lstm", 32, 5, 32),
    Cell("lstm", 32, 2, 256),
    Cell("lstm", 256, 2, 256),
]


def data(kind: str) -> tuple[np.ndarray, np.ndarray]:
    if kind == "linear":
        return RNG.normal(size=(20, 200)).astype("float32"), RNG.normal(size=(20, 1)).astype("float32")
    if kind == "mlp":
        return RNG.normal(size=(1437, 64)).astype("float32"), RNG.integers(0, 10, 1437)
    if kind == "convnet":
        return RNG.normal(size=(1024, 28, 28, 1)).astype("float32"), RNG.integers(0, 10, 1024)
    return RNG.normal(size=(512, 35, 28)).astype("float32"), RNG.integers(0, 28, (512, 35))


def model(cell: Cell, stock: bool) -> keras.Model:
    """Return the compiled Keras model of a cell; ``stock``: with Keras's own recurrent layer."""
    dense = keras.layers.Dense
    if cell.kind == "linear":
        own = keras.Sequential([keras.Input((200,)), dense(1)])
        own.compile(keras.optimizers.SGD(0.003), "mse")
    elif cell.kind == "mlp":
        own = keras.Sequential([keras.Input((64,)), dense(64, "relu"), dense(64, "relu"), dense(10)])
        own.compile(keras.optimizers.Adam(), LOGITS, metrics=["accuracy"])
    elif cell.kind == "convnet":
        parts = [keras.layers.Conv2D(6, 5, padding="same", activation="relu"), keras.layers.MaxPooling2D()]
        parts += [keras.layers.Conv2D(16, 5, activation="relu"), keras.layers.MaxPooling2D()]
        own = keras.Sequential([keras.Input((28, 28, 1)), *parts, keras.layers.Flatten(), dense(10)])
        own.compile(keras.optimizers.SGD(0.1), LOGITS, metrics=["accuracy"])
    else:
        layer = (keras.layers if stock else layers).LSTM(cell.width, return_sequences=True)
        own = keras.Sequential([keras.Input((35, 28)), layer, dense(28)])
        own.compile(keras.optimizers.SGD(1.0, global_clipnorm=1.0), LOGITS)
    return own


def ours(cell: Cell, x: np.ndarray, y: np.ndarray) -> Callable[[int], None]:
    trained = model(cell, stock=False)
    return lambda epochs: training.fit(trained, x, y, epochs=epochs, batch_size=cell.batch)


def stock(cell: Cell, x: np.ndarray, y: np.ndarray) -> Callable[[int], None]:
    trained = model(cell, stock=True)
    return lambda epochs: trained.fit(x, y, epochs=epochs, batch_size=cell.batch, verbose=0)


def torch_loop(cell: Cell, x: np.ndarray, y: np.ndarray) -> Callable[[int], None]:
    import torch
    from torch import nn

    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.dense = nn.LSTM(28, cell.width, batch_first=True), nn.Linear(cell.width, 28)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.dense(self.lstm(x)[0]).flatten(0, 1)

    rate, kind = {"linear": 0.003, "convnet": 0.1}.get(cell.kind, 1.0), torch.optim.SGD
    if cell.kind == "linear":
        net = nn.Linear(200, 1)
    elif cell.kind == "mlp":
        net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
        rate, kind = 0.001, torch.optim.Adam
    elif cell.kind == "convnet":
        net = nn.Sequential(
            *(nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 10)),
        )
        x = x.transpose(0, 3, 1, 2)
    else:
        net = Recurrent()
    loss = nn.functional.mse_loss if cell.kind == "linear" else nn.functional.cross_entropy
    inputs, targets, optimizer = torch.as_tensor(x), torch.as_tensor(y), kind(net.parameters(), rate)

    def train(epochs: int) -> None:
        for _ in range(epochs):
            for rows in torch.randperm(len(x)).split(cell.batch):
                optimizer.zero_grad()
                wanted = targets[rows]
                loss(net(inputs[rows]), wanted.flatten() if cell.kind == "lstm" else wanted).backward()
                if cell.kind == "lstm":
                    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
                optimizer.step()

    return train


def jax_scan(cell: Cell, x: np.ndarray, y: np.ndarray) -> Callable[[int], None]:
    import jax

    own = model(cell, stock=False)
    own.optimizer.build(own.trainable_variables)

    def loss(weights, others, batch, targets):
        outputs, others = own.stateless_call(weights, others, batch, training=True)
        found = keras.losses.mean_squared_error if cell.kind == "linear" else LOGITS
        return keras.ops.mean(found(targets, outputs)), others

    def step(state, rows):
        weights, optimizer, others = state
        gradient = jax.value_and_grad(loss, has_aux=True)
        (_, others), gradients = gradient(weights, others, inputs[rows], outputs[rows])
        return (*own.optimizer.stateless_apply(optimizer, gradients, weights), others), None

    @jax.jit
    def epoch(state, orders):
        return jax.lax.scan(step, state, orders)[0]

    inputs, outputs = jax.numpy.asarray(x), jax.numpy.asarray(y)
    state = tuple(
        [variable.value for variable in variables]
        for variables in (own.trainable_variables, own.optimizer.variables, own.non_trainable_variables)
    )

    def train(epochs: int) -> None:
        nonlocal state
        whole = len(x) // cell.batch * cell.batch
        for _ in range(epochs):
            state = epoch(state, RNG.permutation(len(x))[:whole].reshape(-1, cell.batch))
        jax.block_until_ready(state)

    return train


def candidates() -> dict[str, Callable]:
    found: dict[str, Callable] = {"kerasdl": ours, "Keras": stock}
    if BACKEND == "jax":
        found["raw"] = jax_scan
    elif importlib.util.find_spec("torch"):
        found["raw"] = torch_loop
    return found


def measure(cell: Cell, rounds: int, clock: Callable[[], float]) -> dict[str, dict[str, float]]:
    """Return each candidate's median seconds: first, alike and warm."""
    x, y = data(cell.kind)
    seconds: dict[str, dict[str, list[float]]] = {
        name: {"first": [], "alike": [], "warm": []} for name in candidates()
    }
    for turn in range(rounds):
        named = list(candidates().items())
        for name, prepare in named[turn % len(named) :] + named[: turn % len(named)]:
            kerasdl.set_seed(turn)
            recent.SHARED.clear()  # the next model is the first of its kind, as in a new process
            for what, calls in (("first", [1]), ("", [1]), ("alike", [1]), ("warm", 3 * [cell.epochs])):
                train = prepare(cell, x, y)
                for epochs in calls:
                    start = clock()
                    train(epochs)
                    spent = clock() - start
                if what:  # TensorFlow makes the trace that it shares with the second of a kind
                    seconds[name][what].append(spent)
    return {
        name: {what: statistics.median(values) for what, values in both.items()}
        for name, both in seconds.items()
    }


def table(found: dict) -> str:
    lines = [
        "# Training: seconds, medians, and how many times quicker `training.fit` is",
        "",
        "Written by `benchmarks/fit.py`; see there for what is measured. A first call traces and compiles.",
        "",
        "| backend | model | batch | first: kerasdl | Keras | Keras ÷ kerasdl "
        "| alike: kerasdl | Keras ÷ kerasdl "
        "| epochs | warm: kerasdl | Keras | raw | Keras ÷ kerasdl | raw ÷ kerasdl |",
        "|---|---" + 12 * "|---:" + "|",
    ]
    for backend, run in found.items():
        for name, row in run["cells"].items():
            kind, batch, epochs = name.split(",")
            own, keras_, raw = (row.get(who) for who in ("kerasdl", "Keras", "raw"))
            numbers = [f"{own['first']:.3f}", f"{keras_['first']:.3f}"]
            numbers += [f"{keras_['first'] / own['first']:.2f}", f"{own['alike']:.3f}"]
            numbers += [f"{keras_['alike'] / own['alike']:.1f}", epochs]
            numbers += [f"{own['warm']:.3f}", f"{keras_['warm']:.3f}", f"{raw['warm']:.3f}" if raw else "–"]
            numbers += [f"{keras_['warm'] / own['warm']:.1f}"]
            numbers += [f"{raw['warm'] / own['warm']:.1f}" if raw else "–"]
            lines.append(f"| {backend} | {kind} | {batch} | " + " | ".join(numbers) + " |")
    lines.append("")
    lines += [f"- {backend}: {run['setting']}" for backend, run in found.items()]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round instead of three")
    parser.add_argument("--only", nargs="*", default=[], help="models to measure; default: all")
    parser.add_argument("--cpu", action="store_true", help="processor time, on a busy machine")
    parser.add_argument("--dry", action="store_true", help="write no table")
    arguments = parser.parse_args()
    start = os.getloadavg()[0]
    clock = time.process_time if arguments.cpu else time.perf_counter
    stock(CELLS[0], *data("linear"))(1)  # what a backend does once, nobody's account
    cells = {}
    for cell in CELLS:
        if arguments.only and cell.kind not in arguments.only:
            continue
        found = measure(cell, 1 if arguments.quick else 3, clock)
        cells[f"{cell.kind}{cell.width or ''},{cell.batch},{cell.epochs}"] = found
        first, alike, warm = (
            found["Keras"][what] / found["kerasdl"][what] for what in ("first", "alike", "warm")
        )
        said = f"first {first:.2f}, alike {alike:.1f}, warm {warm:.2f}"
        print(cell.kind, cell.width or "", cell.batch, said, flush=True)
    kind = "processor" if arguments.cpu else "wall"
    setting = (
        f"{kind} time, keras {keras.__version__}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores, load {start:.1f} at the start, {os.getloadavg()[0]:.1f} at the end"
    )
    if arguments.dry:
        return
    path = RESULTS / "fit.json"
    everything = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    before = everything.get(BACKEND, {}).get("cells", {})
    everything[BACKEND] = {"cells": before | cells, "setting": setting}
    files.write(path, json.dumps(everything, indent=1) + "\n")
    files.write(RESULTS / "fit.md", table(everything))


if __name__ == "__main__":
    main()
