"""The sections of ``gpu.py`` that take time: layers, trainings, a language model and folds."""

import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

import keras
import numpy as np

from kerasdl import estimators, layers, models, selection, training

BACKEND = keras.backend.backend()
FEATURES, TOKENS, STEPS, BATCH = 28, 28, 35, 32

Step = Callable[[], object]
Row = dict[str, object]


def wait(tensors: object) -> None:
    """Wait until a result is there: the device works on while Python goes ahead."""
    leaves = keras.tree.flatten(tensors)
    if leaves:
        keras.ops.convert_to_numpy(leaves[0])


def in_turn(candidates: dict[str, Step], rounds: int, calls: int) -> dict[str, float]:
    """Return each candidate's median seconds a call, once it is compiled; they take turns."""
    for step in candidates.values():
        wait(step())
        wait(step())
    found: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, step in candidates.items():
            began = time.perf_counter()
            for _ in range(calls):
                last = step()
            wait(last)
            found[name].append((time.perf_counter() - began) / calls)
    return {name: statistics.median(times) for name, times in found.items()}


def beside(seconds: dict[str, float], ours: str) -> Row:
    """Return how many times as long as ours each of the others took."""
    return {f"{name} ÷ {ours}": taken / seconds[ours] for name, taken in seconds.items() if name != ours}


def of_layers(quick: bool, until: float) -> Iterator[Row]:
    """Milliseconds of each cell, forward and backward: ours, stock and, on PyTorch, raw."""
    units = 16 if quick else 256
    cells = ("LSTM", "GRU", "SimpleRNN", "PeepholeLSTM")
    sizes = [(BATCH, STEPS, units, False), (BATCH, STEPS, units, True)]
    for batch, steps, units, masked in [*sizes, *([] if quick else [(128, 100, 1024, False)])]:
        for cell in cells:
            make = partial(layer_step, cell, batch, steps, units, masked)
            candidates = {home: make(home) for home in ("ours", "stock")}
            if BACKEND == "torch" and cell != "PeepholeLSTM":
                candidates["raw"] = raw_layer_step(cell, batch, steps, units, masked)
            seconds = in_turn(candidates, 1 if quick else 5, 1 if quick else 5)
            what = f"{cell} {units}, batch {batch}, {steps} steps{', mask' if masked else ''}"
            milliseconds = {f"{home}, ms": 1000 * taken for home, taken in seconds.items()}
            yield {"what": what, **milliseconds, **beside(seconds, "ours")}


def sequences(batch: int, steps: int, masked: bool) -> tuple[object, object]:
    """Return inputs and, if asked for, a mask of rows that end early."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, steps, FEATURES)).astype("float32")
    mask = np.arange(steps) < rng.integers(steps // 2, steps + 1, size=batch)[:, None]
    return keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(mask) if masked else None


def layer_step(cell: str, batch: int, steps: int, units: int, masked: bool, home: str) -> Step:
    """Return a function that runs one layer of Keras's kind forward and backward on the default device."""
    x, mask = sequences(batch, steps, masked)
    if home == "ours":
        layer = getattr(layers, cell)(units, return_sequences=True)
    elif cell == "PeepholeLSTM":  # stock Keras has no such layer: its own loop over our cell
        layer = keras.layers.RNN(layers.PeepholeLSTMCell(units), return_sequences=True)
    else:
        layer = getattr(keras.layers, cell)(units, return_sequences=True)
    layer.build((batch, steps, FEATURES))
    if BACKEND == "jax":
        import jax

        weights = [v.value for v in layer.trainable_variables]
        frozen = [v.value for v in layer.non_trainable_variables]

        def loss(weights: list) -> object:
            return keras.ops.sum(layer.stateless_call(weights, frozen, x, mask=mask)[0])

        return partial(jax.jit(jax.grad(loss)), weights)
    if BACKEND == "tensorflow":
        import tensorflow as tf

        @tf.function(autograph=False)
        def traced() -> object:
            with tf.GradientTape() as tape:
                value = keras.ops.sum(layer(x, mask=mask))
            return tape.gradient(value, [v.value for v in layer.trainable_variables])

        return traced

    def step() -> object:
        layer.zero_grad()
        keras.ops.sum(layer(x, mask=mask)).backward()
        return layer.trainable_variables[0].value.grad

    return step


def raw_layer_step(cell: str, batch: int, steps: int, units: int, masked: bool) -> Step:
    """Return the same of torch.nn's own layer; rows that end early are packed."""
    import torch
    from torch.nn.utils import rnn

    x, mask = sequences(batch, steps, masked)
    kind = getattr(torch.nn, {"SimpleRNN": "RNN"}.get(cell, cell))
    layer = kind(FEATURES, units, batch_first=True).to(x.device)
    lengths = None if mask is None else mask.sum(dim=1).cpu()

    def step() -> object:
        layer.zero_grad()
        given = x if lengths is None else rnn.pack_padded_sequence(x, lengths, True, enforce_sorted=False)
        outputs = layer(given)[0]
        outputs = outputs if lengths is None else rnn.pad_packed_sequence(outputs, True)[0]
        outputs.sum().backward()
        return layer.weight_ih_l0.grad

    return step


