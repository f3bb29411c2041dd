"""How does one number become the features of a polynomial?

By its powers. One layer, :class:`Powers`: ``(batch, 1)`` goes in, ``(batch, degree)`` comes out.
"""

from typing import Any

import keras
from keras import ops

from kerasdl import checks


@keras.saving.register_keras_serializable("kerasdl")
class Powers(keras.layers.Layer):
    """Maps ``(batch, 1)`` to ``(batch, degree)``: x, x², …, x^degree.

    Args:
        degree: int, at least 1.

    Raises:
        ValueError: the degree is below 1, or the input's last axis is not 1.

    Example:
        >>> keras.ops.convert_to_numpy(Powers(3)(keras.ops.array([[2.0]]))).tolist()
        [[2.0, 4.0, 8.0]]
    """

    def __init__(self, degree: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.degree = checks.positive_int("degree", degree)
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if input_shape[-1] != 1:
            raise ValueError(f"input of shape {input_shape}: a polynomial takes one feature, (batch, 1)")

    def call(self, x: Any) -> Any:
        # A running product, not x ** k: every backend then rounds the k-th power in the same way.
        powers = [x]
        for _ in range(self.degree - 1):
            powers.append(powers[-1] * x)
        return ops.concatenate(powers, axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.degree)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "degree": self.degree}
