"""How fast are the recurrent layers? Ours, stock Keras, raw torch.nn and a raw JAX scan, in turn in one run.

    python benchmarks/recurrent.py --quick                     ≤ 5 minutes
    python benchmarks/recurrent.py --python jax=venv-jax/bin/python torch=venv-torch/bin/python

Each backend runs in a process of its own (``--python`` names its interpreter; default: this one), and all
wait while one of them works. ``layer``: forward and backward through the layers alone, the gradient taken
with respect to input and weights. ``fit``: embedding 28 → layer → dense 28, batch 32 × 35 steps, SGD with
clipping by global norm, Keras's ``fit`` with all that it does; raw torch is the same loop by hand. Medians,
and the half range between the quartiles. Only ratios count: an absolute time is this machine's.

Results: ``benchmarks/results/recurrent.json`` and ``recurrent.md`` (``recurrent-quick``, with ``--quick``).
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

from recurrent_table import write_table

RESULTS = Path(__file__).parent / "results"
CELLS = ["LSTM", "GRU", "SimpleRNN", "PeepholeLSTM"]
BASE = {
    "kind": "layer",
    "cell": "LSTM",
    "batch": 32,
    "units": 256,
    "layers": 1,
    "bidirectional": False,
    "mask": False,
}
VARIATIONS = [
    {},
    {"mask": True},
    {"layers": 2},
    {"bidirectional": True},
    {"batch": 16},
    {"batch": 128},
    {"units": 64},
    {"units": 512},
]
CANDIDATES = {
    "torch": ["ours", "stock", "raw torch"],
    "jax": ["ours", "stock", "raw scan"],
    "tensorflow": ["ours", "stock"],
}


class Worker:
    """A process of one backend that times what it is told, and is idle otherwise."""

    def __init__(self, backend: str, python: str):
        here = Path(__file__).parent
        paths = [str(here.parent), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {
            "KERAS_BACKEND": backend,
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        }
        self.process = subprocess.Popen(
            [python, str(here / "recurrent_worker.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )
        self.versions = json.loads(self.process.stdout.readline())

    def ask(self, **question):
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the process of {self.versions} died on {question}")
        return json.loads(answer)


def settings(quick: bool, only: list[str]):
    """Yield what is measured, one dictionary each."""
    for cell in CELLS:
        varied = VARIATIONS[:2] if quick else VARIATIONS
        for change in [*varied, {"kind": "fit"}]:
            setting = {**BASE, "cell": cell, **change}
            if not only or setting["kind"] in only or cell in only:
                yield setting


def measure(workers: dict, setting: dict, rounds: int) -> dict:
    """Return seconds by candidate, each a list over rounds in which the candidates took turns."""
    found, first = {}, {}
    candidates = [(b, c) for b in workers for c in CANDIDATES[b]]
    if setting["cell"] == "PeepholeLSTM":  # no such layer elsewhere; stock runs our cell in its own loop
        candidates = [(b, c) for b, c in candidates if not c.startswith("raw")]
    if setting["kind"] == "fit":
        candidates = [(b, c) for b, c in candidates if c != "raw scan"]
    for backend, candidate in candidates:
        first[f"{backend}, {candidate}"] = workers[backend].ask(do="prepare", candidate=candidate, **setting)
    for _ in range(rounds):
        for backend, candidate in candidates:
            seconds = workers[backend].ask(do="time", candidate=candidate)
            found.setdefault(f"{backend}, {candidate}", []).append(seconds)
    for backend in workers:
        workers[backend].ask(do="forget")
    return {"setting": setting, "seconds": found, "first_step": first}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer settings and rounds")
    parser.add_argument("--only", nargs="*", default=[], help="kinds (layer, fit) or cells")
    parser.add_argument("--python", nargs="*", default=[], metavar="BACKEND=PATH")
    parser.add_argument("--backends", nargs="*", default=list(CANDIDATES))
    parser.add_argument("--rounds", type=int)
    args = parser.parse_args()
    pythons = dict(one.split("=", 1) for one in args.python)
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"the machine is not quiet: load average {load:.1f}; the ratios will be noisy", file=sys.stderr)
    workers = {b: Worker(b, pythons.get(b, sys.executable)) for b in args.backends}
    began, rows = time.perf_counter(), []
    peak = workers["torch"].ask(do="peak") if "torch" in workers else None
    for setting in settings(args.quick, args.only):
        rows.append(measure(workers, setting, args.rounds or (7 if args.quick else 15)))
        medians = {k: f"{1000 * statistics.median(v):.1f}" for k, v in rows[-1]["seconds"].items()}
        print(*(v for k, v in setting.items() if v), medians, flush=True)
    machine = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load_before": load,
        "load_after": os.getloadavg()[0],
        "peak_gflops": peak,
        "versions": {b: w.versions for b, w in workers.items()},
        "minutes": round((time.perf_counter() - began) / 60, 1),
    }
    name = "recurrent-quick" if args.quick else "recurrent"
    write_table(RESULTS / name, {"machine": machine, "rows": rows})


if __name__ == "__main__":
    main()
