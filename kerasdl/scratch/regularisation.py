"""What keeps a network from learning its examples by heart? A price on large weights, and dropout.

Two functions: the L2 penalty with its gradient, and dropout. An array goes in; its penalty, or its thinned
copy, comes out.
"""

import numpy as np
from numpy.typing import ArrayLike

from kerasdl import checks
from kerasdl.scratch.initial import Seed, generator
from kerasdl.scratch.layer import as_floats


def l2_penalty(weights: ArrayLike, strength: float) -> tuple[float, np.ndarray]:
    """Return the weight-decay penalty λ/2 ‖w‖² and its gradient λw (Krogh & Hertz 1992).

    Add the value to the *mean* loss of the batch and the gradient to the weights' own; biases are left
    alone. SGD then multiplies the weights by 1 − ηλ at each step. Others scale λ differently:

    - ``keras.regularizers.L2(l)`` adds l‖w‖² without the ½: λ here is l = λ/2 there.
    - Some texts divide by the examples, λ/(2n) ‖w‖² beside a *sum* of losses.
    - A Keras optimizer's ``weight_decay`` shrinks the weights apart from the gradient (Loshchilov & Hutter
      2019); for plain SGD that is the same step as λ here, for momentum and adaptive methods it is not.

    Args:
        weights: array of any shape.
        strength: λ, at least 0.

    Returns:
        The penalty, and its gradient in the shape of ``weights``.

    Raises:
        ValueError: ``strength`` is negative or not finite, or ``weights`` are empty.

    Example:
        >>> value, gradient = l2_penalty(np.array([3.0, 4.0]), strength=0.1)
        >>> value, gradient.tolist()
        (1.25, [0.30000000000000004, 0.4])
    """
    strength = checks.not_negative("strength", strength)
    weights = as_floats("weights", weights)
    return strength / 2 * float(np.sum(weights**2)), strength * weights


def dropout(x: ArrayLike, p: float, seed: Seed = None) -> np.ndarray:
    """Drop each element with probability ``p`` and divide the others by 1 − p (Srivastava et al. 2014, §10).

    The division (*inverted* scaling) keeps the expectation of every element, so prediction needs no change.

    Args:
        x: array of any shape.
        p: probability of dropping, in [0, 1]. 0 returns ``x`` exactly, 1 returns zeros.
        seed: as for `glorot_uniform`.

    Returns:
        Array of the shape of ``x``, float64.

    Raises:
        ValueError: ``p`` lies outside [0, 1].

    Example:
        >>> dropout(np.ones(4), p=0.5, seed=0).tolist()
        [2.0, 0.0, 0.0, 0.0]
    """
    p = checks.fraction("p", p)
    x = as_floats("x", x)
    kept = generator(seed).random(x.shape) >= p
    return np.where(kept, x / (1 - p), 0.0) if p < 1 else np.zeros_like(x)
