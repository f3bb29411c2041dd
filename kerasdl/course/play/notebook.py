"""How does a notebook get the page? ``course.play("polynomial_fit")`` shows it in the cell's output.

A chapter's name goes in; the page, served by a process of its own, comes out below the cell. The process ends
with the kernel.
"""

import signal
import subprocess
import sys
import threading
from typing import Any

_servers: list[Any] = []  # their standard inputs stay open for as long as the kernel is there


def play(chapter: str | None = None, *settings: str, fast: bool = True, height: int = 900) -> None:
    """Show a chapter's controls and figures below the cell, as ``kerasdl play`` shows them in a browser.

    For a kernel on the machine that the browser runs on: nobody else can reach the page.

    Args:
        chapter: by name or number; default the first.
        *settings: ``NAME=VALUE`` words that it opens with.
        fast: whether at the fast setting.
        height: of the page, in pixels.

    Raises:
        kerasdl.course.Refused: the page cannot be served; the line says why.

    Example:
        >>> play("polynomial_fit", "noise=1.0")  # doctest: +SKIP
    """
    from IPython.display import IFrame, display

    from kerasdl import backends
    from kerasdl.course import environment, request
    from kerasdl.course.cli import process

    words = [chapter or "", "fast" if fast else "full", *settings]
    server = subprocess.Popen(
        process.python(__name__, *words),
        env=environment.of_process(backends.choose(train=True).name, {}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert server.stdout
    address = said = ""
    while not address and (line := server.stdout.readline()):
        said = line.strip() or said
        address = said if said.startswith("http://") else ""
    if not address:
        server.communicate()
        raise request.Refused(said or "the page cannot be served")
    _servers.append(server)
    threading.Thread(target=server.stdout.read, daemon=True).start()  # what it says later waits for nobody
    display(IFrame(address, width="100%", height=height))


def main() -> None:
    """Serve the page that a kernel asked for, until the kernel is gone."""
    from kerasdl.course.play import server

    def end_with_kernel() -> None:
        sys.stdin.read()
        signal.raise_signal(signal.SIGINT)

    threading.Thread(target=end_with_kernel, daemon=True).start()
    chapter, mode, *settings = sys.argv[1:]
    try:
        server.serve(chapter or None, None, mode == "fast", settings, browser=False)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        raise SystemExit(str(error)) from None
