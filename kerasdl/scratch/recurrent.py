"""How does a network remember? It feeds its own past to itself, and learns by unrolling that in time.

Here are the walk through time that all cells share, with back-propagation through time (Werbos 1990), the
plain RNN, and the network that feeds back its output. Sequences ``(batch, time, features)`` go in; the
outputs of all steps come out. Weights have Keras's names, order and layout.
"""

import numpy as np
from numpy.typing import ArrayLike

from kerasdl import checks
from kerasdl.scratch.initial import Seed, generator, glorot_uniform, orthogonal
from kerasdl.scratch.layer import Layer, as_floats

State = tuple[np.ndarray, ...]
Saved = tuple[np.ndarray, ...]


class Recurrent(Layer):
    """The walk through time that every recurrent layer shares; a subclass is one step of it.

    A subclass gives ``step(x, state) -> (new state, saved)`` and ``step_backward(gradients of the new state,
    saved) -> (gradient of x, gradients of the state)``, which *adds* to ``gradients``. The first array of the
    state is the output.

    Args:
        **parameters: name → weights; among them ``kernel`` ``(features, …)`` and ``recurrent_kernel``
            ``(units, …)``, which say how wide the layer is.

    Attributes:
        final_state: after ``forward``, the state behind the last step, each ``(batch, units)``.
        initial_gradient: after ``backward``, the gradient with respect to the initial state.

    Raises:
        ValueError: one of the two kernels is not a matrix.

    Example:
        >>> class Sum(Recurrent):
        ...     def step(self, x, state):
        ...         return (state[0] + x @ self.parameters["kernel"],), (x,)
        >>> layer = Sum(kernel=np.ones((1, 1)), recurrent_kernel=np.ones((1, 1)))
        >>> layer.forward([[[1.0], [2.0], [3.0]]]).ravel().tolist()
        [1.0, 3.0, 6.0]
    """

    states = 1  # h; an LSTM has h and c

    def __init__(self, **parameters: ArrayLike) -> None:
        super().__init__(**parameters)
        self.features = len(as_floats("kernel", self.parameters["kernel"], ndim=2))
        self.units = len(as_floats("recurrent_kernel", self.parameters["recurrent_kernel"], ndim=2))

    def step(self, x: np.ndarray, state: State) -> tuple[State, Saved]:
        """Return the state after a step on ``(batch, features)``, and what the way back needs."""
        raise NotImplementedError

    def step_backward(self, gradients: State, saved: Saved) -> tuple[np.ndarray, State]:
        """Add to ``gradients``; return the gradients of the step's input and of the state before it."""
        raise NotImplementedError

    def forward(
        self,
        x: ArrayLike,
        mask: np.ndarray | None = None,
        initial_state: np.ndarray | State | None = None,
    ) -> np.ndarray:
        """Run over whole sequences.

        Args:
            x: ``(batch, time, features)``.
            mask: ``(batch, time)`` of booleans; where it is False, the state and the output stay as they were
                and ``x`` is not read. ``None``: every step counts.
            initial_state: array ``(batch, units)`` or a tuple of the states; ``None``: zeros.

        Returns:
            The output of every step, ``(batch, time, units)``.

        Raises:
            ValueError: a shape does not fit, or a sequence has length 0.
        """
        x = as_floats("x", x, ndim=3)
        batch, time, features = x.shape
        if features != self.features:
            raise ValueError(f"x {x.shape} does not fit the layer: give (batch, time, {self.features})")
        mask = np.ones((batch, time), dtype=bool) if mask is None else np.asarray(mask)
        if mask.shape != (batch, time) or mask.dtype != bool:
            raise ValueError(
                f"mask {mask.shape} of {mask.dtype} does not fit x {x.shape}: give (batch, time) booleans"
            )
        x = np.where(mask[..., None], x, 0.0)  # what padding holds, even NaN, must not reach a gradient

        state, outputs, tape = self._state("initial_state", initial_state, batch), [], []
        for t in range(time):
            new, saved = self.step(x[:, t], state)
            state = tuple(np.where(mask[:, t, None], n, s) for n, s in zip(new, state, strict=True))
            outputs.append(state[0])
            tape.append(saved)
        self.final_state = state
        return self.keep(np.stack(outputs, axis=1), mask, tape)

    def backward(
        self,
        gradient: ArrayLike,
        final_gradient: np.ndarray | State | None = None,
        truncate: int | None = None,
    ) -> np.ndarray:
        """Back-propagate through time.

        ``truncate=k`` cuts time into blocks of k steps, counted from the start. The state crosses from block
        to block, its gradient does not: a loss at step t reaches back to the first step of its block, at most
        k − 1 steps. It is the sum of full back-propagation through each block with the state handed on, as
        language models are trained on long texts (BPTT(k; k) of Williams & Peng 1990).

        Args:
            gradient: of the loss with respect to every output, ``(batch, time, units)``.
            final_gradient: the same with respect to ``final_state``, in its form; ``None``: zeros.
            truncate: steps in a block; ``None``: the whole sequence.

        Returns:
            The gradient with respect to ``x``, ``(batch, time, features)``.
        """
        to_outputs, (mask, tape) = self.recall(gradient)
        batch, time, _ = to_outputs.shape
        block = time if truncate is None else checks.positive_int("truncate", truncate)
        self.gradients = {name: np.zeros_like(array) for name, array in self.parameters.items()}
        flowing, to_x = self._state("final_gradient", final_gradient, batch), []
        for t in reversed(range(time)):
            flowing = (flowing[0] + to_outputs[:, t], *flowing[1:])
            counts = mask[:, t, None]
            to_this, through = self.step_backward(tuple(np.where(counts, d, 0.0) for d in flowing), tape[t])
            to_x.append(to_this)
            flowing = tuple(np.where(counts, new, d) for new, d in zip(through, flowing, strict=True))
            if t % block == 0 and t > 0:
                flowing = self._state("", None, batch)
        self.initial_gradient = flowing
        return np.stack(to_x[::-1], axis=1)

    def _state(self, argument: str, value: np.ndarray | State | None, batch: int) -> State:
        shape = (batch, self.units)
        if value is None:
            return tuple(np.zeros(shape) for _ in range(self.states))
        several = isinstance(value, (tuple, list))
        state = tuple(as_floats(argument, array) for array in (value if several else (value,)))
        if [array.shape for array in state] != [shape] * self.states:
            got = ", ".join(str(array.shape) for array in state)
            raise ValueError(f"{argument} has shapes {got}: give {self.states} of {shape}")
        return state

    def _fits(self, **expected: tuple[int, ...]) -> None:
        for name, shape in expected.items():
            if self.parameters[name].shape != shape:
                raise ValueError(
                    f"{name} {self.parameters[name].shape} does not fit the other weights: give {shape}"
                )


