"""What is one model of many? The same layers with one more axis, the members', in front.

Here are those layers, the stack that they make up, and optimizers that treat each member by itself.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import keras
from keras import ops

from kerasdl import borrowed
from kerasdl.layers.dropout import hashed
from kerasdl.selection.stack.plan import PLAIN

Tensor: TypeAlias = Any  # whatever the backend calls one


class Dense(keras.layers.Layer):
    """``(members, rows, features)`` times a kernel for each member; penalties for each as well."""

    def __init__(self, members: int, features: int, units: int, activation: Any, use_bias: bool):
        super().__init__()
        self.activation = keras.activations.get(activation)
        self.kernel = self.add_weight(shape=(members, features, units), initializer="zeros", name="kernel")
        shape = (members, 1, units)
        self.bias = self.add_weight(shape=shape, initializer="zeros", name="bias") if use_bias else None
        self.penalties = self.add_weight(
            shape=(4, members), initializer="zeros", trainable=False, name="penalties"
        )
        self.built = True

    @property
    def arrays(self) -> list[keras.Variable]:
        return [self.kernel] if self.bias is None else [self.kernel, self.bias]

    def call(self, x: Tensor) -> Tensor:
        x = ops.matmul(x, self.kernel)
        return self.activation(x if self.bias is None else x + self.bias)

    def penalty(self, used: Sequence[bool]) -> Tensor:
        """Return each member's penalty, of the kinds (l1, l2) on the kernel and on the bias that are used."""
        weights = [self.kernel, self.kernel, self.bias, self.bias]
        sizes = [ops.abs, ops.square, ops.abs, ops.square]
        return sum(
            self.penalties[kind] * ops.sum(sizes[kind](weights[kind]), axis=(1, 2))
            for kind in range(4)
            if used[kind]
        )


class BatchNormalization(keras.layers.Layer):
    """Normalises each member over those of its rows that count (Ioffe & Szegedy 2015)."""

    def __init__(
        self, members: int, features: int, momentum: float, epsilon: float, center: bool, scale: bool
    ):
        super().__init__()
        self.momentum, self.epsilon = momentum, epsilon
        shape = (members, 1, features)
        new = partial(self.add_weight, shape=shape, initializer="ones")
        self.gamma = new(name="gamma") if scale else None
        self.beta = new(name="beta") if center else None
        self.mean = new(name="moving_mean", trainable=False)
        self.variance = new(name="moving_variance", trainable=False)
        self.built = True

    @property
    def arrays(self) -> list[keras.Variable]:
        return [v for v in (self.gamma, self.beta, self.mean, self.variance) if v is not None]

    def call(self, x: Tensor, rows: Tensor | None = None) -> Tensor:
        mean, variance = self.mean, self.variance
        if rows is not None:
            share = rows / ops.maximum(ops.sum(rows, axis=1, keepdims=True), 1)
            mean = ops.sum(x * share, axis=1, keepdims=True)
            variance = ops.sum(ops.square(x - mean) * share, axis=1, keepdims=True)
            kept, new = self.momentum, 1.0 - self.momentum
            self.mean.assign(self.mean * kept + mean * new)
            self.variance.assign(self.variance * kept + variance * new)
        factor = ops.rsqrt(variance + self.epsilon)
        x = (x - mean) * (factor if self.gamma is None else factor * self.gamma)
        return x if self.beta is None else x + self.beta


class Dropout(keras.layers.Layer):
    """kerasdl's dropout with a rate and a key for each member; one of either serves all where they agree."""

    def __init__(self, keys: int, rates: int):
        super().__init__()
        new = partial(self.add_weight, initializer="zeros", trainable=False)
        self.keys = new(shape=(keys, 1, 1), dtype="int32", name="keys")
        self.thresholds = new(shape=(rates, 1, 1), dtype="int32", name="thresholds")
        self.scales = new(shape=(rates, 1, 1), name="scales")
        self.built = True

    def call(self, x: Tensor, step: Tensor | None = None) -> Tensor:
        if step is None:
            return x
        keys = ops.convert_to_tensor(self.keys)
        keep = hashed(tuple(x.shape[1:]), keys, step) >= ops.convert_to_tensor(self.thresholds)
        return x * (ops.cast(keep, x.dtype) * self.scales)


