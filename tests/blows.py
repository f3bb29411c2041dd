"""What may befall a process that writes: a kill between any two operations on files, or a full disk."""

import errno
import os
from pathlib import Path


class Killed(BaseException):
    """Stands in for a kill: nothing catches it."""


class Blow:
    """Lets the ``at``-th write or rename be the last that comes off, as a kill or a full disk would.

    A kill leaves half a file under its temporary name and cleans nothing up; a full disk is told.

    Args:
        monkeypatch: pytest's.
        kind: ``"kill"`` or ``"full disk"``.
        at: counted from 1.
    """

    def __init__(self, monkeypatch, kind, at):
        self.kind, self.left, self.dead = kind, at, False
        self.fsync, self.replace, self.unlink = os.fsync, os.replace, Path.unlink
        monkeypatch.setattr(os, "fsync", self._written)
        monkeypatch.setattr(os, "replace", self._renamed)
        monkeypatch.setattr(Path, "unlink", lambda path, missing_ok=False: self._unlinked(path, missing_ok))

    def _strike(self):
        self.left -= 1
        if self.dead or (self.left == 0 and self.kind == "kill"):
            self.dead = True
            raise Killed
        if self.left <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")

    def _written(self, handle):
        if self.left == 1:
            os.ftruncate(handle, os.fstat(handle).st_size // 2)
        self._strike()
        self.fsync(handle)

    def _renamed(self, source, target):
        if self.kind == "kill":  # a full disk lets files be renamed
            self._strike()
        self.replace(source, target)

    def _unlinked(self, path, missing_ok):
        if self.dead:
            raise Killed
        self.unlink(path, missing_ok=missing_ok)