class RNN(Recurrent):
    """h(t) = tanh(x(t) W + h(t−1) U + b) (Elman 1990).

    Args:
        kernel: W, ``(features, units)``.
        recurrent_kernel: U, ``(units, units)``.
        bias: b, ``(units,)``.

    ``RNN(*keras.layers.SimpleRNN(...).get_weights())`` computes the same.

    Example:
        >>> rnn = RNN(kernel=[[1.0]], recurrent_kernel=[[0.0]], bias=[0.0])
        >>> rnn.forward([[[0.0], [100.0]]]).tolist()
        [[[0.0], [1.0]]]
    """

    def __init__(self, kernel: ArrayLike, recurrent_kernel: ArrayLike, bias: ArrayLike) -> None:
        super().__init__(kernel=kernel, recurrent_kernel=recurrent_kernel, bias=bias)
        units = self.units
        self._fits(kernel=(self.features, units), recurrent_kernel=(units, units), bias=(units,))

    @classmethod
    def random(cls, features: int, units: int, seed: Seed = None) -> "RNN":
        """Draw W by `glorot_uniform` and U by `orthogonal`, and start b at 0, as Keras does."""
        rng = generator(seed)
        return cls(glorot_uniform((features, units), rng), orthogonal((units, units), rng), np.zeros(units))

    def step(self, x: np.ndarray, state: State) -> tuple[State, Saved]:
        (h,) = state
        w = self.parameters
        new = np.tanh(x @ w["kernel"] + h @ w["recurrent_kernel"] + w["bias"])
        return (new,), (x, h, new)

    def step_backward(self, gradients: State, saved: Saved) -> tuple[np.ndarray, State]:
        (gradient,), (x, h, new) = gradients, saved
        before = gradient * (1 - new**2)
        self.gradients["kernel"] += x.T @ before
        self.gradients["recurrent_kernel"] += h.T @ before
        self.gradients["bias"] += before.sum(axis=0)
        return before @ self.parameters["kernel"].T, (before @ self.parameters["recurrent_kernel"].T,)


