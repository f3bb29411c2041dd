"""What does a benchmark leave? Each backend's figures in ``results/NAME.json``, and ``NAME.md`` made of them.

Its name and what it measured go in; both files come out, in which the other backends' figures stay.
"""

import json
import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from kerasdl import files

RESULTS = Path(__file__).parent / "results"


class Kept:
    """What one benchmark has measured, by backend. Make it before measuring: it notes the machine's load.

    Args:
        name: of the files.
        table: from every backend's figures, and ``where`` they were taken, to the text of ``NAME.md``.
        write: whether the run is to be kept; one that is only tried begins with nothing and writes nothing.
    """

    def __init__(self, name: str, table: Callable[[dict], str], write: bool = True):
        self.path, self._table, self._write = RESULTS / f"{name}.json", table, write
        self._load = os.getloadavg()[0]
        there = write and self.path.exists()
        self.record: dict[str, dict] = json.loads(self.path.read_text(encoding="utf-8")) if there else {}

    def add(self, backend: str, found: dict, *how: str) -> None:
        """Put a backend's figures in the place of those it had, write both files, and show the table.

        Args:
            backend: its name.
            found: what ``json`` can write.
            *how: what is to be known of this run beside versions and the machine.
        """
        where = (
            *how,
            f"keras {version('keras')}",
            f"Python {platform.python_version()}",
            platform.machine(),
            f"{os.cpu_count()} cores",
            f"OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'unset')}",
            f"load {self._load:.1f} at the start",
            f"{os.getloadavg()[0]:.1f} at the end",
        )
        self.record[backend] = {**found, "where": ", ".join(where)}
        if self._write:
            files.write(self.path, json.dumps(self.record, indent=1) + "\n")
            files.write(self.path.with_suffix(".md"), self._table(self.record))
        sys.stdout.write(self._table(self.record))
