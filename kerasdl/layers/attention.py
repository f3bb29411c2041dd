"""What does a decoder look back at?

At all that the encoder put out, weighted. One layer, :class:`Attention`: queries and a memory go in; for each
query a mean of the memory comes out.
"""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("kerasdl")
class Attention(keras.layers.Layer):
    """Returns, for each query, the mean of the memory weighted by a softmax of dot products.

    With query h(t) and memory m(s), the weights are a(t, s) = exp h(t)·m(s) / Σ_r exp h(t)·m(r) and the
    answer Σ_s a(t, s) m(s) (Luong, Pham & Manning 2015, eq. 7, "dot"). Masked memory has weight 0; where all
    of it is masked, so is the answer. A memory of one step sets off no warning, unlike in Keras's layer.

    Call arguments:
        query: ``(batch, written, units)``.
        memory: ``(batch, read, units)``.
        memory_mask: ``(batch, read)`` of booleans; None: all counts.

    Returns:
        ``(batch, written, units)``.

    Raises:
        ValueError: shapes that do not fit one another; the message has them.

    Example:
        >>> import numpy as np
        >>> memory = np.eye(2, dtype="float32")[None]
        >>> keras.ops.convert_to_numpy(Attention()(20 * memory[:, :1], memory)).round(3).tolist()
        [[[1.0, 0.0]]]
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def attention_weights(self, query: Any, memory: Any, memory_mask: Any = None) -> Any:
        """Return a(t, s), ``(batch, written, read)``."""
        _refuse_other_shapes(query, memory, memory_mask)
        scores = ops.matmul(query, ops.transpose(memory, (0, 2, 1)))
        counts = 1.0 if memory_mask is None else ops.cast(memory_mask, scores.dtype)[:, None]
        if memory_mask is not None:
            lowest = -6e4 if keras.backend.standardize_dtype(scores.dtype) == "float16" else -1e9
            scores = ops.where(memory_mask[:, None], scores, lowest)
        # Of nothing, as of no rows, most backends refuse the maximum.
        largest = scores[..., :1] if 0 in scores.shape else ops.max(scores, axis=-1, keepdims=True)
        odds = ops.exp(scores - ops.stop_gradient(largest)) * counts
        # The sum is at least exp 0, that of the largest, unless nothing counts.
        return odds / ops.maximum(ops.sum(odds, axis=-1, keepdims=True), 1)

    def call(self, query: Any, memory: Any, memory_mask: Any = None) -> Any:
        return ops.matmul(self.attention_weights(query, memory, memory_mask), memory)

    def compute_output_shape(
        self, query_shape: tuple[int | None, ...], memory_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        return query_shape


def _refuse_other_shapes(query: Any, memory: Any, mask: Any) -> None:
    """Refuse what the backends would stretch to fit, or answer with errors of their own."""
    asked, read = tuple(query.shape), tuple(memory.shape)

    def alike(one: int | None, other: int | None) -> bool:
        return one == other or None in (one, other)

    if not (len(asked) == len(read) == 3 and alike(asked[0], read[0]) and alike(asked[2], read[2])):
        raise ValueError(
            f"query of shape {asked} and memory of shape {read}: "
            "give (batch, written, units) and (batch, read, units)"
        )
    if mask is not None and not (len(mask.shape) == 2 and all(map(alike, mask.shape, read[:2]))):
        raise ValueError(f"memory_mask of shape {tuple(mask.shape)} does not fit memory: give {read[:2]}")
