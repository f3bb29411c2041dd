"""Who draws a figure while its chapter goes on? A process beside the chapter's own, on another core.

Figures go in, one after the other; each comes back as a file, and whoever waits for it is told. This file is
both sides of it: :class:`Draughtsman` in the chapter's process, and :func:`main`, which draws.
"""

import gc
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasdl import borrowed, files
from kerasdl.course import picture
from kerasdl.course.cli import process

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Draughtsman:
    """Draws figures in a process of its own, which ends with this one."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            process.python(__name__), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._hand = ThreadPoolExecutor(1, "draughtsman")  # hands out one figure at a time, in their order
        self._wanted: list[Future] = []

    def save(self, figure: "Figure", about: str, path: Path) -> None:
        """Have a figure drawn as it is now, as :func:`kerasdl.course.picture.save` would draw it.

        One that cannot be sent, as it holds something of the chapter's own, is drawn at once.
        """
        try:
            sent = pickle.dumps(figure)
        except Exception:  # noqa: BLE001  a function without a name, say: each has its own error
            sent = b"__main__"
        if b"__main__" in sent:  # what only the chapter can make
            picture.save(figure, about, path)
        else:
            self.then(partial(self._draw, path, sent, about))

    def then(self, act: Callable[[], object]) -> None:
        """Do something once all figures so far are there."""
        self._wanted.append(self._hand.submit(act))

    def finish(self) -> str:
        """Wait until all is done; return in a line why a figure could not be drawn, or nothing."""
        wanted, self._wanted = self._wanted, []
        failed = [error for one in wanted if (error := one.exception())]
        return f"{type(failed[0]).__name__}: {failed[0]}".splitlines()[0] if failed else ""

    def forget(self) -> None:
        """Leave undone what is not yet begun: nobody waits for it."""
        wanted, self._wanted = self._wanted, []
        for one in wanted:
            one.cancel()

    def close(self) -> None:
        """End its process, once all is done."""
        self._hand.shutdown()
        self._process.communicate()

    def _draw(self, path: Path, *asked: Any) -> None:
        to, back = self._process.stdin, self._process.stdout
        assert to
        assert back
        try:
            pickle.dump(asked, to)
            to.flush()
            drawn = pickle.load(back)
        except (OSError, EOFError):  # it has ended: what it would have done is done here
            drawn = b""
        files.write(path, drawn or _drawn(*asked))


def _drawn(sent: bytes, about: str) -> bytes:
    return picture.png(pickle.loads(sent), about)


def main() -> None:
    """Draw what comes in until nothing more can come; answer nothing where that fails."""
    from kerasdl import plots

    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    gc.disable()
    with borrowed.formulas_read_once():
        # What only a first figure takes is taken now, and what it loads is here to stay.
        picture.png(plots.lines({"a": ([1, 2], [1, 100])}, "x", "y", yscale="log"))
        gc.freeze()
        while asked := _next():
            try:
                drawn = _drawn(*asked)
            except Exception:  # noqa: BLE001  whoever asked tries again, and tells
                drawn = b""
            pickle.dump(drawn, answers)
            answers.flush()
            gc.collect()  # only now: nobody waits for it


def _next() -> Any:
    try:
        return pickle.load(sys.stdin.buffer)
    except EOFError:
        return None
