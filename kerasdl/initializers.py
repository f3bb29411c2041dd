"""Where do weights start? At numbers that NumPy draws, bit-equal on every backend.

Each class is a :class:`keras.initializers.Initializer`: a shape goes in, a tensor comes out. Without a
``seed`` it draws from the streams that :func:`kerasdl.set_seed` fixes, anew for each variable; with one it
draws the same each time.

Example:
    >>> import keras, kerasdl
    >>> kerasdl.set_seed(0)
    >>> layer = keras.layers.Dense(4, kernel_initializer=HeNormal())
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from kerasdl import checks, random

__all__ = [
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "LecunNormal",
    "LecunUniform",
    "Normal",
    "Orthogonal",
    "Uniform",
    "VarianceScaling",
    "XavierNormal",
    "XavierUniform",
    "Zeros",
    "fans",
    "get",
]


def fans(shape: Sequence[int]) -> tuple[int, int]:
    """Return the fan-in and fan-out of a weight of this shape.

    The last axis counts outputs, the one before it inputs; axes before those (a convolution's window)
    multiply both. A vector has its length as both.

    Example:
        >>> fans((3, 3, 16, 32))
        (144, 288)
    """
    if len(shape) < 2:
        size = shape[0] if shape else 1
        return size, size
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


class _Drawn(keras.initializers.Initializer):
    """Draws float64 in NumPy and rounds once, to float32: the same bits everywhere."""

    def __init__(self, seed: int | None = None):
        self.seed = seed

    def __call__(self, shape: Sequence[int], dtype: str | None = None) -> Any:
        rng = random.generator("weights") if self.seed is None else np.random.default_rng(self.seed)
        values = self.draw(rng, tuple(shape)).astype("float32")
        return keras.ops.convert_to_tensor(values, dtype=dtype or keras.config.floatx())

    @checks.renamed("0.3", generator="rng")
    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Return float64 values of this shape."""
        raise NotImplementedError

    def get_config(self) -> dict:
        return {"seed": self.seed}


@keras.saving.register_keras_serializable("kerasdl")
class VarianceScaling(_Drawn):
    """Zero-mean weights with variance ``scale / fan``.

    Args:
        scale: positive float.
        mode: which fan divides: ``"fan_in"``, ``"fan_out"`` or ``"fan_avg"``, their mean.
        distribution: ``"uniform"`` on ±√(3·scale/fan), or ``"normal"`` (not truncated, as in the papers;
            Keras truncates at two standard deviations).
        seed: int for the same draw each time; None for kerasdl's streams.

    Raises:
        ValueError: an unknown mode or distribution, or a scale below 0.

    Example:
        >>> weights = keras.ops.convert_to_numpy(VarianceScaling(4.0, "fan_out", seed=0)((300, 100)))
        >>> round(float(weights.std()), 1)  # √(4 / 100)
        0.2
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "normal",
        seed: int | None = None,
    ):
        super().__init__(seed)
        self.scale = checks.not_negative("scale", scale)
        self.mode = checks.one_of("mode", mode, ["fan_in", "fan_out", "fan_avg"])
        self.distribution = checks.one_of("distribution", distribution, ["uniform", "normal"])

    @checks.renamed("0.3", generator="rng")
    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        fan_in, fan_out = fans(shape)
        fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        deviation = math.sqrt(self.scale / max(fan, 1))
        if self.distribution == "normal":
            return rng.normal(0, deviation, shape)
        limit = math.sqrt(3) * deviation
        return rng.uniform(-limit, limit, shape)

    def get_config(self) -> dict:
        return {"scale": self.scale, "mode": self.mode, "distribution": self.distribution, "seed": self.seed}


class _Named(VarianceScaling):
    """A variance scaling whose settings are fixed: only the seed is an argument."""

    settings: tuple[float, str, str]

    def __init__(self, seed: int | None = None):
        super().__init__(*self.settings, seed=seed)

    def get_config(self) -> dict:
        return {"seed": self.seed}


@keras.saving.register_keras_serializable("kerasdl")
class GlorotUniform(_Named):
    """Uniform on ±√(6 / (fan_in + fan_out)) (Glorot & Bengio 2010, eq. 16); also called Xavier.

    Example:
        >>> weights = keras.ops.convert_to_numpy(GlorotUniform(seed=0)((300, 100)))
        >>> bool(abs(weights).max() <= (6 / 400) ** 0.5)
        True
    """

    settings = (1.0, "fan_avg", "uniform")


@keras.saving.register_keras_serializable("kerasdl")
class GlorotNormal(_Named):
    """Normal with variance 2 / (fan_in + fan_out) (Glorot & Bengio 2010, eq. 12); also called Xavier.

    Example:
        >>> weights = keras.ops.convert_to_numpy(GlorotNormal(seed=0)((300, 100)))
        >>> round(float(weights.std()), 3)
        0.071
    """

    settings = (1.0, "fan_avg", "normal")


@keras.saving.register_keras_serializable("kerasdl")
class HeUniform(_Named):
    """Uniform on ±√(6 / fan_in), for ReLU (He et al. 2015, eq. 10).

    Example:
        >>> weights = keras.ops.convert_to_numpy(HeUniform(seed=0)((300, 100)))
        >>> bool(abs(weights).max() <= (6 / 300) ** 0.5)
        True
    """

    settings = (2.0, "fan_in", "uniform")


@keras.saving.register_keras_serializable("kerasdl")
class HeNormal(_Named):
    """Normal with variance 2 / fan_in, for ReLU (He et al. 2015, eq. 10).

    Example:
        >>> weights = keras.ops.convert_to_numpy(HeNormal(seed=0)((300, 100)))
        >>> round(float(weights.std()), 2)  # √(2 / 300)
        0.08
    """

    settings = (2.0, "fan_in", "normal")


@keras.saving.register_keras_serializable("kerasdl")
class LecunUniform(_Named):
    """Uniform on ±√(3 / fan_in) (LeCun et al. 1998, eq. 16).

    Example:
        >>> weights = keras.ops.convert_to_numpy(LecunUniform(seed=0)((300, 100)))
        >>> bool(abs(weights).max() <= (3 / 300) ** 0.5)
        True
    """

    settings = (1.0, "fan_in", "uniform")


@keras.saving.register_keras_serializable("kerasdl")
class LecunNormal(_Named):
    """Normal with variance 1 / fan_in (LeCun et al. 1998, eq. 16).

    Example:
        >>> weights = keras.ops.convert_to_numpy(LecunNormal(seed=0)((300, 100)))
        >>> round(float(weights.std()), 3)
        0.058
    """

    settings = (1.0, "fan_in", "normal")


XavierUniform, XavierNormal = GlorotUniform, GlorotNormal


@keras.saving.register_keras_serializable("kerasdl")
class Normal(_Drawn):
    """Normal with the given ``mean`` and ``stddev``, whatever the fan.

    Args:
        mean, stddev: of every weight.
        seed: int for the same draw each time; None for kerasdl's streams.

    Example:
        >>> weights = keras.ops.convert_to_numpy(Normal(stddev=0.1, seed=0)((300, 100)))
        >>> round(float(weights.std()), 2)
        0.1
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.01, seed: int | None = None):
        super().__init__(seed)
        self.mean, self.stddev = float(mean), checks.not_negative("stddev", stddev)

    @checks.renamed("0.3", generator="rng")
    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return rng.normal(self.mean, self.stddev, shape)

    def get_config(self) -> dict:
        return {"mean": self.mean, "stddev": self.stddev, "seed": self.seed}


