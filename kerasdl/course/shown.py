"""What did a chapter show, cell by cell? Kept in ``shown.json``, of which the site is made.

What a script writes to its standard output goes in; out come, for every code cell, its text, tables and
figures in their order.
"""

import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from kerasdl import files
from kerasdl.course import cells, reached

FILE = "shown.json"


class Recorder:
    """A standard output that remembers which cell of a script wrote what.

    Args:
        script: the path of the script that runs, as its code objects have it.
        stream: where everything is written, too.

    Attributes:
        cells: for every code cell its ``code`` (a digest, as :func:`kerasdl.course.reached.code` has it) and
            its ``outputs``: ``{"kind": "text", "text": …}``, or what was shown :meth:`instead` of text.
    """

    def __init__(self, script: str, stream: TextIO):
        code = [cell for cell in cells.read(Path(script).read_text(encoding="utf-8")) if not cell.prose]
        self.cells: list[dict[str, Any]] = [{"code": reached.code(cell.text), "outputs": []} for cell in code]
        self._lines = [cell.line for cell in code]
        self._script, self._stream = script, stream
        self._silent = False

    def write(self, text: str) -> int:
        """Write the text, and remember whose it is."""
        if not self._silent:
            self._add({"kind": "text", "text": text})
        return self._stream.write(text)

    @contextmanager
    def instead(self, kind: str, **fields: Any) -> Iterator[None]:
        """Remember a figure, a table or results in place of the text that is written meanwhile."""
        self._add({"kind": kind, **fields})
        self._silent = True
        try:
            yield
        finally:
            self._silent = False

    def save(self, folder: Path) -> Path:
        """Write ``shown.json`` into the folder."""
        return files.write(folder / FILE, json.dumps(self.cells, indent=1, ensure_ascii=False) + "\n")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _add(self, output: dict[str, Any]) -> None:
        """Give the output to the cell whose line runs; a line before the first cell has none."""
        frame = inspect.currentframe()
        while frame and not (frame.f_code.co_filename == self._script and frame.f_code.co_name == "<module>"):
            frame = frame.f_back
        line = frame.f_lineno if frame else 0
        place = sum(first <= line for first in self._lines) - 1
        if place < 0:
            return
        outputs = self.cells[place]["outputs"]
        if outputs and outputs[-1]["kind"] == output["kind"] == "text":
            outputs[-1]["text"] += output["text"]
        else:
            outputs.append(output)


def load(folder: Path) -> list[dict[str, Any]]:
    """Read the ``shown.json`` of a run.

    Raises:
        FileNotFoundError: the run left none: it failed, or was made by an earlier version.
    """
    path = folder / FILE
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run the chapter again with `kerasdl run`")
    return json.loads(path.read_text(encoding="utf-8"))
