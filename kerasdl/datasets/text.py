"""Which book do the language chapters read? *The Time Machine*, or the prose of Python's reference.

Out comes one long text and where it is from.
"""

import platform
from dataclasses import dataclass

from kerasdl.datasets import store


@dataclass(frozen=True)
class Book:
    """One long text.

    Attributes:
        title: title and author.
        text: the whole text, line ends ``\\n``.
        source: ``"folder"``, ``"cache"`` or ``"embedded"``.
        note: one line: what was used and how to get the real book.
        is_real: False for the embedded stand-in.
    """

    title: str
    text: str
    source: str
    note: str
    is_real: bool


def book(download: bool = False) -> Book:
    """Load *The Time Machine* where it is found, else the prose of Python's own reference.

    The stand-in, about 465,000 characters, is ``pydoc_data.topics`` in sorted order; each version of Python
    words it a little differently, so numbers measured on it compare within one version only.

    Args:
        download: fetch the book into the cache first, where ``KERASDL_DATA`` does not hold it.

    Returns:
        A ``Book``: its title, its text, and where it came from.

    Raises:
        ValueError: the file is damaged.
        NotADirectoryError: ``KERASDL_DATA`` is not a folder.
        ConnectionError: ``download`` was asked for and no address answered.

    Example:
        >>> len(book().text) > 100_000
        True
    """
    found = store.find("time_machine", download)
    if found.is_real:
        (path,) = found.paths.values()
        title, text, note = "The Time Machine, H. G. Wells", path.read_text(encoding="utf-8"), found.note
    else:
        from pydoc_data.topics import topics  # half a megabyte, needed only here

        title = f"The Python Language Reference, {platform.python_version()}"
        text = "\n".join(topics[name] for name in sorted(topics))
        note = f"{found.note}; {len(text):,} characters in this version of Python"
    return Book(title, text, found.source, note, found.is_real)
