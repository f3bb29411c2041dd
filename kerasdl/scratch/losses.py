"""How wrong is a prediction? One number, the loss, and its gradient, where back-propagation begins.

Each class takes a prediction and its target, returns the loss, and backward the gradient for the prediction.
"""

import numpy as np
from numpy.typing import ArrayLike

from kerasdl import checks
from kerasdl.scratch.layer import Layer, alike, as_floats


class MeanSquaredError(Layer):
    """The mean of (prediction − target)² over every element, as Keras's ``"mse"``.

    Some texts put ½ before the square to save the factor 2 in the gradient; this loss does not.

    Raises:
        ValueError: the shapes differ, so ``(n,)`` never meets ``(n, 1)``; the message names both.

    Example:
        >>> mse = MeanSquaredError()
        >>> mse.forward([[1.0], [5.0]], [[1.0], [3.0]]), mse.backward().tolist()
        (2.0, [[0.0], [2.0]])
    """

    def forward(self, prediction: ArrayLike, target: ArrayLike) -> float:
        prediction, target = alike(prediction=prediction, target=target)
        difference = prediction - target
        return self.keep(float(np.mean(difference**2)), difference)

    def backward(self, gradient: ArrayLike = 1.0) -> np.ndarray:
        gradient, (difference,) = self.recall(gradient)
        return gradient * 2 * difference / difference.size


class SoftmaxCrossEntropy(Layer):
    """−Σ target · log softmax(logits), averaged over rows. Its gradient is softmax − target, over the rows.

    Softmax and logarithm are computed together, so that logits of ±10⁴ neither overflow nor lose digits.
    ``logits`` are ``(..., classes)``; the target is either whole numbers ``(...)`` or probabilities
    ``(..., classes)``.

    Raises:
        ValueError: shapes do not fit, a label lies outside the classes, or probabilities do not sum to 1.

    Example:
        >>> loss = SoftmaxCrossEntropy()
        >>> round(loss.forward([[0.0, 0.0]], [1]), 4), loss.backward().tolist()
        (0.6931, [[0.5, -0.5]])
    """

    def forward(self, logits: ArrayLike, target: ArrayLike) -> float:
        logits = as_floats("logits", logits)
        wanted = self._probabilities(logits, np.asarray(target))
        shifted = logits - logits.max(axis=-1, keepdims=True)
        log_softmax = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        rows = logits.size // logits.shape[-1]
        loss = -np.sum(wanted * log_softmax) / rows
        return self.keep(float(loss), (np.exp(log_softmax) - wanted) / rows)

    def backward(self, gradient: ArrayLike = 1.0) -> np.ndarray:
        gradient, (softmax_minus_target,) = self.recall(gradient)
        return gradient * softmax_minus_target

    @staticmethod
    def _probabilities(logits: np.ndarray, target: np.ndarray) -> np.ndarray:
        classes = logits.shape[-1] if logits.ndim else 0
        if logits.ndim and target.shape == logits.shape:
            target = checks.finite("target", as_floats("target", target))
            if (target < 0).any() or not np.allclose(target.sum(axis=-1), 1):
                raise ValueError("target has rows that are not probabilities: at least 0 each, summing to 1")
            return target
        if target.shape != logits.shape[:-1] or not logits.ndim:
            raise ValueError(
                f"target {target.shape} does not fit the logits {logits.shape}: give one label or one row of "
                "probabilities per row of logits"
            )
        if not np.issubdtype(target.dtype, np.integer):
            raise ValueError(f"target has dtype {target.dtype}: labels are whole numbers")
        outside = target[(target < 0) | (target >= classes)]
        if outside.size:
            raise ValueError(f"target has the label {outside.flat[0]}, outside 0 … {classes - 1}")
        return (target[..., None] == np.arange(classes)).astype(np.float64)
