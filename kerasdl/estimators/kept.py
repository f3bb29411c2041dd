"""What of a fitted estimator goes into a pickle? Its model, loss and optimizer, as numbers and settings.

Keras pickles a loss by its config, which may lack settings (:data:`kerasdl.borrowed.ENTRIES`), and a model by
an archive that knows registered layers only. Here they are kept as numbers, and built as they were.
"""

from typing import Any, NamedTuple

import keras
import numpy as np

from kerasdl import borrowed, random, training


class KeptLoss(NamedTuple):
    """A loss, as :func:`kerasdl.borrowed.loss_record` keeps it."""

    record: tuple[type, dict[str, Any]]

    @classmethod
    def of(cls, loss: keras.losses.Loss) -> "KeptLoss":
        return cls(borrowed.loss_record(loss))

    def back(self) -> keras.losses.Loss:
        """Return the loss again."""
        return borrowed.loss_from_record(self.record)


class KeptOptimizer(NamedTuple):
    """An optimizer's settings."""

    record: dict[str, Any]

    @classmethod
    def of(cls, optimizer: keras.optimizers.Optimizer) -> "KeptOptimizer":
        return cls(keras.optimizers.serialize(optimizer))

    def back(self) -> keras.optimizers.Optimizer:
        """Return a new optimizer with these settings."""
        return keras.optimizers.deserialize(self.record)


class KeptModel(NamedTuple):
    """A trained model: the call that made it, its optimizer, and every number that training moves."""

    recipe: tuple[Any, dict[str, Any]]
    optimizer: KeptOptimizer
    values: list[np.ndarray]

    @classmethod
    def of(cls, model: keras.Model, recipe: tuple[Any, dict[str, Any]]) -> "KeptModel":
        values = [value for _, value in training.snapshot(model)]
        return cls(recipe, KeptOptimizer.of(model.optimizer), values)

    def back(self, loss: str | keras.losses.Loss) -> keras.Model:
        """Return the model again, compiled with this loss and the same optimizer."""
        build, arguments = self.recipe
        with random.seeded(0):
            model = build(**arguments)
        model.compile(self.optimizer.back(), loss)
        variables = [variable for variable, _ in training.snapshot(model)]
        training.restore(list(zip(variables, self.values, strict=True)))
        return model


def kept(value: Any) -> Any:
    """Return what stands for a loss or an optimizer in a pickle; anything else stands for itself."""
    if isinstance(value, keras.losses.Loss):
        return KeptLoss.of(value)
    if isinstance(value, keras.optimizers.Optimizer):
        return KeptOptimizer.of(value)
    return value


def back(value: Any) -> Any:
    """Return what :func:`kept` was given."""
    return value.back() if isinstance(value, (KeptLoss, KeptOptimizer)) else value
