"""How can a unit learn the shape of its own activation?

By taking the largest of several linear pieces. One layer, :class:`Maxout`: ``(batch, features)`` goes in,
``(batch, units)`` comes out.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from kerasdl import checks
from kerasdl.initializers import GlorotUniform


class _Pieces(GlorotUniform):
    """Draws ``(features, units, pieces)`` piece by piece: pieces compete, they do not add to a fan."""

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        drawn = [GlorotUniform.draw(self, rng, shape[:-1]) for _ in range(shape[-1])]
        return np.stack(drawn, axis=-1)


@keras.saving.register_keras_serializable("kerasdl")
class Maxout(keras.layers.Layer):
    """The largest of k affine pieces for each unit, max_j (x Wⱼ + bⱼ) (Goodfellow et al. 2013, eq. 2).

    It stands where ``Dense`` and its activation stood. A maximum of affine pieces is a convex function, and
    with enough pieces it comes near any: ReLU and the absolute value need two. Only the piece that wins
    learns from an example. Each piece starts from :class:`kerasdl.initializers.GlorotUniform` with the fans
    ``features`` and ``units``, its bias from 0.

    Maps ``(batch, …, features)`` to ``(batch, …, units)``. The weights ``[kernel, bias]``,
    ``(features, units, pieces)`` and ``(units, pieces)``, fit :class:`kerasdl.scratch.Maxout` as they are.

    Args:
        units: width of the output, at least 1.
        pieces: k, at least 1; 1 is ``Dense`` without activation.
        seed: int for the same kernel each time; None for the streams that :func:`kerasdl.set_seed` fixes.
        kernel_regularizer: as in ``keras.layers.Dense``.
        kernel_constraint: the same; the paper trains with ``keras.constraints.MaxNorm``, whose ``axis=0``
            bounds each piece of each unit.

    Raises:
        ValueError: a size below 1.

    Example:
        >>> import numpy as np
        >>> layer = Maxout(1)
        >>> layer.build((None, 1))
        >>> layer.set_weights([np.array([[[1.0, -1.0]]]), np.zeros((1, 2))])
        >>> keras.ops.convert_to_numpy(layer(np.array([[-3.0], [2.0]], "float32"))).tolist()
        [[3.0], [2.0]]
    """

    def __init__(
        self,
        units: int,
        pieces: int = 2,
        seed: int | None = None,
        kernel_regularizer: Any = None,
        kernel_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = checks.positive_int("units", units)
        self.pieces = checks.positive_int("pieces", pieces)
        self.seed = seed
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.input_spec = keras.layers.InputSpec(min_ndim=2)
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        features = input_shape[-1]
        self.kernel = self.add_weight(
            name="kernel",
            shape=(features, self.units, self.pieces),
            initializer=_Pieces(self.seed),
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = self.add_weight(name="bias", shape=(self.units, self.pieces), initializer="zeros")
        self.input_spec = keras.layers.InputSpec(min_ndim=2, axes={-1: features})

    def call(self, x: Any) -> Any:
        pieces = ops.tensordot(x, self.kernel, axes=1) + self.bias
        # Of no rows, most backends refuse the maximum, though there are pieces.
        return pieces[..., 0] if 0 in x.shape else ops.max(pieces, axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "pieces": self.pieces,
            "seed": self.seed,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "kernel_constraint": keras.constraints.serialize(self.kernel_constraint),
        }
