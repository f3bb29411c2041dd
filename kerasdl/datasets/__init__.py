"""Where does data come from? The folder in ``KERASDL_DATA``, the cache, or a stand-in that is always here.

Loaders return pandas tables, NumPy arrays or text, and say where they are from. Nothing is downloaded
unasked: ``fetch``, or ``download=True`` in a loader, brings the real data into the cache. Nothing here needs
Keras.
"""

from kerasdl.datasets.download import fetch
from kerasdl.datasets.house_prices import check_submission, house_prices, write_submission
from kerasdl.datasets.images import digits, images
from kerasdl.datasets.store import status, verify
from kerasdl.datasets.text import book

__all__ = [
    "book",
    "check_submission",
    "digits",
    "fetch",
    "house_prices",
    "images",
    "status",
    "verify",
    "write_submission",
]
