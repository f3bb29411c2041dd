"""Is the derivative right? Move each number a little to both sides and see what the loss really does.

A layer and its inputs go in; out comes a report that compares its gradients with central differences.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kerasdl.scratch.layer import Layer, as_floats
from kerasdl.scratch.network import Network


@dataclass(frozen=True)
class GradientError:
    """How much back-propagation and central differences differ on one array, and where they differ most.

    Attributes:
        name: the parameter's or input's name.
        error: ‖a − b‖ / (‖a‖ + ‖b‖) over the whole array; 0 if both are 0.
        index: position of the largest |a − b|.
        backward: a there, by back-propagation.
        numerical: b there, by central differences.
    """

    name: str
    error: float
    index: tuple[int, ...]
    backward: float
    numerical: float

    @classmethod
    def between(cls, name: str, backward: np.ndarray, numerical: np.ndarray) -> "GradientError":
        """Compare the two gradients of one array.

        Raises:
            ValueError: their shapes differ; the message names both.
        """
        if np.shape(backward) != numerical.shape:
            raise ValueError(
                f"the gradient of {name} is {np.shape(backward)}, but {name} is {numerical.shape}"
            )
        difference = np.abs(backward - numerical)
        scale = np.linalg.norm(backward) + np.linalg.norm(numerical)
        index = tuple(int(i) for i in np.unravel_index(np.argmax(difference), numerical.shape))
        error = float(np.linalg.norm(difference) / scale) if scale else 0.0
        return cls(name, error, index, float(backward[index]), float(numerical[index]))


@dataclass(frozen=True)
class GradientReport:
    """What `gradient_check` found; ``print`` it to read it.

    Attributes:
        errors: one `GradientError` per parameter and input.
        tolerance: the largest error that passes.
    """

    errors: tuple[GradientError, ...]
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether every error is within the tolerance; one that is NaN is not."""
        return all(entry.error <= self.tolerance for entry in self.errors)

    @property
    def worst(self) -> GradientError:
        """The entry with the largest error."""
        return max(self.errors, key=lambda entry: np.inf if np.isnan(entry.error) else entry.error)

    def __str__(self) -> str:
        width = max(len(entry.name) for entry in self.errors)
        lines = [
            f"{entry.name:{width}}  error {entry.error:8.1e}  "
            f"largest at {entry.index}: backward {entry.backward: .9e}, numerical {entry.numerical: .9e}"
            + ("" if entry.error <= self.tolerance else "  ✗")
            for entry in self.errors
        ]
        verdict = (
            f"passed: every error is within {self.tolerance:g}"
            if self.passed
            else f"FAILED: {self.worst.name} is off by {self.worst.error:.1e}, more than {self.tolerance:g}"
        )
        return "\n".join([*lines, verdict])


def numerical_gradient(
    function: Callable[[np.ndarray], float], x: np.ndarray, step: float = 1e-5
) -> np.ndarray:
    """Return the gradient of a scalar function by central differences, (f(x + h) − f(x − h)) / 2h.

    Its error falls with h² and rises with rounding, ε/h; h = 1e-5 is near the best in float64.

    Args:
        function: called with ``x``, of which one element has been moved.
        x: array of any shape. If it is float64 it is moved in place and put back, so that a function may
            also reach it by another way.
        step: h.

    Returns:
        Array of the shape of ``x``.

    Example:
        >>> numerical_gradient(lambda x: float(np.sum(x**2)), [1.0, -3.0]).round(6).tolist()
        [2.0, -6.0]
    """
    x = as_floats("x", x)
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        original = x[index]
        x[index] = original + step
        above = function(x)
        x[index] = original - step
        below = function(x)
        x[index] = original
        gradient[index] = (above - below) / (2 * step)
    return gradient


def gradient_check(
    layer: Layer, *inputs: np.ndarray, step: float = 1e-5, tolerance: float = 1e-7, seed: int = 0
) -> GradientReport:
    """Compare back-propagation with central differences, for every parameter and every differentiable input.

    The scalar is the loss, if ``layer`` is a loss; the training loss, if it is a `Network` and ``inputs`` are
    ``(x, target)``; else a fixed random projection Σ r ⊙ output. Every pass runs on a fresh copy, so dropout
    draws one mask throughout, and ``layer`` stays as it was. Keep inputs away from kinks (ReLU at 0, a tie of
    two maxima): there the two rightly differ.

    Args:
        layer: anything with ``forward``, ``backward``, ``parameters`` and ``gradients``.
        inputs: arguments of ``forward``. ``backward`` returns gradients for the first of them, in order;
            whole numbers, masks and ``None`` are passed through.
        step: h of the central differences.
        tolerance: largest relative error that passes.
        seed: of the random projection.

    Returns:
        A `GradientReport`: ``passed``, ``worst``, and readable when printed.

    Raises:
        ValueError: ``backward`` left a parameter's gradient out or gave it another shape.

    Example:
        >>> from kerasdl.scratch import Affine
        >>> gradient_check(Affine.random(3, 2, seed=0), np.ones((4, 3))).passed
        True
    """
    subject = copy.deepcopy(layer)
    floats = [np.asarray(value).dtype.kind == "f" for value in inputs]
    values = [np.array(v, dtype=np.float64) if f else v for v, f in zip(inputs, floats, strict=True)]

    def forward() -> tuple[Layer, np.ndarray | float]:
        fresh = copy.deepcopy(subject)
        if isinstance(fresh, Network) and len(values) == 2:
            x, target = values
            return fresh, fresh.loss(x, target, training=True)
        return fresh, fresh.forward(*values)

    fresh, output = forward()
    rng = np.random.default_rng(seed)
    projection = np.ones(()) if np.ndim(output) == 0 else rng.normal(size=np.shape(output))
    start = fresh.objective.backward() if isinstance(fresh, Network) and len(values) == 2 else projection
    found = fresh.backward(start)
    to_inputs = found if isinstance(found, tuple) else (found,)

    missing = set(subject.parameters) - set(fresh.gradients)
    if missing:
        raise ValueError(f"backward left out the gradients of {', '.join(sorted(missing))}")
    pairs = [(name, array, fresh.gradients[name]) for name, array in subject.parameters.items()]
    names = ["input"] if len(to_inputs) == 1 else [f"input{i + 1}" for i in range(len(to_inputs))]
    with_target = zip(names, values, to_inputs, floats, strict=False)  # a loss has no gradient for its target
    pairs += [(name, value, gradient) for name, value, gradient, is_float in with_target if is_float]

    def scalar(_: np.ndarray) -> float:
        return float(np.sum(projection * forward()[1]))

    errors = [GradientError.between(n, g, numerical_gradient(scalar, array, step)) for n, array, g in pairs]
    return GradientReport(tuple(errors), tolerance)
