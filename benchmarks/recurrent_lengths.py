"""What do lengths that vary cost on TensorFlow, beside stock Keras?

Run ``python benchmarks/recurrent_lengths.py``. Trains two recurrent layers on batches of 20 and of 40
lengths, a first pass and a second, then predicts, each setting in a process of its own; and a fixed length
for comparison. Prints CPU seconds, ours / stock, and the memory that stays. CPU seconds of one thread, for a
busy machine stretches the others.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

CELLS = ["LSTM", "GRU", "SimpleRNN"]
LENGTHS = {"20 lengths": range(20, 40), "40 lengths": range(20, 60), "one length": [40] * 40}
BATCH, FEATURES, UNITS = 16, 16, 64


def memory() -> float:
    """Return this process's memory in MiB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


def measured(home: str, cell: str, setting: str) -> dict[str, float]:
    """Train and predict, and return the CPU seconds of each pass and the MiB that stay."""
    import keras
    import numpy as np

    from kerasdl import layers

    kind = getattr(layers if home == "ours" else keras.layers, cell)
    inputs = keras.Input((None, FEATURES))
    hidden = kind(UNITS)(kind(UNITS, return_sequences=True)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1)(hidden))
    model.compile("adam", "mse")
    rng = np.random.default_rng(0)
    targets = np.ones((BATCH, 1), "float32")
    batches = [rng.normal(size=(BATCH, n, FEATURES)).astype("float32") for n in LENGTHS[setting]]
    before, found = memory(), {}
    for name in ("first pass", "second pass"):
        start = time.process_time()
        for batch in batches:
            model.train_on_batch(batch, targets)
        found[name] = time.process_time() - start
    start = time.process_time()
    for batch in batches:
        model.predict_on_batch(batch)
    return {**found, "predict": time.process_time() - start, "MiB": memory() - before}


def main() -> None:
    """Measure every cell and setting, and print the table."""
    environment = os.environ | {
        "KERAS_BACKEND": "tensorflow",
        "OMP_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    print("| | first pass | second pass | predict | MiB |\n|---|---|---|---|---|")
    for cell in CELLS:
        for setting in LENGTHS:
            found = {}
            for home in ("ours", "stock"):
                command = [sys.executable, __file__, home, cell, setting]
                run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
                found[home] = json.loads(run.stdout.splitlines()[-1])
            cells = [f"{found['ours'][name]:.1f} / {found['stock'][name]:.1f}" for name in found["ours"]]
            print(f"| {cell}, {setting} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measured(*sys.argv[1:])))
    else:
        main()