@keras.saving.register_keras_serializable("kerasdl")
class Uniform(_Drawn):
    """Uniform on [``minval``, ``maxval``), whatever the fan.

    Args:
        minval, maxval: the ends.
        seed: int for the same draw each time; None for kerasdl's streams.

    Raises:
        ValueError: the ends are the wrong way round.

    Example:
        >>> weights = keras.ops.convert_to_numpy(Uniform(0.0, 1.0, seed=0)((300, 100)))
        >>> bool((0 <= weights).all() and (weights < 1).all())
        True
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None):
        super().__init__(seed)
        if not minval <= maxval:
            raise ValueError(f"minval={minval!r} lies above maxval={maxval!r}: swap them")
        self.minval, self.maxval = float(minval), float(maxval)

    @checks.renamed("0.3", generator="rng")
    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return rng.uniform(self.minval, self.maxval, shape)

    def get_config(self) -> dict:
        return {"minval": self.minval, "maxval": self.maxval, "seed": self.seed}


@keras.saving.register_keras_serializable("kerasdl")
class Orthogonal(_Drawn):
    """``gain`` times a matrix with orthonormal rows or columns (Saxe et al. 2014), uniform among them.

    A tensor of more than two axes is drawn as the matrix that flattens all but the last.

    Raises:
        ValueError: on drawing a shape of fewer than two axes.

    Args:
        gain: by which the matrix is multiplied.
        seed: int for the same draw each time; None for kerasdl's streams.

    Example:
        >>> weights = keras.ops.convert_to_numpy(Orthogonal(seed=0)((4, 3)))
        >>> bool(abs(weights.T @ weights - np.eye(3)).max() < 1e-6)
        True
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None):
        super().__init__(seed)
        self.gain = float(gain)

    @checks.renamed("0.3", generator="rng")
    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        if len(shape) < 2:
            raise ValueError(f"shape={shape}: an orthogonal weight needs at least two axes")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(rng.normal(size=(max(rows, columns), min(rows, columns))))
        # Signs from R's diagonal make the distribution uniform (Mezzadri 2007) and Q unique.
        q *= np.sign(np.diag(r))
        return self.gain * (q if rows >= columns else q.T).reshape(shape)

    def get_config(self) -> dict:
        return {"gain": self.gain, "seed": self.seed}


@keras.saving.register_keras_serializable("kerasdl")
class Zeros(keras.initializers.Zeros):
    """All zeros, as for a bias.

    Example:
        >>> bool((keras.ops.convert_to_numpy(Zeros()((3,))) == 0).all())
        True
    """


NAMES = {
    "glorot_normal": GlorotNormal,
    "glorot_uniform": GlorotUniform,
    "he_normal": HeNormal,
    "he_uniform": HeUniform,
    "lecun_normal": LecunNormal,
    "lecun_uniform": LecunUniform,
    "normal": Normal,
    "orthogonal": Orthogonal,
    "uniform": Uniform,
    "xavier_normal": XavierNormal,
    "xavier_uniform": XavierUniform,
    "zeros": Zeros,
}


def get(initializer: str | keras.initializers.Initializer) -> keras.initializers.Initializer:
    """Return kerasdl's initializer of this name (Keras's own words, and ``xavier_…``), or the one given.

    Raises:
        ValueError: an unknown name; the message gives the nearest.
        TypeError: neither a name nor an initializer.

    Example:
        >>> get("he_normal").settings
        (2.0, 'fan_in', 'normal')
    """
    if isinstance(initializer, str):
        return NAMES[checks.one_of("initializer", initializer, NAMES)]()
    if not isinstance(initializer, keras.initializers.Initializer):
        raise TypeError(f"initializer={initializer!r}: give a name or an instance, such as HeNormal()")
    return initializer
