"""The sections of ``gpu.py`` that compare: draws and the course with a CPU's, and the tests.

What the fast course finds on a CPU lies in ``results/course_cpu.json``, by chapter, with the code that found
it. A chapter that has changed since runs on the CPU as well, beside the GPU.
"""

import hashlib
import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from kerasdl import files
from kerasdl.course import reached, results, syllabus

HERE = Path(__file__).resolve().parent
STORED = HERE / "results" / "course_cpu.json"
NO_GPU = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
ROOMS = ("tests/layers", "tests/models", "tests/estimators")
PYTHON = ".".join(platform.python_version_tuple()[:2])  # it brings the text that the course reads

Row = dict[str, object]


def of_draws(quick: bool, until: float) -> Iterator[Row]:
    """Whether the draws here are those of a process without a GPU."""
    script = f"import sys; sys.path.insert(0, {str(HERE)!r}); import gpu_checks; print(gpu_checks.digest())"
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, env=os.environ | NO_GPU, capture_output=True, text=True, check=True)
    equal = run.stdout.splitlines()[-1] == digest()
    yield {"what": "initial weights, order of rows, dropout masks", "equal to a CPU's to the bit": equal}


def digest() -> str:
    """Return a hash of what decides a run."""
    import keras
    import numpy as np

    import kerasdl
    from kerasdl import layers, models, training

    kerasdl.set_seed(3)
    found = [*models.recurrent_stack(4, "gru", units=8, dropout=0.5).get_weights()]
    found += training.Batches(np.zeros((50, 1)), np.zeros((50, 1)), batch_size=8).steps()
    drop = layers.Dropout(0.5, seed=1)
    for _ in range(3):
        found.append(keras.ops.convert_to_numpy(drop(np.ones((64, 33), "float32"), training=True)))
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in found)).hexdigest()


def of_tests(quick: bool, until: float) -> Iterator[Row]:
    """How many tests pass on this device, room by room, as far as the time goes."""
    several = ["-n", "4"] if importlib.util.find_spec("xdist") and (os.cpu_count() or 1) > 8 else []
    for room in ["tests/layers/test_maxout.py"] if quick else ROOMS:
        command = [sys.executable, "-m", "pytest", "-v", "--tb=no", "-p", "no:cacheprovider", *several, room]
        with tempfile.TemporaryFile("w+") as said:
            ended = finished(command, until, said)
            said.seek(0)
            lines = said.read().splitlines()
        told = [(word.group(), line) for line in lines if (word := re.search("PASSED|FAILED|ERROR", line))]
        bad = {re.search(r"tests/\S+|$", line).group() for word, line in told if word != "PASSED"}
        row: Row = {"what": room, "passed": sum(word == "PASSED" for word, _ in told), "failed": len(bad)}
        yield row | {"all ran": ended, "which failed": ", ".join(sorted(bad)[:20])}
        if not ended:
            return


def finished(command: list[str], until: float, out: IO[str]) -> bool:
    """Run a command till the end of the time at most, and return whether it came to its own end."""
    try:
        left = until - time.monotonic()
        subprocess.run(command, cwd=HERE.parent, stdout=out, stderr=subprocess.STDOUT, timeout=left)
    except subprocess.TimeoutExpired:
        return False
    return True


def of_course(quick: bool, until: float) -> Iterator[Row]:
    """Whether the fast chapters find on the GPU what they find on a CPU."""
    scripts = [script for script in syllabus.scripts() if not quick or script.name == "backprop"]
    known = json.loads(STORED.read_text(encoding="utf-8")) if STORED.exists() else {}
    chapters = known.get("chapters", {}) if known.get("python") == PYTHON else {}
    codes = {one.name: reached.code(one.path.read_text(encoding="utf-8")) for one in scripts}
    stale = [name for name, code in codes.items() if chapters.get(name, {}).get("code") != code]
    with tempfile.TemporaryDirectory() as folder:
        beside = started(Path(folder, "cpu"), stale, **NO_GPU) if stale else None
        gpu = started(Path(folder, "gpu"), list(codes))
        for process in filter(None, (gpu, beside)):
            try:
                process.wait(max(until - time.monotonic(), 1))
            except subprocess.TimeoutExpired:
                process.terminate()  # chapters that have ended are kept
                process.wait()
        on_cpu = {one.chapter: kept(one) for one in of(Path(folder, "cpu"))}
        on_gpu = {one.chapter: one for one in of(Path(folder, "gpu"))}
    for name in codes:
        expected = on_cpu.get(name) or (None if name in stale else chapters[name])
        if name not in on_gpu or expected is None:
            yield {"what": name, "kept": "not run" if name not in on_gpu else "nothing to compare with"}
            continue
        yield {"what": name, **held(on_gpu[name].checks, expected["checks"])}


def started(out: Path, chapters: Sequence[str], **environment: str) -> subprocess.Popen:
    """Start the fast setting of chapters on the backend of this process, with the data that are built in."""
    backend = os.environ["KERAS_BACKEND"]
    command = [sys.executable, "-m", "kerasdl", "run", *chapters, "--fast", "--backend", backend]
    inherited = {name: value for name, value in os.environ.items() if name != "KERASDL_DATA"}
    return subprocess.Popen(
        [*command, "--out", str(out)],
        cwd=HERE.parent,
        env=inherited | {"KERASDL_CACHE": str(out / "cache")} | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def of(folder: Path) -> list[results.Result]:
    """Return what chapters found, as far as they came."""
    return results.load_all(folder) if any(folder.glob(f"fast/*/*/{results.FILE}")) else []


def kept(result: results.Result) -> dict:
    """Return what is compared of a result."""
    return {"code": result.code, "checks": {check.name: check.measured for check in result.checks}}


def held(checks: Sequence[results.Check], expected: dict[str, float]) -> Row:
    """Return how many checks lie as near to the expected ones as two backends must, and those that do not."""
    strays = []
    for check in checks:
        apart = abs(check.measured - expected.get(check.name, float("nan")))
        if not apart <= check.tolerance:
            strays.append(f"{check.name}: {apart:.2g} apart, at most {check.tolerance:.2g}")
    return {"kept": f"{len(checks) - len(strays)} of {len(checks)}", "strays": "; ".join(strays)}


def record() -> None:
    """Run the fast course on the CPU and keep what it finds."""
    os.environ["KERAS_BACKEND"] = os.environ.get("KERAS_BACKEND", "jax")
    names = [script.name for script in syllabus.scripts()]
    with tempfile.TemporaryDirectory() as folder:
        if code := started(Path(folder), names, **NO_GPU).wait():
            raise SystemExit(f"the course ended with exit code {code}: nothing is recorded")
        found = {one.chapter: kept(one) for one in of(Path(folder))}
    text = json.dumps({"python": PYTHON, "chapters": {name: found[name] for name in names}}, indent=1)
    files.write(STORED, text + "\n")


SECTIONS = {"draws": of_draws, "tests": of_tests, "course": of_course}
