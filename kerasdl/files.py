"""Where do our files lie, and how is one written whole?

Names of folders go in and paths come out; contents go in and a complete file, or none, comes out.
"""

import hashlib
import os
import secrets
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

RESULTS = Path("kerasdl-results")  # where runs leave what they made, unless told otherwise

_PACKAGE = Path(__file__).resolve().parent


def folder(name: str) -> Path:
    """Return the folder ``tutorials`` or ``data`` that belongs to this installation.

    A wheel carries both inside the package; a checkout or an editable install has them beside it.

    Raises:
        FileNotFoundError: neither place has the folder.
    """
    for candidate in (_PACKAGE / name, _PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"folder {name!r} is missing from {_PACKAGE}: reinstall kerasdl")


def pip_install(extra: str) -> str:
    """Return the command that installs an extra, such as ``jax``, beside this installation.

    A checkout is installed from where it lies, a wheel by the package's name.

    Example:
        >>> pip_install("jax").startswith("pip install '")
        True
    """
    checkout = _PACKAGE.parent
    if not (checkout / "pyproject.toml").is_file():
        return f"pip install 'kerasdl[{extra}]'"
    where = "." if Path.cwd() == checkout else checkout
    return f"pip install '{where}[{extra}]'"


def cache() -> Path:
    """Return the folder for downloaded data: ``KERASDL_CACHE``, else ``~/.cache/kerasdl``."""
    return Path(os.environ.get("KERASDL_CACHE") or Path.home() / ".cache" / "kerasdl")


def hold(folder: Path) -> int | None:
    """Hold a folder until :func:`let_go`; the system lets go of it when this process ends, however it ends.

    Returns:
        What :func:`let_go` takes; None where the system or the file system has no locks.

    Raises:
        RuntimeError: another process, or another part of this one, holds it.
    """
    if fcntl is None:
        return None
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise RuntimeError(
            f"{folder} is in use by another run: wait for it, or give another folder"
        ) from None
    except OSError:
        os.close(handle)
        return None
    return handle


def let_go(held: int | None) -> None:
    """Let others hold a folder."""
    if held is not None:
        os.close(held)


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write(path: str | Path, content: str | bytes) -> Path:
    """Write a whole file or none: to a temporary name in the same folder, then renamed over ``path``.

    A reader never sees half of it, whenever the writer is killed. Parent folders are made. Text is UTF-8
    with ``\\n`` line ends on every system.

    Example:
        >>> import tempfile
        >>> write(Path(tempfile.mkdtemp()) / "a" / "b.txt", "whole").read_text()
        'whole'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = content.encode() if isinstance(content, str) else content
    temporary = path.parent / f".{path.name}.{secrets.token_hex(8)}"
    try:
        with open(temporary, "xb") as stream:  # for whoever the user's umask lets read it
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:  # a KeyboardInterrupt, too, must leave no litter
        temporary.unlink(missing_ok=True)
        raise
    return path
