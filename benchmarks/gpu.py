"""What does a GPU give? Sections, each in processes of their own, in eight minutes and without a network.

    python benchmarks/gpu.py                              # every section on every backend that is installed
    python benchmarks/gpu.py --minutes 3 --only layers fit --backends torch
    python benchmarks/gpu.py --quick                      # a dry run of small sizes, on a CPU too

``layers``: forward and backward, ours, stock Keras and raw ``torch.nn`` (cuDNN). ``fit``: tokens a second of
``training.fit``, of Keras's ``fit`` and of a raw loop. ``language``: the 2 × 256 language model. ``folds``:
five folds, the first call and a later one. ``draws``: initial weights, order of rows and dropout masks, equal
to a CPU's to the last bit. ``tests``: those of layers, models and estimators. ``course``: the fast chapters
beside what a CPU found, which is kept in ``results/course_cpu.json`` (``--record`` writes it anew, on a CPU).

The minutes are shared out; what a section leaves goes to those after it. One that runs out of its time says
so and keeps what it has found. Results: ``benchmarks/results/gpu.json`` and ``gpu.md``, written after each
section; ``gpu-quick`` with ``--quick``. Sections are in ``gpu_speed.py`` and ``gpu_checks.py``.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
# How much of the time each section gets; first what has bars.
SHARES = {"layers": 5, "fit": 5, "language": 2, "folds": 2, "draws": 2, "tests": 5, "course": 6}
BACKENDS = ("torch", "jax", "tensorflow")
QUICK = 900  # seconds that a section of a dry run may take: on a CPU little is quick
ENVIRONMENT = {
    "PYTHONPATH": os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")])),
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # A section has processes of its own beside it on the one GPU: none may take its whole memory.
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
}
BARS = {
    "layers": "Bars: stock ÷ ours at least 1; raw ÷ ours at least .9 for SimpleRNN; on PyTorch, LSTM 256 "
    "with a mask in at most 5.4 ms (an H200 took 21.5 before rows were packed).",
    "fit": "Bars: stock ÷ ours at least 1; raw ÷ training.fit at least .8.",
    "language": "Bar: 600 thousand tokens/s on JAX and an H100 or better.",
    "draws": "Bar: equal.",
    "tests": "Bar: none fails.",
    "course": "Bar: each check within its tolerance between backends.",
}

Row = dict[str, object]


def sections() -> dict[str, Callable[[bool, float], Iterator[Row]]]:
    """Return each section's function: small sizes or not, and until when, in; rows out, as they are found."""
    import gpu_checks
    import gpu_speed

    return {**gpu_speed.SECTIONS, **gpu_checks.SECTIONS}


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


def work(section: str, quick: bool, seconds: float) -> None:
    """Run a section in this process: first what it runs on, then its rows, each a line of JSON."""
    until = time.monotonic() + seconds
    import keras

    backend = keras.backend.backend()
    versions = {"keras": keras.__version__, backend: sys.modules[backend].__version__}
    print(json.dumps({"device": device(), **versions}), flush=True)
    for row in sections()[section](quick, until):
        print(json.dumps(row), flush=True)


def measured(section: str, backend: str, quick: bool, seconds: float) -> Row:
    """Run one section on one backend in a process of its own, and return what it found in its time."""
    command = [sys.executable, __file__, "--section", section, "--seconds", f"{seconds - 5:.0f}"]
    environment = os.environ | ENVIRONMENT | {"KERAS_BACKEND": backend}
    began, failed = time.monotonic(), ""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [*command, *(["--quick"] if quick else [])],
            env=environment,
            stdout=out,
            stderr=errors,
            start_new_session=True,
        )
        try:
            if process.wait(seconds):
                errors.seek(0)
                failed = "failed: " + (errors.read().strip().splitlines() or ["without a word"])[-1]
        except subprocess.TimeoutExpired:
            failed = f"ran out of its {seconds:.0f} s"
        finally:  # whatever it has started ends with it
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        out.seek(0)
        lines = [json.loads(line) for line in out if line.startswith("{") and line.endswith("}\n")]
    found = {"section": section, "backend": backend, "on": lines[0] if lines else {}, "rows": lines[1:]}
    return found | ({"failed": failed} if failed else {}) | {"seconds": time.monotonic() - began}


def text(results: list[dict]) -> str:
    """Return the results as Markdown: a table for each section, in which backends follow one another."""
    told = "Written by `benchmarks/gpu.py`; see there for what each section is."
    lines = ["# On a GPU, measured", "", told, ""]
    for section in dict.fromkeys(one["section"] for one in results):
        own = [one for one in results if one["section"] == section]
        columns = list(dict.fromkeys(name for one in own for row in one["rows"] for name in row))
        lines += [f"## {section}", "", *([BARS[section], ""] if section in BARS else [])]
        if columns:
            lines += [f"| backend | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
        for one in own:
            for row in one["rows"]:
                cells = [_cell(row.get(name, "")) for name in columns]
                lines.append(f"| {one['backend']} | {' | '.join(cells)} |")
        lines += [""] * bool(columns)
        for one in own:
            on = ", ".join(f"{what} {which}" for what, which in one["on"].items()) or "nothing was told"
            end = f": {one['failed']}" if "failed" in one else ""
            lines.append(f"- {one['backend']}: {on}; {one['seconds']:.0f} s{end}")
        lines.append("")
    return "\n".join(lines)


def _cell(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value).replace("|", "/")


def main() -> None:
    """Measure, section by section, and write what is there after each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes: to see that it runs")
    parser.add_argument("--minutes", type=float, default=8, help="for all that is measured (default: 8)")
    parser.add_argument("--only", nargs="*", choices=SHARES, default=list(SHARES), metavar="SECTION")
    parser.add_argument("--backends", nargs="*", choices=BACKENDS, default=list(BACKENDS), metavar="BACKEND")
    parser.add_argument("--record", action="store_true", help="write anew what the course finds on this CPU")
    parser.add_argument("--section", choices=SHARES, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.record:
        import gpu_checks

        gpu_checks.record()
        return
    if options.section:
        work(options.section, options.quick, options.seconds)
        return
    here = [name for name in options.backends if importlib.util.find_spec(name)]
    turns = [(section, backend) for section in options.only for backend in here]
    end, results, name = time.monotonic() + 60 * options.minutes, [], "gpu-quick" if options.quick else "gpu"
    for place, (section, backend) in enumerate(turns):
        share = SHARES[section] / sum(SHARES[later] for later, _ in turns[place:])
        seconds = QUICK if options.quick else share * (end - time.monotonic())
        results.append(measured(section, backend, options.quick, seconds))
        print(json.dumps(results[-1]), flush=True)
        for ending, written in ((".json", json.dumps(results, indent=1) + "\n"), (".md", text(results))):
            (HERE / "results" / name).with_suffix(ending).write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main()
