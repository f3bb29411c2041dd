"""What does a GPU give? Each section in processes of their own, in at most eight minutes, without a network.

    python benchmarks/gpu.py                              # every section on every backend that is installed
    python benchmarks/gpu.py --only layers fit --backends torch
    python benchmarks/gpu.py --quick                      # a dry run, on a CPU too

``layers``: forward and backward, ours, stock Keras and raw ``torch.nn`` (cuDNN). ``fit``: tokens a second
of ``training.fit`` and Keras's ``fit``. ``language``: the 2 × 256 language model. ``folds``: five folds, the
first call and a later one. ``draws``: initial weights and dropout masks, equal to a CPU's to the last bit.
``tests``: those of recurrent layers and estimators. ``course``: the fast chapters on the GPU and on the CPU,
held together by ``kerasdl compare``. A section that fails or takes too long says so, and the next begins.

Results: ``benchmarks/results/gpu.json`` and ``gpu.md``, written after each section; ``gpu-quick`` with
``--quick``.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Seconds that a section may take on one backend; together, on two backends, eight minutes.
SECTIONS = {"layers": 50, "fit": 45, "language": 25, "folds": 25, "draws": 25, "tests": 60, "course": 120}
BACKENDS = ("torch", "jax", "tensorflow")
CELLS = ("LSTM", "GRU", "SimpleRNN")
NO_GPU = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}


def wait(tensor: object) -> None:
    """Wait until a result is there."""
    import keras

    leaves = keras.tree.flatten(tensor)
    if leaves:
        keras.ops.convert_to_numpy(leaves[0])


def seconds(step: Callable[[], object], rounds: int) -> float:
    """Return the median time of one call, once it is compiled."""
    wait(step())
    wait(step())
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(5):
            last = step()
        wait(last)
        found.append((time.perf_counter() - began) / 5)
    return statistics.median(found)


def recurrent_step(home: str, cell: str, batch: int, time_steps: int, units: int, masked: bool) -> Callable:
    """Return a function that runs one layer forward and backward on the default device."""
    import keras
    import numpy as np

    from kerasdl import layers

    rng = np.random.default_rng(0)
    x = keras.ops.convert_to_tensor(rng.normal(size=(batch, time_steps, 28)).astype("float32"))
    counts = np.arange(time_steps) < rng.integers(time_steps // 2, time_steps + 1, size=batch)[:, None]
    mask = keras.ops.convert_to_tensor(counts) if masked else None
    if home == "raw":
        import torch

        raw = getattr(torch.nn, {"SimpleRNN": "RNN"}.get(cell, cell))(28, units, batch_first=True).to(
            x.device
        )

        def raw_step() -> object:
            raw.zero_grad()
            raw(x)[0].sum().backward()
            return raw.weight_ih_l0.grad

        return raw_step
    layer = getattr(layers if home == "ours" else keras.layers, cell)(units, return_sequences=True)
    layer.build((batch, time_steps, 28))
    weights = [v.value for v in layer.trainable_variables]
    frozen = [v.value for v in layer.non_trainable_variables]

    def loss(weights: list) -> object:
        return keras.ops.sum(layer.stateless_call(weights, frozen, x, mask=mask)[0])

    if keras.backend.backend() == "jax":
        import jax

        step = jax.jit(jax.grad(loss))
        return lambda: step(weights)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        @tf.function(autograph=False)
        def traced() -> object:
            with tf.GradientTape() as tape:
                value = keras.ops.sum(layer(x, mask=mask))
            return tape.gradient(value, [v.value for v in layer.trainable_variables])

        return traced

    def torch_step() -> object:
        layer.zero_grad()
        keras.ops.sum(layer(x, mask=mask)).backward()
        return layer.trainable_variables[0].value.grad

    return torch_step


def of_layers(quick: bool) -> list[dict]:
    """Milliseconds of each cell at each size, ours, stock and raw."""
    import keras

    sizes = [(32, 35, 16 if quick else 256, False), (32, 35, 16 if quick else 256, True)]
    sizes += [] if quick else [(128, 100, 1024, False)]
    homes = ("ours", "stock", *(("raw",) if keras.backend.backend() == "torch" else ()))
    rows = []
    for cell in CELLS:
        for batch, steps, units, masked in sizes:
            row: dict = {"what": f"{cell} {units}, batch {batch}, {steps} steps{', mask' if masked else ''}"}
            for home in homes:
                if home != "raw" or not masked:
                    step = recurrent_step(home, cell, batch, steps, units, masked)
                    row[f"{home}, ms"] = 1000 * seconds(step, 1 if quick else 5)
            rows.append(row)
    return rows


def trained(home: str, cell: str, layers_: int, quick: bool) -> Callable[[int], object]:
    """Return a function that trains so many epochs: embedding, recurrent layers, dense, 28 tokens."""
    import keras
    import numpy as np

    from kerasdl import layers, training

    batches, units = (2, 16) if quick else (40, 256)
    tokens = np.random.default_rng(0).integers(0, 28, size=(32 * batches, 35)).astype("int32")
    targets = np.roll(tokens, -1, axis=1)
    kind = getattr(keras.layers if home == "Keras's fit, stock" else layers, cell)
    inputs = hidden = keras.Input((35,), dtype="int32")
    hidden = keras.layers.Embedding(28, 28)(hidden)
    for _ in range(layers_):
        hidden = kind(units, return_sequences=True)(hidden)
    model = keras.Model(inputs, keras.layers.Dense(28)(hidden))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.5, global_clipnorm=1.0), loss)
    if home == "training.fit":
        return lambda epochs: training.fit(model, tokens, targets, batch_size=32, epochs=epochs)
    return lambda epochs: model.fit(tokens, targets, batch_size=32, epochs=epochs, verbose=0)


def of_fit(quick: bool) -> list[dict]:
    """Thousands of tokens a second by each way of training."""
    rows, tokens = [], 32 * (2 if quick else 40) * 35
    for cell in CELLS[:2]:
        row: dict = {"what": f"{cell}, batch 32"}
        for home in ("training.fit", "Keras's fit, ours", "Keras's fit, stock"):
            train = trained(home, cell, 1, quick)
            train(1)
            began = time.perf_counter()
            train(1 if quick else 3)
            row[f"{home}, thousand tokens/s"] = (
                (1 if quick else 3) * tokens / (time.perf_counter() - began) / 1e3
            )
        rows.append(row)
    return rows


def of_language(quick: bool) -> list[dict]:
    """Thousands of tokens a second of two LSTM layers by ``training.fit``, after a first call."""
    train, epochs = trained("training.fit", "LSTM", 2, quick), 1 if quick else 5
    began = time.perf_counter()
    train(1)
    first, began = time.perf_counter() - began, time.perf_counter()
    train(epochs)
    rate = epochs * 32 * (2 if quick else 40) * 35 / (time.perf_counter() - began) / 1e3
    return [{"what": "2 × LSTM 256, batch 32", "first call, s": first, "thousand tokens/s": rate}]


def of_folds(quick: bool) -> list[dict]:
    """Seconds of five folds of a network with dropout, the first call and a later one."""
    import numpy as np

    from kerasdl import estimators, models, selection

    rng = np.random.default_rng(0)
    rows = 100 if quick else 1460
    X, y = rng.normal(size=(rows, 330)).astype("float32"), rng.normal(size=rows).astype("float32")
    estimator = estimators.KerasRegressor(
        models.mlp, build__hidden=(64,), build__dropout=0.2, epochs=2 if quick else 30, random_state=0
    )
    row: dict = {"what": "5 folds, 330-64-1, dropout"}
    for name in ("first call, s", "later call, s"):
        began = time.perf_counter()
        selection.cross_validate(estimator, X, y)
        row[name] = time.perf_counter() - began
    return [row]


def digest() -> str:
    """Return a hash of what decides a run: initial weights, the order of rows, dropout masks."""
    import keras
    import numpy as np

    import kerasdl
    from kerasdl import layers, models

    kerasdl.set_seed(3)
    model = models.recurrent_stack(4, "gru", units=8, dropout=0.5)
    found = [*model.get_weights()]
    drop = layers.Dropout(0.5, seed=1)
    for _ in range(3):
        found.append(keras.ops.convert_to_numpy(drop(np.ones((64, 33), "float32"), training=True)))
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in found)).hexdigest()


def of_draws(quick: bool) -> list[dict]:
    """Whether the draws here are those of a process without a GPU."""
    command = [sys.executable, __file__, "--digest"]
    run = subprocess.run(command, env={**os.environ, **NO_GPU}, capture_output=True, text=True, check=True)
    equal = run.stdout.splitlines()[-1] == digest()
    return [{"what": "initial weights and dropout masks", "equal to a CPU's to the bit": equal}]


def of_tests(quick: bool) -> list[dict]:
    """How many tests pass on this device."""
    files = ["tests/layers/test_fused.py"] if quick else ["tests/layers", "tests/models", "tests/estimators"]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x" if quick else "-q",
        "-p",
        "no:cacheprovider",
        *files,
    ]
    run = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=False)
    return [{"what": " ".join(files), "pytest says": (run.stdout.strip().splitlines() or ["nothing"])[-1]}]


def of_course(quick: bool) -> list[dict]:
    """Whether the fast chapters find on the GPU what they find on the CPU."""
    import keras

    program = [sys.executable, "-m", "kerasdl"]
    chapters = ["backprop"] if quick else []
    with tempfile.TemporaryDirectory() as folder:
        places = {name: str(Path(folder, name)) for name in ("gpu", "cpu")}
        runs = []
        for name, place in places.items():
            command = [
                *program,
                "run",
                *chapters,
                "--fast",
                "--backend",
                keras.backend.backend(),
                "--out",
                place,
            ]
            environment = os.environ | (NO_GPU if name == "cpu" else {})
            runs.append(
                subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, cwd=HERE.parent)
            )
        codes = [run.wait() for run in runs]
        command = [*program, "compare", *places.values()]
        told = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE.parent)
    strays = [line.strip() for line in told.stdout.splitlines() if line.startswith("✗")]
    return [{"what": "fast chapters", "exit codes": codes, "agree": told.returncode == 0, "strays": strays}]


def device() -> str:
    """Return the name of the device that the backend computes on."""
    import keras

    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        return torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu"
    if backend == "jax":
        import jax

        return jax.devices()[0].device_kind
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(gpus[0])["device_name"] if gpus else "cpu"


def table(results: list[dict]) -> str:
    """Return the results as Markdown, a table for each backend and section."""
    text = [
        "# On a GPU, measured",
        "",
        "Written by `benchmarks/gpu.py`; see there for what each section is.",
        "",
    ]
    for one in results:
        text += [f"## {one['backend']}, {one['section']}", ""]
        text += (
            [f"{one['device']}, Keras {one['keras']}; {one['seconds']:.0f} s.", ""] if "rows" in one else []
        )
        text += [one["failed"], ""] if "failed" in one else []
        for row in one.get("rows", []):
            cells = [
                f"{key}: {value:.3g}" if isinstance(value, float) else f"{key}: {value}"
                for key, value in row.items()
            ]
            text += ["- " + "; ".join(cells).removeprefix("what: ")]
        text += [""]
    return "\n".join(text)


def measured(section: str, backend: str, quick: bool) -> dict:
    """Run one section on one backend in a process of its own, and return what it found."""
    command = [sys.executable, __file__, "--section", section, *(["--quick"] if quick else [])]
    paths = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH", "")]))
    environment = os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": paths, "TF_CPP_MIN_LOG_LEVEL": "3"}
    began, found = time.perf_counter(), {"section": section, "backend": backend}
    limit = 600 if quick else SECTIONS[section]
    try:
        run = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=limit, check=False
        )
        if run.returncode == 0:
            found |= json.loads(run.stdout.splitlines()[-1])
        else:
            found["failed"] = "failed: " + (run.stderr.strip().splitlines() or ["without a word"])[-1]
    except subprocess.TimeoutExpired:
        found["failed"] = f"took more than {limit} s"
    return {**found, "seconds": time.perf_counter() - began}


def main() -> None:
    """Measure, section by section, and write what is there after each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes: to see that it runs")
    parser.add_argument("--only", nargs="*", choices=SECTIONS, default=list(SECTIONS), metavar="SECTION")
    parser.add_argument("--backends", nargs="*", choices=BACKENDS, default=list(BACKENDS), metavar="BACKEND")
    parser.add_argument("--section", choices=SECTIONS, help=argparse.SUPPRESS)
    parser.add_argument("--digest", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.digest:
        print(digest())
    elif options.section:
        import keras

        rows = globals()[f"of_{options.section}"](options.quick)
        print(json.dumps({"device": device(), "keras": keras.__version__, "rows": rows}))
    else:
        results, name = [], "gpu-quick" if options.quick else "gpu"
        for section in options.only:
            for backend in options.backends:
                if importlib.util.find_spec(backend):
                    results.append(measured(section, backend, options.quick))
                    print(json.dumps(results[-1]), flush=True)
                    for ending, text in ((".json", json.dumps(results, indent=1)), (".md", table(results))):
                        (HERE / "results" / name).with_suffix(ending).write_text(text)


if __name__ == "__main__":
    main()
