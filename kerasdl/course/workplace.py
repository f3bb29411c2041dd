"""Where does a run work, and when do its results take their names? Aside, and each chapter's when it ends.

In goes the folder that is to hold results; out come a folder to work in, and at the end of a chapter a whole
folder under its final name. What stood there before stands until then. Kinds of runs have places of their
own, so that none takes the place of another::

    OUT/BACKEND/CHAPTER            full runs
    OUT/fast/BACKEND/CHAPTER       fast ones
    OUT/changed/BACKEND/CHAPTER    runs with a setting changed
    OUT/failed/BACKEND/CHAPTER     what the last run left, where it failed
"""

import contextlib
import errno
import os
import shutil
import tempfile
import time
from pathlib import Path

from kerasdl import files

KINDS = ("full", "fast", "changed")
FAILED = "failed"
LOG = "output.txt"  # in a chapter's folder: all that it printed
_FRESH, _RUN, _BEFORE = ".new-", ".run-", "before"
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EACCES)  # the last one on Windows
ATTEMPTS = 100  # at taking a name that other runs take as well
ABANDONED = 24 * 3600  # seconds after which a run that can't be asked whether it is alive counts as killed


def home(out: Path, kind: str) -> Path:
    """Return where results of this kind lie, by backend and chapter.

    Example:
        >>> home(Path("mine"), "full").as_posix(), home(Path("mine"), "fast").as_posix()
        ('mine', 'mine/fast')
    """
    return out if kind == "full" else out / kind


class Workplace:
    """A folder of one run's own inside ``out``; what it holds at the end of the run is thrown away.

    Args:
        out: the folder that is to hold the results; it is made.

    Attributes:
        folder: where the run works.

    Raises:
        OSError: ``out`` is a file, or can't be written; the message says which, before anything has run.
    """

    def __init__(self, out: Path):
        self.out = out = out.absolute()
        try:
            out.mkdir(parents=True, exist_ok=True)
            fresh = Path(tempfile.mkdtemp(prefix=_FRESH, dir=out))
        except (FileExistsError, NotADirectoryError):
            raise NotADirectoryError(f"--out {out} is not a folder: give another") from None
        except OSError as error:
            raise OSError(f"--out {out} can't be written ({error.strerror}): give another") from None
        # Held before it has the name of a run: what has that name and is not held belongs to no one.
        self._lock = files.hold(fresh)
        self.folder = fresh.rename(out / fresh.name.replace(_FRESH, _RUN, 1))
        mend(out)

    def __enter__(self) -> "Workplace":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Throw away what has not taken its name."""
        with contextlib.suppress(OSError):  # an interrupt may have come between two renames
            _put_back(self.folder, self.out)
        shutil.rmtree(self.folder, ignore_errors=True)
        files.let_go(self._lock)
        self._lock = None

    def chapter(self, backend: str, name: str) -> Path:
        """Return an empty folder in which a chapter may work."""
        folder = self.folder / backend / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def name(self, folder: Path, kind: str, backend: str, chapter: str) -> Path:
        """Give a chapter's folder its final name, in place of an earlier run's, and return that.

        Two runs may do so at once: the later one's folder stays, whole. A run that is killed between the two
        renames leaves the earlier folder aside, and :func:`mend` puts it back.
        """
        final = home(self.out, kind) / backend / chapter
        final.parent.mkdir(parents=True, exist_ok=True)
        before = self.folder / _BEFORE / kind / backend / chapter
        before.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(ATTEMPTS):
            try:
                os.rename(folder, final)
                break
            except OSError as error:
                if error.errno not in _TAKEN:
                    raise
            shutil.rmtree(before, ignore_errors=True)  # of an attempt that another run came before
            with contextlib.suppress(FileNotFoundError):
                os.rename(final, before)
        else:
            raise OSError(f"{final} can't be replaced: close what uses it")
        shutil.rmtree(before, ignore_errors=True)
        if kind != FAILED:
            shutil.rmtree(self.out / FAILED / backend / chapter, ignore_errors=True)
        return final


def failed(out: Path) -> list[Path]:
    """Return the folders of chapters whose last run failed."""
    return sorted(path for path in (out / FAILED).glob("*/*") if path.is_dir())


def mend(out: Path) -> None:
    """Put back what runs that were killed had set aside, and take away what else they left."""
    for run in [*out.glob(f"{_RUN}*"), *out.glob(f"{_FRESH}*")]:
        with contextlib.suppress(OSError):
            if not _abandoned(run):
                continue
            _put_back(run, out)
            shutil.rmtree(run)


def _put_back(run: Path, out: Path) -> None:
    """Give folders that a run has set aside their names again, where nothing has taken these."""
    for path in run.glob(f"{_BEFORE}/*/*/*"):
        kind, backend, chapter = path.parts[-3:]
        final = home(out, kind) / backend / chapter
        if not final.exists():
            os.rename(path, final)


def _abandoned(run: Path) -> bool:
    """Whether the run that works there has ended; where locks don't tell, whether it began a day ago."""
    old = time.time() - run.stat().st_mtime > ABANDONED
    if run.name.startswith(_FRESH):
        return old
    try:
        held = files.hold(run)
    except RuntimeError:
        return False
    files.let_go(held)
    return old or held is not None
