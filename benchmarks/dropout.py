"""What does the portable Dropout cost beside Keras's own? Medians of alternating runs, one backend a process.

    KERAS_BACKEND=jax python benchmarks/dropout.py

Each run adds its backend's rows to ``benchmarks/results/dropout.json`` and writes ``dropout.md`` anew. Only
the ratios count, for the layers take turns in one process; an absolute time is this machine's.

``call``: a training call on its own, as Keras runs it inside a step: compiled on JAX, a compiled
``tf.function`` on TensorFlow and a plain one beside it, eager on torch. ``fit``: one step of a
784-256-256-10 perceptron with two such layers, in Keras's ``fit``.
"""

import statistics
import time
from functools import partial

import keras
import numpy as np
from kept import Kept

import kerasdl
from kerasdl import layers, models

BACKEND = keras.backend.backend()
SHAPES = [(256, 256), (32, 35, 256)]
ROUNDS, CALLS = 15, 4
RATE = 0.5
# On torch the stock layer has a second path, the framework's own, which obeys no seed.
MAKERS = {
    "kerasdl": lambda: layers.Dropout(RATE, seed=0),
    "stock, seeded": lambda: keras.layers.Dropout(RATE, seed=0),
    "stock, no seed": lambda: keras.layers.Dropout(RATE),
}


def calls(layer) -> dict:
    """The ways in which this backend runs a training call: name → function of a tensor."""
    if BACKEND == "torch":
        return {"eager": lambda x: layer(x, training=True)}
    if BACKEND == "tensorflow":
        import tensorflow as tf

        def plain(x):
            return layer(x, training=True)

        compiled = tf.function(plain, jit_compile=True, autograph=False)
        return {"function": tf.function(plain, autograph=False), "compiled": compiled}
    import jax

    layer.build(None)
    stateless = jax.jit(lambda state, x: layer.stateless_call([], state, x, training=True))
    state = [variable.value for variable in layer.non_trainable_variables]
    return {"compiled": lambda x: jax.block_until_ready(stateless(state, x)[0])}


def measure(functions: dict) -> dict:
    """Median and quartiles of each function's time in milliseconds; the functions take turns."""
    times = {name: [] for name in functions}
    for round_number in range(ROUNDS + 2):
        for name, function in functions.items():
            started = time.perf_counter()
            for _ in range(CALLS):
                function()
            if round_number >= 2:  # the first rounds trace and compile
                times[name].append((time.perf_counter() - started) / CALLS * 1e3)
    return {name: statistics.quantiles(series, n=4) for name, series in times.items()}


def call_rows():
    for shape in SHAPES:
        x = keras.ops.convert_to_tensor(np.random.default_rng(0).normal(size=shape).astype("float32"))
        ways = {name: calls(make()) for name, make in MAKERS.items()}
        for way in ways["kerasdl"]:
            found = measure({name: partial(way_of[way], x) for name, way_of in ways.items()})
            yield f"call, {way}, {'×'.join(map(str, shape))}", found


def fit_row():
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(256 * 10, 784)).astype("float32"), generator.integers(10, size=2560)
    functions = {}
    for name, make in MAKERS.items():
        kerasdl.set_seed(0)
        plain = models.mlp(784)
        outputs = plain.inputs[0]
        for layer in plain.layers[1:]:
            outputs = layer(outputs)
            if layer.name.startswith("hidden"):
                outputs = make()(outputs)
        model = keras.Model(plain.inputs, outputs)
        model.compile(keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        functions[name] = lambda model=model: model.fit(x, y, batch_size=256, shuffle=False, verbose=0)
    found = measure(functions)
    return "fit, a step, 256×784", {name: [t / 10 for t in quartiles] for name, quartiles in found.items()}


def table(record: dict) -> str:
    lines = [
        "# Dropout: milliseconds, median (quartiles); ratios to stock below 1 are in kerasdl's favour",
        "",
        "Written by `benchmarks/dropout.py`; see there for what is measured.",
        "",
        "| backend | what | " + " | ".join(MAKERS) + " | ÷ seeded | ÷ no seed |",
        "|---|---|" + "---:|" * (len(MAKERS) + 2),
    ]
    for backend, run in sorted(record.items()):
        for what, found in run["rows"].items():
            cells = [f"{found[m][1]:.3f} ({found[m][0]:.3f} – {found[m][2]:.3f})" for m in MAKERS]
            ours, *stock = (found[m][1] for m in MAKERS)
            ratios = [f"{ours / other:.2f}" for other in stock]
            lines.append(f"| {backend} | {what} | " + " | ".join(cells + ratios) + " |")
    lines += [""] + [f"- {backend}: {run['where']}" for backend, run in sorted(record.items())]
    return "\n".join(lines) + "\n"


def main() -> None:
    kept = Kept("dropout", table)
    kept.add(BACKEND, {"rows": dict([*call_rows(), fit_row()])})


if __name__ == "__main__":
    main()