def text(batches: int) -> tuple[np.ndarray, np.ndarray]:
    """Return tokens and those that follow."""
    tokens = np.random.default_rng(0).integers(0, TOKENS, size=(BATCH * batches, STEPS)).astype("int32")
    return tokens, np.roll(tokens, -1, axis=1)


def trained(home: str, cell: str, depth: int, units: int, batches: int) -> Step:
    """Return a function that trains one epoch: embedding, recurrent layers, dense, SGD with clipping."""
    tokens, targets = text(batches)
    if home == "raw":
        return raw_loop(cell, depth, units, tokens, targets)
    kind = getattr(keras.layers if home == "fit, stock" else layers, cell)
    inputs = keras.Input((STEPS,), dtype="int32")
    hidden = keras.layers.Embedding(TOKENS, FEATURES)(inputs)
    for _ in range(depth):
        hidden = kind(units, return_sequences=True)(hidden)
    model = keras.Model(inputs, keras.layers.Dense(TOKENS)(hidden))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.5, global_clipnorm=1.0), loss)
    if home == "training.fit":
        return lambda: training.fit(model, tokens, targets, batch_size=BATCH, epochs=1) is None
    return lambda: model.fit(tokens, targets, batch_size=BATCH, epochs=1, verbose=0) is None


def raw_loop(cell: str, depth: int, units: int, tokens: np.ndarray, targets: np.ndarray) -> Step:
    """Return the same of torch.nn and torch.optim alone."""
    import torch

    device = keras.ops.convert_to_tensor(0.0).device
    kind = getattr(torch.nn, {"SimpleRNN": "RNN"}.get(cell, cell))
    embed, head = torch.nn.Embedding(TOKENS, FEATURES), torch.nn.Linear(units, TOKENS)
    recurrent = kind(FEATURES, units, depth, batch_first=True)
    weights = [w for part in (embed, recurrent, head) for w in part.to(device).parameters()]
    optimizer = torch.optim.SGD(weights, 0.5)
    x, y = torch.tensor(tokens, device=device).long(), torch.tensor(targets, device=device).long()

    def epoch() -> object:
        for rows in torch.randperm(len(x), device=device).split(BATCH):
            optimizer.zero_grad()
            logits = head(recurrent(embed(x[rows]))[0])
            torch.nn.functional.cross_entropy(logits.flatten(0, 1), y[rows].flatten()).backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
        return head.bias

    return epoch


def of_fit(quick: bool, until: float) -> Iterator[Row]:
    """Thousands of tokens a second by each way of training."""
    batches, units = (2, 16) if quick else (80, 256)  # so many steps are worth a recording on PyTorch
    homes = ["training.fit", "fit, ours", "fit, stock", *(["raw"] if BACKEND == "torch" else [])]
    for cell, depth in (("LSTM", 1), ("GRU", 2), ("GRU", 1), ("LSTM", 2), ("SimpleRNN", 1)):
        candidates = {home: trained(home, cell, depth, units, batches) for home in homes}
        seconds = in_turn(candidates, 1 if quick else 3, 1)
        rates = {home: BATCH * batches * STEPS / 1000 / taken for home, taken in seconds.items()}
        own = {"stock ÷ ours": seconds["fit, stock"] / seconds["fit, ours"]}
        if "raw" in seconds:
            own["raw ÷ training.fit"] = seconds["raw"] / seconds["training.fit"]
        yield {"what": f"{depth} × {cell} {units}, batch {BATCH}, thousand tokens/s", **rates, **own}


def of_language(quick: bool, until: float) -> Iterator[Row]:
    """Thousands of tokens a second of the course's language model by ``training.fit``, after a first call."""
    batches, units, epochs = (2, 16, 1) if quick else (40, 256, 5)
    tokens, targets = text(batches)
    for cell in ("lstm", "gru"):
        model = models.language_model(TOKENS, cell, units=units, layers=2)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.5, global_clipnorm=1.0), loss)
        row: Row = {"what": f"2 × {cell} {units}, batch {BATCH}"}
        began = time.perf_counter()
        training.fit(model, tokens, targets, batch_size=BATCH, epochs=epochs)
        row["first call, s"] = time.perf_counter() - began
        began = time.perf_counter()
        history = training.fit(model, tokens, targets, batch_size=BATCH, epochs=epochs)
        row["thousand tokens/s"] = epochs * tokens.size / 1000 / (time.perf_counter() - began)
        yield row | {"way": " ".join(map(str, history.attrs.values()))}


def of_folds(quick: bool, until: float) -> Iterator[Row]:
    """Seconds of five folds: all together, called twice, and one by one."""
    rng, rows = np.random.default_rng(0), 100 if quick else 1460
    X, y = rng.normal(size=(rows, 330)).astype("float32"), rng.normal(size=rows).astype("float32")
    estimator = estimators.KerasRegressor(
        models.mlp, build__hidden=(64,), build__dropout=0.2, epochs=2 if quick else 30, random_state=0
    )
    ways = {"all together": ("first call, s", "later call, s"), "one by one": ("first call, s",)}
    for way, calls in ways.items():
        row: Row = {"what": f"5 folds of a 330-64-1 network with dropout, {way}"}
        for name in calls:
            began = time.perf_counter()
            selection.cross_validate(estimator, X, y, vectorize=way == "all together")
            row[name] = time.perf_counter() - began
        yield row


SECTIONS = {"layers": of_layers, "fit": of_fit, "language": of_language, "folds": of_folds}
