"""Which small pictures do the image chapters learn from? Fashion-MNIST, or scikit-learn's digits.

Files in; NumPy arrays of pictures and labels, split into training and test, come out.
"""

import gzip
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kerasdl.datasets import store

CLOTHES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


@dataclass(frozen=True, eq=False)
class Images:
    """Pictures in ten classes, split into training and test.

    Attributes:
        x_train, x_test: float32 ``(n, height, width, 1)`` in [0, 1].
        y_train, y_test: int64 ``(n,)``, 0 to 9.
        class_names: ten names, by label.
        source: ``"folder"``, ``"cache"`` or ``"embedded"``.
        note: one line: what was used and how to get the real pictures.
        is_real: False for the embedded stand-in.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: tuple[str, ...]
    source: str
    note: str
    is_real: bool


def images(download: bool = False) -> Images:
    """Load Fashion-MNIST where it is found, else scikit-learn's handwritten digits.

    Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017) has 60,000 and 10,000 pictures of 28 × 28; the digits
    (Alpaydın and Kaynak, 1998) 1,437 and 360 of 8 × 8, each class in the same share on both sides.

    Args:
        download: fetch Fashion-MNIST into the cache first (30 MB), where ``KERASDL_DATA`` does not hold it.

    Returns:
        An ``Images``: pictures float32 from 0 to 1, ``(rows, height, width, 1)``, and labels int64.

    Raises:
        ValueError: a file is damaged, or is not an idx file of the expected shape.
        FileNotFoundError: ``KERASDL_DATA`` holds some of the four files only.
        NotADirectoryError: ``KERASDL_DATA`` is not a folder.
        ConnectionError: ``download`` was asked for and no address answered.

    Example:
        >>> pictures = images()
        >>> pictures.x_train.dtype, pictures.x_train.shape[-1], len(pictures.class_names)
        (dtype('float32'), 1, 10)
    """
    found = store.find("fashion_mnist", download)
    if found.is_real:
        train_x, train_y, test_x, test_y = found.paths.values()
        train, test = _pair(train_x, train_y), _pair(test_x, test_y)
        return Images(*train, *test, CLOTHES, found.source, found.note, is_real=True)
    return replace(digits(), note=found.note)


def digits() -> Images:
    """Load scikit-learn's handwritten digits, whatever other pictures are here: 1,437 and 360 of 8 × 8.

    Returns:
        An ``Images``, as :func:`images` returns it; each class has the same share on both sides.

    Example:
        >>> digits().x_test.shape
        (360, 8, 8, 1)
    """
    from sklearn.datasets import load_digits  # here, because scikit-learn takes a second to load
    from sklearn.model_selection import train_test_split

    found = load_digits()
    pictures = (found.images[..., None] / 16).astype(np.float32)
    x_train, x_test, y_train, y_test = train_test_split(
        pictures, found.target.astype(np.int64), test_size=360, stratify=found.target, random_state=0
    )
    names = tuple("0123456789")
    note = "digits: 1,797 handwritten digits, 8 × 8, from scikit-learn"
    return Images(x_train, y_train, x_test, y_test, names, "embedded", note, is_real=False)


def read_idx(path: str | Path, dimensions: int) -> np.ndarray:
    """Read a gzipped idx file of unsigned bytes (LeCun, Cortes and Burges' MNIST format).

    The header is two zero bytes, the type code 8, the number of dimensions, then each length as a big-endian
    32-bit integer; the values follow, row by row.

    Args:
        path: file to read.
        dimensions: how many the file must have: 3 for pictures, 1 for labels.

    Returns:
        uint8, of the shape that the header states.

    Raises:
        ValueError: the header is another one, or the number of values differs from what it states.
    """
    with gzip.open(path, "rb") as stream:
        content = stream.read()
    header = 4 + 4 * dimensions
    magic = bytes((0, 0, 8, dimensions))
    if content[:4] != magic or len(content) < header:
        raise ValueError(
            f"{path} opens with {content[:4].hex(' ') or 'nothing'}: expected "
            f"{magic.hex(' ')}, an idx file of bytes in {dimensions} dimensions"
        )
    shape = tuple(np.frombuffer(content, ">u4", dimensions, offset=4).tolist())
    if len(content) - header != math.prod(shape):
        raise ValueError(
            f"{path} states shape {shape} and holds {len(content) - header} values: take it whole"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _pair(pictures_path: Path, labels_path: Path) -> tuple[np.ndarray, np.ndarray]:
    pictures, labels = read_idx(pictures_path, 3), read_idx(labels_path, 1)
    if len(pictures) != len(labels):
        raise ValueError(f"{pictures_path} has {len(pictures)} pictures, {labels_path} {len(labels)} labels")
    if labels.size and labels.max() >= len(CLOTHES):
        raise ValueError(f"{labels_path} holds label {labels.max()}: labels run from 0 to {len(CLOTHES) - 1}")
    return np.divide(pictures[..., None], 255, dtype=np.float32), labels.astype(np.int64)