class OutputRNN(Recurrent):
    """h(t) = tanh(x(t) W + y(t−1) U + b), y(t) = h(t) V + c: only the *output* is fed back (Jordan 1986).

    Args:
        kernel: W, ``(features, units)``.
        recurrent_kernel: U, ``(outputs, units)``.
        bias: b, ``(units,)``.
        output_kernel: V, ``(units, outputs)``.
        output_bias: c, ``(outputs,)``.

    Its state is y. It may run freely on its own y(t−1), or be trained with **teacher forcing**: ``teacher``
    gives the true y(t−1) in its place (Williams & Zipser 1989). Then no gradient flows through time, and all
    steps could be computed at once; but the network never meets its own errors.

    Example:
        >>> layer = OutputRNN.random(features=1, units=4, outputs=2, seed=0)
        >>> layer.forward(np.zeros((3, 5, 1)), teacher=np.ones((3, 5, 2))).shape
        (3, 5, 2)
    """

    _forced: tuple[int, int] | None = None

    def __init__(
        self,
        kernel: ArrayLike,
        recurrent_kernel: ArrayLike,
        bias: ArrayLike,
        output_kernel: ArrayLike,
        output_bias: ArrayLike,
    ) -> None:
        super().__init__(
            kernel=kernel,
            recurrent_kernel=recurrent_kernel,
            bias=bias,
            output_kernel=output_kernel,
            output_bias=output_bias,
        )
        hidden, outputs = self.parameters["kernel"].shape[-1], self.units
        self._fits(
            kernel=(self.features, hidden),
            recurrent_kernel=(outputs, hidden),
            bias=(hidden,),
            output_kernel=(hidden, outputs),
            output_bias=(outputs,),
        )

    @classmethod
    def random(cls, features: int, units: int, outputs: int, seed: Seed = None) -> "OutputRNN":
        """Draw the three kernels by `glorot_uniform` and start the biases at 0."""
        rng = generator(seed)
        w, u, v = (glorot_uniform(s, rng) for s in ((features, units), (outputs, units), (units, outputs)))
        return cls(w, u, np.zeros(units), v, np.zeros(outputs))

    def forward(
        self,
        x: ArrayLike,
        mask: np.ndarray | None = None,
        initial_state: np.ndarray | State | None = None,
        teacher: ArrayLike | None = None,
    ) -> np.ndarray:
        """Run freely, or forced by ``teacher``, the true outputs ``(batch, time, outputs)``.

        Step t is told ``teacher[:, t − 1]``, and the first one the initial state. Forced, a mask is refused:
        padding cannot reach another step then, so leave it out of the loss instead.
        """
        self._forced = None
        if teacher is None:
            return super().forward(x, mask, initial_state)
        if mask is not None:
            raise ValueError("mask and teacher cannot go together: leave the padded steps out of the loss")
        x, teacher = as_floats("x", x, ndim=3), as_floats("teacher", teacher, ndim=3)
        batch, time, features = x.shape
        if teacher.shape != (batch, time, self.units):
            raise ValueError(
                f"teacher {teacher.shape} does not fit x {x.shape}: give {(batch, time, self.units)}"
            )
        (first,) = self._state("initial_state", initial_state, batch)
        told = np.concatenate([first[:, None], teacher[:, :-1]], axis=1)
        # Every step knows its past beforehand, so each is a sequence of its own, of length one.
        y = super().forward(x.reshape(-1, 1, features), initial_state=told.reshape(-1, self.units))
        self._forced = batch, time
        y = y.reshape(batch, time, self.units)
        self.final_state = (y[:, -1],)
        return y

    def backward(
        self,
        gradient: ArrayLike,
        final_gradient: np.ndarray | State | None = None,
        truncate: int | None = None,
    ) -> np.ndarray:
        """As `Recurrent.backward`; forced, the gradient ends at each step."""
        if self._forced is None:
            return super().backward(gradient, final_gradient, truncate)
        batch, time = self._forced
        gradient = as_floats("gradient", gradient)
        if gradient.shape != (batch, time, self.units):
            raise ValueError(f"gradient {gradient.shape} does not fit the output {(batch, time, self.units)}")
        (last,) = self._state("final_gradient", final_gradient, batch)
        gradient = np.concatenate([gradient[:, :-1], gradient[:, -1:] + last[:, None]], axis=1)
        to_x = super().backward(gradient.reshape(-1, 1, self.units))
        self.initial_gradient = (self.initial_gradient[0].reshape(batch, time, -1)[:, 0],)
        return to_x.reshape(batch, time, -1)

    def step(self, x: np.ndarray, state: State) -> tuple[State, Saved]:
        (y,) = state
        w = self.parameters
        h = np.tanh(x @ w["kernel"] + y @ w["recurrent_kernel"] + w["bias"])
        return (h @ w["output_kernel"] + w["output_bias"],), (x, y, h)

    def step_backward(self, gradients: State, saved: Saved) -> tuple[np.ndarray, State]:
        (gradient,), (x, y, h) = gradients, saved
        before = gradient @ self.parameters["output_kernel"].T * (1 - h**2)
        self.gradients["output_kernel"] += h.T @ gradient
        self.gradients["output_bias"] += gradient.sum(axis=0)
        self.gradients["kernel"] += x.T @ before
        self.gradients["recurrent_kernel"] += y.T @ before
        self.gradients["bias"] += before.sum(axis=0)
        return before @ self.parameters["kernel"].T, (before @ self.parameters["recurrent_kernel"].T,)


class LastStep(Layer):
    """``(batch, time, units)`` to its last step ``(batch, units)``: many-to-one.

    A recurrent layer repeats its output over masked steps, so this is the last step that counts.

    Example:
        >>> LastStep().forward(np.arange(6.0).reshape(1, 3, 2)).tolist()
        [[4.0, 5.0]]
    """

    def forward(self, x: ArrayLike) -> np.ndarray:
        x = as_floats("x", x, ndim=3)
        return self.keep(x[:, -1], x.shape)

    def backward(self, gradient: ArrayLike) -> np.ndarray:
        gradient, (shape,) = self.recall(gradient)
        to_x = np.zeros(shape)
        to_x[:, -1] = gradient
        return to_x
