"""Where do the weights start? At random, and so that a signal keeps its scale through a layer.

A shape and a seed go in; an array of float64 comes out.
"""

import numpy as np

from kerasdl import random

Seed = int | np.random.Generator | None


def generator(seed: Seed) -> np.random.Generator:
    """Return the generator of a seed, or the given one; None: the next that `kerasdl.set_seed` fixes."""
    return random.generator("scratch") if seed is None else np.random.default_rng(seed)


def glorot_uniform(shape: tuple[int, ...], seed: Seed = None) -> np.ndarray:
    """Draw from U(−a, a) with a = √(6 / (fan in + fan out)) (Glorot & Bengio 2010, eq. 16).

    Args:
        shape: ``(..., inputs, outputs)``; leading axes are a convolution's window and multiply both fans.
        seed: int, a NumPy generator, or None for the next that `kerasdl.set_seed` fixes.

    Returns:
        Array of ``shape``, float64.

    Example:
        >>> bool(np.abs(glorot_uniform((2, 4), seed=0)).max() <= 1)
        True
    """
    fans = np.prod(shape[:-2]) * (shape[-2] + shape[-1])
    limit = np.sqrt(6 / fans)
    return generator(seed).uniform(-limit, limit, shape)


def orthogonal(shape: tuple[int, int], seed: Seed = None) -> np.ndarray:
    """Draw a matrix with orthonormal rows or columns, whichever are fewer (Saxe, McClelland & Ganguli 2014).

    Repeated multiplication by a square one neither shrinks nor stretches, which recurrence needs.

    Args:
        shape: ``(rows, columns)``.
        seed: int, a NumPy generator, or None for the next that `kerasdl.set_seed` fixes.

    Returns:
        Array of ``shape``, float64.

    Example:
        >>> q = orthogonal((3, 3), seed=0)
        >>> np.allclose(q.T @ q, np.eye(3))
        True
    """
    rows, columns = shape
    tall = generator(seed).normal(size=(max(shape), min(shape)))
    q, r = np.linalg.qr(tall)
    q *= np.sign(np.diag(r))  # without it the draw favours some rotations over others
    return q if rows >= columns else q.T
