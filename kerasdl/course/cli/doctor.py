"""Is this machine ready? What is installed, what is missing, and the command that mends it.

Nothing goes in; a table comes out, and an exit code that says whether the chosen backend works.
"""

import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from rich.table import Table

from kerasdl import backends, files
from kerasdl.course import compiled, report

PACKAGES = ("kerasdl", "keras", "numpy", "pandas", "scikit-learn", "seaborn")
IMPORT_SECONDS = 120

# Run in a process each: a broken backend must not break the doctor, and no two share a process well.
PROBES = {
    "tensorflow": "import tensorflow as b; d = [x.name for x in b.config.list_physical_devices()]",
    "jax": "import jax as b; d = [str(x) for x in b.devices()]",
    "torch": (
        "import torch as b; c = b.cuda; d = ['cpu'] + [c.get_device_name(i) for i in range(c.device_count())]"
    ),
}


def examine() -> int:
    """Print what is here and how to mend what is not; return 0 if the chosen backend works."""
    console = report.console()
    table = Table(show_header=False, show_edge=False, pad_edge=False)
    for _ in range(3):
        table.add_column(overflow="fold")  # a path is broken rather than cut
    table.add_row("Python", f"{platform.python_version()} ({sys.executable})", "")
    for package in PACKAGES:
        found = backends.version(package)
        table.add_row(package, found or "missing", "" if found else f"pip install {package}")
    table.add_section()
    with ThreadPoolExecutor() as pool:
        states = dict(zip(backends.NAMES, pool.map(_probe, backends.NAMES), strict=True))
    for name, (works, state) in states.items():
        table.add_row(
            name,
            state.rpartition(" | ")[0] if works else state,
            "" if works else backends.install_command(name),
        )
    table.add_row("GPU", *_gpu(states))
    table.add_row("precision", _precision(states), "")
    table.add_row("backend used", *_chosen())
    table.add_section()
    table.add_row("KERASDL_DATA", *_data_folder())
    table.add_row("cache", str(files.cache()) + ("" if files.cache().is_dir() else " (empty)"), "")
    table.add_row("compiled programs", *_compiled())
    for row in _data_sets():
        table.add_row(*row)
    console.print(table)
    return 0 if _runs(states) else 1


def _probe(name: str) -> tuple[bool, str]:
    """Whether a backend imports, and its version and devices or its last words."""
    if name not in backends.installed():
        return False, "not installed"
    full = f"; from kerasdl.course import precision; p = precision.is_full({name!r})"
    code = PROBES[name] + full + "; print(b.__version__, '|', ', '.join(d), '|', 'float32' if p else 'TF32')"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={
                **os.environ,
                "TF_CPP_MIN_LOG_LEVEL": "3",
                "PYTHONPATH": str(files.__file__).rpartition("kerasdl")[0],
            },
            capture_output=True,
            text=True,
            timeout=IMPORT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return False, f"installed, but its import took more than {IMPORT_SECONDS} s"
    last = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()[-1:]
    silent = f"installed, but its import ended with {done.returncode}"
    return done.returncode == 0, last[0] if last else silent


def _gpu(states: dict[str, tuple[bool, str]]) -> tuple[str, str]:
    devices = {name: state.partition("|")[2].lower() for name, (works, state) in states.items() if works}
    seeing = [name for name, seen in devices.items() if any(w in seen for w in ("gpu", "cuda", "nvidia"))]
    if seeing:
        return f"seen by {', '.join(seeing)}", ""
    return "none seen; the course needs none", f"with one: {files.pip_install('jax-gpu')} or [tensorflow-gpu]"


def _precision(states: dict[str, tuple[bool, str]]) -> str:
    own = ", ".join(
        f"{name} {state.rpartition(' | ')[2]}" for name, (works, state) in states.items() if works
    )
    return f"chapters multiply in float32; on a GPU, your own code by default: {own or 'no backend'}"


def _runs(states: dict[str, tuple[bool, str]]) -> bool:
    """Whether the backend that a chapter would take can train it."""
    try:
        return states[backends.choose(train=True).name][0]
    except (ValueError, ModuleNotFoundError):
        return False


def _chosen() -> tuple[str, str]:
    try:
        choice = backends.choose()
    except (ValueError, ModuleNotFoundError) as error:
        return "none", str(error)
    if choice.name in backends.OTHERS:
        return (
            f"{choice.name} ({choice.reason}): runs models forward, recurrent layers by Keras's own loops",
            "to train, set KERAS_BACKEND to tensorflow, jax or torch",
        )
    return f"{choice.name} ({choice.reason})", ""


def _data_folder() -> tuple[str, str]:
    folder = os.environ.get("KERASDL_DATA")
    if not folder:
        return "not set", "set it to a folder that holds the data files, if you have them"
    return folder, "" if os.path.isdir(folder) else "no such folder: correct or unset KERASDL_DATA"


def _compiled() -> tuple[str, str]:
    number, size = compiled.size()
    return f"{number} kept by JAX, {size / 2**20:.0f} MiB in {compiled.folder()}", ""


def _data_sets() -> list[tuple[str, str, str]]:
    from kerasdl import datasets

    mends = {"ok": "", "absent": "kerasdl data fetch {}", "damaged": "kerasdl data verify {}"}
    return [
        (f"  {s.name}", f"{s.source or s.state}", mends[s.state].format(s.name)) for s in datasets.status()
    ]
