"""How do weights follow the gradient down? Six rules, each of a few lines.

Parameters and their gradients go in, by name; the parameters are changed in place. Every rule equals its
Keras counterpart, arguments and defaults included. Where Keras's definition differs from the paper's, the
docstring says how.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from kerasdl import checks


class Optimizer:
    """Keeps an array of memory per parameter and slot, and adds ``step`` to each parameter in place.

    A subclass names its slots with their starting value, and its ``step(gradient, **slots)`` changes the
    slots in place and returns what to add to the weights.

    Args:
        learning_rate: η, at least 0; the attribute may be changed between updates.

    Raises:
        ValueError: a learning rate below 0.

    Example:
        >>> class Sign(Optimizer):
        ...     def step(self, gradient):
        ...         return -self.learning_rate * np.sign(gradient)
        >>> w = {"w": np.array([1.0, 1.0])}
        >>> Sign(learning_rate=0.5).update(w, {"w": np.array([0.01, -20.0])})
        >>> w["w"].tolist()
        [0.5, 1.5]
    """

    slots: Mapping[str, float] = {}

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = checks.not_negative("learning_rate", learning_rate)
        self.iterations = 0
        self._shapes: dict[str, tuple[int, ...]] | None = None
        self.memory: dict[str, dict[str, np.ndarray]] = {}

    def update(self, parameters: Mapping[str, np.ndarray], gradients: Mapping[str, np.ndarray]) -> None:
        """Take one step.

        Args:
            parameters: name → float array, changed in place.
            gradients: name → array of the same shape.

        Raises:
            TypeError: a parameter is not an array of floats.
            ValueError: names or shapes differ, also from the call before, or a gradient is not finite.
        """
        if parameters.keys() != gradients.keys():
            odd = ", ".join(sorted(parameters.keys() ^ gradients.keys()))
            raise ValueError(f"parameters and gradients must have the same names; only one has {odd}")
        for name, weights in parameters.items():
            if not isinstance(weights, np.ndarray) or weights.dtype.kind != "f":
                raise TypeError(f"parameter {name} is not an array of floats: only these change in place")
            if np.shape(gradients[name]) != weights.shape:
                raise ValueError(f"gradient {np.shape(gradients[name])} does not fit {name} {weights.shape}")
            if not np.isfinite(gradients[name]).all():
                checks.finite(f"the gradient of {name}", gradients[name])  # raises
        shapes = {name: weights.shape for name, weights in parameters.items()}
        if self._shapes not in (None, shapes):
            raise ValueError("parameters have other names or shapes than before: make a new optimizer")
        self._shapes = shapes
        self.iterations += 1
        for name, weights in parameters.items():
            if name not in self.memory:
                self.memory[name] = {slot: np.full_like(weights, start) for slot, start in self.slots.items()}
            weights += self.step(np.asarray(gradients[name], dtype=weights.dtype), **self.memory[name])

    def step(self, *args: Any, **slots: Any) -> np.ndarray:
        """Change the slots for a gradient ``(…)`` in place; return what to add to the weights, ``(…)``."""
        raise NotImplementedError


class SGD(Optimizer):
    """w ← w − ηg: steepest descent on the batch at hand (Robbins & Monro 1951).

    Example:
        >>> w = {"w": np.array([1.0])}
        >>> SGD(learning_rate=0.1).update(w, {"w": np.array([2.0])})
        >>> w["w"].tolist()
        [0.8]
    """

    def __init__(self, learning_rate: float = 0.01) -> None:
        super().__init__(learning_rate)

    def step(self, gradient: np.ndarray) -> np.ndarray:
        return -self.learning_rate * gradient


class Momentum(Optimizer):
    """v ← μv − ηg, w ← w + v: a ball with inertia (Polyak 1964, the heavy ball).

    η sits inside the velocity, as in Polyak and in ``keras.optimizers.SGD(momentum=μ)``. PyTorch keeps it
    outside (v ← μv + g, w ← w − ηv): the same path while η is constant, another once it changes, because
    there the whole velocity is rescaled.

    Args:
        learning_rate: η.
        momentum: μ in [0, 1].

    Example:
        >>> w, optimizer = {"w": np.array([1.0])}, Momentum(learning_rate=0.1)
        >>> for _ in range(2):
        ...     optimizer.update(w, {"w": np.array([2.0])})
        >>> round(float(w["w"][0]), 4)
        0.42
    """

    slots: Mapping[str, float] = {"velocity": 0.0}

    def __init__(self, learning_rate: float = 0.01, momentum: float = 0.9) -> None:
        super().__init__(learning_rate)
        self.momentum = checks.fraction("momentum", momentum)

    def step(self, gradient: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        velocity *= self.momentum
        velocity -= self.learning_rate * gradient
        return velocity


class Nesterov(Momentum):
    """v ← μv − ηg, w ← w + μv − ηg: momentum with the gradient taken where the ball is about to be.

    Nesterov (1983), in the form of Sutskever et al. (2013, eqs. 3–4): v ← μv − η∇f(w + μv). That asks for
    the gradient at the point ahead. Here, as in ``keras.optimizers.SGD(nesterov=True)``, the stored weights
    *are* the point ahead (Bengio, Boulanger-Lewandowski & Pascanu 2013): take the gradient at
    ``w`` as always.

    Example:
        >>> w, optimizer = {"w": np.array([1.0])}, Nesterov(learning_rate=0.1)
        >>> for _ in range(2):
        ...     optimizer.update(w, {"w": np.array([2.0])})
        >>> round(float(w["w"][0]), 4)
        0.078
    """

    def step(self, gradient: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        super().step(gradient, velocity)
        return self.momentum * velocity - self.learning_rate * gradient


class AdaGrad(Optimizer):
    """s ← s + g², w ← w − ηg / √(s + ε): small steps where the gradient has often been large.

    Duchi, Hazan & Singer (2011, fig. 1) divide by δ + √s, with s from 0. Keras, and so this class, has ε
    inside the root and starts s at 0.1, which tames the first steps; ``initial_accumulator=0`` gives the
    paper's sum.

    Args:
        learning_rate: η.
        initial_accumulator: s before the first step, at least 0.
        epsilon: ε, above 0.

    Example:
        >>> w, optimizer = {"w": np.array([1.0])}, AdaGrad(learning_rate=0.1)
        >>> for _ in range(2):
        ...     optimizer.update(w, {"w": np.array([2.0])})
        >>> round(float(w["w"][0]), 4)
        0.831
    """

    def __init__(
        self, learning_rate: float = 0.001, initial_accumulator: float = 0.1, epsilon: float = 1e-7
    ) -> None:
        super().__init__(learning_rate)
        self.slots = {"accumulator": checks.not_negative("initial_accumulator", initial_accumulator)}
        self.epsilon = checks.positive("epsilon", epsilon)

    def step(self, gradient: np.ndarray, accumulator: np.ndarray) -> np.ndarray:
        accumulator += gradient**2
        return -self.learning_rate * gradient / np.sqrt(accumulator + self.epsilon)


class RMSProp(Optimizer):
    """s ← ρs + (1 − ρ)g², w ← w − ηg / √(s + ε): AdaGrad that forgets.

    Tieleman & Hinton (2012, lecture 6.5) divide by √s alone. Keras, and so this class, has ε inside the
    root; PyTorch has √s + ε, so equal ε are not equal methods where gradients are small.

    Args:
        learning_rate: η.
        rho: ρ in [0, 1], the share of the past that is kept.
        epsilon: ε, above 0.

    Example:
        >>> w, optimizer = {"w": np.array([1.0])}, RMSProp(learning_rate=0.1)
        >>> for _ in range(2):
        ...     optimizer.update(w, {"w": np.array([2.0])})
        >>> round(float(w["w"][0]), 4)
        0.4544
    """

    slots: Mapping[str, float] = {"mean_square": 0.0}

    def __init__(self, learning_rate: float = 0.001, rho: float = 0.9, epsilon: float = 1e-7) -> None:
        super().__init__(learning_rate)
        self.rho = checks.fraction("rho", rho)
        self.epsilon = checks.positive("epsilon", epsilon)

    def step(self, gradient: np.ndarray, mean_square: np.ndarray) -> np.ndarray:
        mean_square *= self.rho
        mean_square += (1 - self.rho) * gradient**2
        return -self.learning_rate * gradient / np.sqrt(mean_square + self.epsilon)


class Adam(Optimizer):
    """m ← β₁m + (1 − β₁)g, s ← β₂s + (1 − β₂)g², w ← w − ηₜ m / (√s + ε), ηₜ = η √(1 − β₂ᵗ) / (1 − β₁ᵗ).

    Momentum and RMSProp together, corrected for both averages' start at 0 (Kingma & Ba 2015). Their
    algorithm 1 is w ← w − η m̂ / (√ŝ + ε); Keras, and so this class, uses the quicker order at the end of
    their section 2, whose ε̂ stands for ε √(1 − β₂ᵗ): a larger ε in the first steps, the same later. ε is
    outside the root in both.

    Args:
        learning_rate: η.
        beta_1: β₁ in [0, 1), the share of the mean that is kept.
        beta_2: β₂ in [0, 1), the share of the mean square that is kept.
        epsilon: ε̂, above 0.

    Raises:
        ValueError: a share outside [0, 1), a rate below 0, or an ε̂ that is not above 0.

    Example:
        >>> w, optimizer = {"w": np.array([1.0])}, Adam(learning_rate=0.1)
        >>> for _ in range(2):
        ...     optimizer.update(w, {"w": np.array([2.0])})
        >>> round(float(w["w"][0]), 4)
        0.8
    """

    slots: Mapping[str, float] = {"mean": 0.0, "mean_square": 0.0}

    def __init__(
        self, learning_rate: float = 0.001, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7
    ) -> None:
        super().__init__(learning_rate)
        for name, beta in (("beta_1", beta_1), ("beta_2", beta_2)):
            if not 0 <= beta < 1:
                raise ValueError(f"{name}={beta!r} lies outside [0, 1): at 1 nothing is ever learned")
        self.beta_1, self.beta_2 = float(beta_1), float(beta_2)
        self.epsilon = checks.positive("epsilon", epsilon)

    def step(self, gradient: np.ndarray, mean: np.ndarray, mean_square: np.ndarray) -> np.ndarray:
        mean += (1 - self.beta_1) * (gradient - mean)
        mean_square += (1 - self.beta_2) * (gradient**2 - mean_square)
        t = self.iterations
        rate = self.learning_rate * np.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)
        return -rate * mean / (np.sqrt(mean_square) + self.epsilon)


def clip_by_global_norm(gradients: Mapping[str, np.ndarray], limit: float) -> dict[str, np.ndarray]:
    """Return the gradients scaled together by min(1, limit / ‖all of them‖) (Pascanu, Mikolov & Bengio 2013).

    The direction of the step is kept. Keras calls it ``global_clipnorm``; its ``clipnorm`` clips each array
    by itself and turns the step.

    Args:
        gradients: name → array.
        limit: largest norm allowed, above 0.

    Returns:
        name → array, new.

    Raises:
        ValueError: ``limit`` is not above 0, or a gradient is not finite.

    Example:
        >>> clip_by_global_norm({"a": np.array([3.0]), "b": np.array([4.0])}, limit=1.0)["b"].tolist()
        [0.8]
    """
    limit = checks.positive("limit", limit)
    norm = np.sqrt(sum(np.sum(checks.finite(f"the gradient of {n}", g) ** 2) for n, g in gradients.items()))
    return {name: gradient * (limit / max(norm, limit)) for name, gradient in gradients.items()}
