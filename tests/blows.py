"""What may befall files and who writes them: damage, a kill between two operations, or a full disk."""

import errno
import os
import random
from pathlib import Path

import pytest


def cut(path):
    """Take away the end of a file."""
    path.write_bytes(path.read_bytes()[:-7])


def turn(path):
    """Turn a bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def under_blows(work, kind, blows, latest, home):
    """Yield what ``work(folder)`` finds, and its folder, each time it comes to its end between the blows.

    A blow falls on one of its first operations, up to ``latest``; then it is begun again in the same folder.
    The last one is left to end without a blow.
    """
    chance, struck, ended = random.Random(0), 0, 0
    while struck < blows:
        folder = home / str(ended)
        with pytest.MonkeyPatch.context() as patch:
            Blow(patch, kind, chance.randint(1, latest))
            try:
                found = work(folder)
            except (Killed, OSError):
                struck += 1
                continue
        ended += 1
        yield found, folder
    yield work(home / str(ended)), home / str(ended)


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
