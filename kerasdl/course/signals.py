"""How does a run end when it is asked to? SIGTERM as Ctrl-C does: what it began is cleared away.

A signal comes in; an interrupt goes out, and from it the exit code.
"""

import signal
import threading
from types import FrameType


class Terminated(KeyboardInterrupt):
    """The system asked this process to end."""


def obey() -> None:
    """Let SIGTERM raise :class:`Terminated` in the main thread, unless the program has a way of its own."""
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)


def exit_code(interrupt: KeyboardInterrupt) -> int:
    """Return the code with which a program ends after this, as shells have it.

    Example:
        >>> exit_code(KeyboardInterrupt()), exit_code(Terminated())
        (130, 143)
    """
    return 128 + (signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated
