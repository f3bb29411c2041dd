"""What does a recurrent cell owe to the loop over time, and what does a backend owe to a cell?

Two contracts and a list. :class:`Operations` names all that a cell is written in; each module of
:mod:`kerasdl.layers.kernels` brings one, and leaves to the backend whether a state is ``(batch, units)`` or
``(units, batch)``, for one of them may be quicker. :class:`Arithmetic` is one cell, forward and in reverse,
written once in these operations. :func:`register` puts a cell on the list, where layers, model builders and
tests find it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

import keras

Tensor = Any  # an array of whichever backend runs
Tensors = Sequence[Tensor]
Pair = tuple[Tensors, Tensors]
Weights = Mapping[str, Tensor]  # by Keras's names, in Keras's layout; without those that a layer lacks

ACTIVATIONS = ("tanh", "sigmoid", "relu", "linear")
NAME_OF = {getattr(keras.activations, name): name for name in ACTIVATIONS}

NO_FORWARD_MODE = "forward mode is not written for this layer: use keras.layers' own, or reverse mode"
NO_SECOND_GRADIENT = (
    "neither the gradient of a gradient nor forward mode is written for this layer: use keras.layers' own"
)


class Operations(ABC):
    """All that a cell is written in.

    *States*, and what a step makes of them, lie as the backend likes: ``(batch, width)`` or
    ``(width, batch)``. *Rows* are always ``(steps · batch, width)``. What is not abstract is made of simpler
    operations, unless a backend has one for the whole. ``tanh_back`` and the like take the gradient after an
    activation, and the activation's value, to the gradient before it.
    """

    @abstractmethod
    def sigmoid(self, z: Tensor) -> Tensor:
        """Return 1 / (1 + exp(−z))."""

    @abstractmethod
    def tanh(self, z: Tensor) -> Tensor:
        """Return the hyperbolic tangent."""

    @abstractmethod
    def relu(self, z: Tensor) -> Tensor:
        """Return max(z, 0)."""

    @abstractmethod
    def relu_back(self, d: Tensor, y: Tensor) -> Tensor:
        """Return ``d`` where ``y`` is above 0, else 0."""

    @abstractmethod
    def through(self, v: Tensor, matrix: Tensor) -> Tensor:
        """Send a state through a matrix of the layout that the backend gives to ``step`` and ``back``."""

    @abstractmethod
    def split(self, z: Tensor, n: int) -> Tensors:
        """Cut a state into ``n`` of equal width."""

    @abstractmethod
    def join(self, parts: Tensors) -> Tensor:
        """Put states of equal width side by side: what :meth:`split` undoes."""

    @abstractmethod
    def total(self, rows: Tensor) -> Tensor:
        """Sum over all rows."""

    @abstractmethod
    def outer(self, a: Tensor, b: Tensor) -> Tensor:
        """Return aᵀ b of two arrays of rows: the sum over rows of their outer products."""

    @abstractmethod
    def columns(self, parts: Tensors) -> Tensor:
        """Put rows, or matrices, side by side."""

    @abstractmethod
    def cut(self, rows: Tensor, n: int) -> Tensors:
        """Cut rows into ``n`` of equal width."""

    @abstractmethod
    def stack(self, parts: Tensors) -> Tensor:
        """Stack vectors as the rows of a matrix."""

    def linear(self, z: Tensor) -> Tensor:
        """Return ``z``."""
        return z

    def linear_back(self, d: Tensor, y: Tensor) -> Tensor:
        """Return ``d``."""
        return d

    def tanh_back(self, d: Tensor, y: Tensor) -> Tensor:
        """Return d (1 − y²)."""
        return d * (1 - y * y)

    def sigmoid_back(self, d: Tensor, y: Tensor) -> Tensor:
        """Return d y (1 − y)."""
        return d * (y * (1 - y))

    def plus_product(self, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        """Return a + b ⊙ c."""
        return a + b * c

    def plus_through(self, a: Tensor, v: Tensor, matrix: Tensor) -> Tensor:
        """Return ``a`` and what comes of ``v`` :meth:`through` the matrix."""
        return a + self.through(v, matrix)

    def blend(self, u: Tensor, a: Tensor, b: Tensor) -> Tensor:
        """Return u ⊙ a + (1 − u) ⊙ b."""
        return u * a + (1 - u) * b


@dataclass(frozen=True)
class Arithmetic(ABC):
    """One recurrent cell: a step forward, a step in reverse, and the gradients of the weights.

    No weight's gradient is summed step by step: ``gradients`` takes what ``back`` returned at all steps at
    once, as rows. What is written here serves a cell with one recurrent kernel that h goes through.

    Attributes:
        activation, recurrent_activation: by name, of :data:`ACTIVATIONS`.
        weights: the names of the Keras cell's weights.
        options: the Keras cell's arguments that change the arithmetic, and all the values they take; each is
            a field of the subclass, too.
        slopes: how many arrays ``back`` returns for ``gradients``.
    """

    activation: str = "tanh"
    recurrent_activation: str = "sigmoid"

    weights: ClassVar[tuple[str, ...]] = ("kernel", "recurrent_kernel", "bias")
    options: ClassVar[Mapping[str, tuple[Any, ...]]] = {}
    slopes: ClassVar[int] = 1

    @property
    def fused(self) -> str | None:
        """What PyTorch calls this cell, which it has in one piece, as ``"lstm"``; None where it has not."""
        return None

    @property
    def saves(self) -> int:
        """How many arrays ``step`` saves."""
        return 1

    @abstractmethod
    def step(self, ops: Operations, z: Tensor, states: Tensors, matrices: Tensors, vectors: Tensors) -> Pair:
        """Take one step.

        Args:
            ops: the backend's operations.
            z: the projected input, x W + b.
            states: h first.
            matrices, vectors: what :meth:`recurrent` returned, laid as the backend's states are.

        Returns:
            The new states, and what :meth:`back` will need: ``saves`` arrays.
        """

    @abstractmethod
    def back(
        self, ops: Operations, d_states: Tensors, saved: Tensors, matrices: Tensors, vectors: Tensors
    ) -> Pair:
        """Go one step back.

        Args:
            ops: the backend's operations.
            d_states: the loss's gradient with respect to the new states.
            saved: what :meth:`step` saved.
            matrices, vectors: as in :meth:`step`, the matrices transposed.

        Returns:
            Slopes, ``slopes`` arrays of which :meth:`projected` and :meth:`gradients` make the rest; and the
            gradient with respect to the old states.
        """

    @classmethod
    def of(cls, cell: keras.layers.Layer) -> Self | None:
        """Return the arithmetic of a Keras cell with its options; None where an activation is not known."""
        activations = [cell.activation, getattr(cell, "recurrent_activation", keras.activations.sigmoid)]
        if not all(one in NAME_OF for one in activations):
            return None
        return cls(
            *(NAME_OF[one] for one in activations), **{name: getattr(cell, name) for name in cls.options}
        )

    def recurrent(self, w: Weights) -> Pair:
        """Return the matrices that states go through, and the vectors that are added to or scale them."""
        return (w["recurrent_kernel"],), ()

    def input_bias(self, w: Weights) -> Tensor | None:
        """Return the bias of the projected input, or None."""
        return w.get("bias")

    def projected(self, ops: Operations, slopes: Tensors) -> Tensor:
        """Return the gradient with respect to all projected inputs from all slopes, both as rows."""
        return slopes[0]

    def gradients(
        self, ops: Operations, slopes: Tensors, saved: Callable[[int], Tensor], h: Tensor, w: Weights
    ) -> dict[str, Tensor]:
        """Return the gradient of each weight but the kernel, whose gradient follows from :meth:`projected`.

        Args:
            ops: the backend's operations.
            slopes: what :meth:`back` returned at all steps, rows.
            saved: ``saved(n)`` is the n-th of what :meth:`step` saved at all steps, rows.
            h: the first state before each step, rows.
            w: the weights.
        """
        (dz,) = slopes
        return {"recurrent_kernel": ops.outer(h, dz), "bias": ops.total(dz)}

    def act(self, ops: Operations, z: Tensor) -> Tensor:
        """Apply the activation."""
        return getattr(ops, self.activation)(z)

    def gate(self, ops: Operations, z: Tensor) -> Tensor:
        """Apply the recurrent activation."""
        return getattr(ops, self.recurrent_activation)(z)

    def act_back(self, ops: Operations, d: Tensor, y: Tensor) -> Tensor:
        """Take a gradient back through the activation, whose value was ``y``."""
        return getattr(ops, f"{self.activation}_back")(d, y)

    def gate_back(self, ops: Operations, d: Tensor, y: Tensor) -> Tensor:
        """Take a gradient back through the recurrent activation, whose value was ``y``."""
        return getattr(ops, f"{self.recurrent_activation}_back")(d, y)


class Registered(NamedTuple):
    """A cell on the list: what builders call it, its Keras cell, its arithmetic and its layer."""

    name: str
    cell: type[keras.layers.Layer]
    arithmetic: type[Arithmetic]
    layer: type[keras.layers.RNN]


REGISTRY: dict[str, Registered] = {}


def register(
    name: str,
    *,
    cell: type[keras.layers.Layer],
    arithmetic: type[Arithmetic],
    layer: type[keras.layers.RNN],
) -> None:
    """Put a cell on the list.

    Args:
        name: by which :mod:`kerasdl.models` knows it, as in ``cell="lstm"``.
        cell: the Keras cell.
        arithmetic: the same for the kernels.
        layer: the layer that runs the cell over time.

    Raises:
        ValueError: the name or the Keras cell is on the list already.
    """
    if name in REGISTRY or any(one.cell is cell for one in REGISTRY.values()):
        raise ValueError(
            f"name={name!r} or cell={cell.__name__} is registered already: give each cell one name"
        )
    REGISTRY[name] = Registered(name, cell, arithmetic, layer)


def arithmetic_of(cell: keras.layers.Layer) -> Arithmetic | None:
    """Return the arithmetic of a layer's Keras cell; None where it, or an activation of it, is not known.

    A subclass of a registered cell is another cell, for it may compute something else.
    """
    for one in REGISTRY.values():
        if type(cell) is one.cell:
            return one.arithmetic.of(cell)
    return None