class Stack(keras.Model):
    """All members as one model, trained by Keras's ``fit``.

    It is fed, at each step, ``(rows, counted, coefficients, shares)`` and targets, each with a leading axis
    of *streams*: the rows of one fold in one order, which several members may share. ``rows`` is ``(streams,
    batch, features)``; ``counted``, ``(streams, batch)``, is 1 at places that hold a row and 0 after them;
    ``coefficients`` are each row's weight over the number of rows in its stream's batch; ``shares``,
    ``(streams, reports)``, say how much of each report's mean this batch makes up.

    Args:
        shared: the plan's layers.
        shapes: of each of their arrays, for one member.
        penalised: of each layer, which of its four kinds of penalty any member uses.
        dropout: place → (number of keys, number of rates), each 1 or that of the members.
        streams: each member's stream.
        loss: gives one number a row.
        gauges: metrics, each of which does too.
        features: numbers a row.
        batch: rows a batch.
        reports: rows of the history.
    """

    def __init__(
        self,
        shared: Sequence[tuple[str, str]],
        shapes: Sequence[Sequence[tuple[int, ...]]],
        penalised: Sequence[Sequence[bool]],
        dropout: Mapping[int, tuple[int, int]],
        streams: tuple[int, ...],
        loss: Callable[[Tensor, Tensor], Tensor],
        gauges: Sequence[Callable[[Tensor, Tensor], Tensor]],
        features: int,
        batch: int,
        reports: int,
    ):
        super().__init__()
        self.streams, self.rowwise, self.gauges, self.batch = streams, loss, tuple(gauges), batch
        members, self.features = len(streams), features
        self.own = streams != tuple(range(members))
        self.penalised = penalised
        self.dropouts = {str(place): Dropout(*numbers) for place, numbers in dropout.items()}
        self.stack: list[keras.layers.Layer | None] = []
        for (kind, settings), own in zip(shared, shapes, strict=True):
            settings = json.loads(settings)
            if kind == "Dense":
                self.stack.append(Dense(members, own[0][0], **settings))
            elif kind == "BatchNormalization":
                self.stack.append(BatchNormalization(members, own[0][-1], **settings))
            elif kind != "Flatten":  # rows arrive flat
                plain = next(layer for layer in PLAIN if layer.__name__ == kind)
                self.stack.append(plain.from_config(settings))
            else:
                self.stack.append(None)
        self.step = self.add_weight(
            shape=(), dtype="int32", trainable=False, initializer="zeros", name="step"
        )
        self.record = self.add_weight(
            shape=(1 + len(self.gauges), members, reports),
            trainable=False,
            initializer="zeros",
            name="record",
        )
        self.built = True

    def __call__(self, inputs: Sequence[Tensor], training: bool = False) -> Tensor:
        # Past Keras's checks of what comes in: run eagerly, they take longer than the layers.
        return self.call(inputs, training)

    def call(self, inputs: Sequence[Tensor], training: bool = False) -> Tensor:
        x, counted = inputs[0], inputs[1]
        rows = self.batch if training else -1
        x = self._members(ops.reshape(x, (max(self.streams) + 1, rows, self.features)))
        counted = self._members(counted)[:, :, None] if training else None
        step = ops.convert_to_tensor(self.step) if training else None
        for place, layer in enumerate([*self.stack, None]):
            if str(place) in self.dropouts:
                x = self.dropouts[str(place)].call(x, step)
            if isinstance(layer, BatchNormalization):
                x = layer.call(x, counted)
            elif layer is not None:
                x = layer.call(x)
        if training:
            self.step.assign(self.step + 1)  # last: on torch, ``step`` is the variable's own memory
        return x

    def compute_loss(
        self,
        x: Sequence[Tensor],
        y: Tensor = None,
        y_pred: Tensor = None,
        sample_weight: Tensor | None = None,
        training: bool = True,
    ) -> Tensor:
        _, counted, coefficients, shares = x
        y = self._members(y)
        losses = self.rowwise(y, y_pred)
        each = ops.sum(losses * self._members(coefficients), axis=1)
        for penalty in self.penalties():
            each = each + penalty
        shares = self._members(shares)
        figures = ops.stack([each, *self._gauged(y, y_pred, counted)]) if self.gauges else each[None]
        # Where a report has no part of this batch, even a loss that is NaN leaves it alone.
        self.record.assign_add(ops.where(shares > 0, shares * figures[:, :, None], 0.0))
        return ops.sum(each)

    def _gauged(self, y: Tensor, y_pred: Tensor, counted: Tensor) -> list[Tensor]:
        """Return each metric's mean over the rows that count, ``(members,)``."""
        counted = self._members(counted)
        rows = ops.maximum(ops.sum(counted, axis=1), 1)
        found = []
        for gauge in self.gauges:
            each = ops.cast(gauge(y, y_pred), "float32")
            each = ops.mean(ops.reshape(each, (*counted.shape, -1)), axis=-1)  # some give one an output
            each = ops.where(counted > 0, each, 0.0)
            found.append(ops.stop_gradient(ops.sum(each, axis=1) / rows))
        return found

    def penalties(self) -> list[Tensor]:
        """Return the members' penalties, ``(members,)``, of each layer that has any."""
        pairs = zip(self.stack, self.penalised, strict=True)
        return [layer.penalty(used) for layer, used in pairs if layer is not None and any(used)]

    def _members(self, values: Tensor) -> Tensor:
        return ops.take(values, ops.convert_to_tensor(self.streams, "int32"), axis=0) if self.own else values


def optimizer(name: str, config: dict, members: int, varied: bool) -> keras.optimizers.Optimizer:
    """Return Keras's optimizer of this name, clipping each member by its own norms, at its own rate.

    Every weight has the members on its first axis of three. A rate multiplies an optimizer's whole step, so
    where they are ``varied`` the steps are taken at one rate and then shortened, each member's to its own
    share of it.
    """
    kind: Any = type(keras.optimizers.get(name))
    clipnorm, together = config.get("clipnorm"), config.get("global_clipnorm")

    class Members(kind):
        def build(self, variables: list[keras.Variable]) -> None:
            super().build(variables)
            self.share = self.add_variable((members, 1, 1), initializer="ones", name="share")

        def apply(self, grads: list[Tensor], trainable_variables: Any = None) -> None:
            variables = borrowed.optimized(self) if trainable_variables is None else trainable_variables
            if clipnorm or together:
                squares = [ops.sum(ops.square(g), axis=(1, 2), keepdims=True) for g in grads]
                norms = [
                    ops.sqrt(square) for square in ([sum(squares)] * len(grads) if together else squares)
                ]
                most = together or clipnorm
                grads = [g * (most / ops.maximum(n, most)) for g, n in zip(grads, norms, strict=True)]
            before = [ops.copy(v) for v in variables] if varied else []
            super().apply(grads, trainable_variables)
            if not varied:
                return
            for variable, old in zip(variables, before, strict=True):
                variable.assign(old + self.share * (variable - old))

    return Members.from_config({**config, "clipnorm": None, "global_clipnorm": None})
