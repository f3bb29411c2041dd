"""What of a fitted estimator goes into a pickle? Its model, losses and optimizers, as numbers and settings.

Keras pickles a loss by its config, which may lack settings (:data:`kerasdl.borrowed.ENTRIES`), and a model
by an archive that knows registered layers only. Here a loss is kept by its attributes, an optimizer and a
model by their settings and numbers together with the classes that are not Keras's own, so that a model
comes back as it was whatever its builder has become.
"""

import pickle
import warnings
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasdl import borrowed, random, training
from kerasdl.estimators.meaning import plain
from kerasdl.estimators.recipe import Architecture, Recipe, fingerprint


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
    """An optimizer's class and settings, as :func:`kerasdl.borrowed.optimizer_settings` gives them."""

    kind: type[keras.optimizers.Optimizer]
    settings: dict[str, Any]

    @classmethod
    def of(cls, optimizer: keras.optimizers.Optimizer) -> "KeptOptimizer":
        return cls(*borrowed.optimizer_settings(optimizer))

    def back(self) -> keras.optimizers.Optimizer:
        """Return a new optimizer with these settings."""
        return self.kind.from_config(self.settings)


class KeptGiven(NamedTuple):
    """A model that is an estimator's ``build``: its architecture and weights."""

    architecture: Architecture
    shape: Any
    weights: list[np.ndarray]

    @classmethod
    def of(cls, model: keras.Model) -> "KeptGiven":
        if not plain(model):
            raise TypeError(f"build={model.name!r} is a subclass, which no pickle can keep: give its builder")
        return cls(Architecture.of(model), model.input_shape[1:], model.get_weights())

    def back(self) -> keras.Model:
        """Return the model again, not compiled."""
        with random.seeded(0):
            return self.architecture.make(self.shape, self.weights)


class KeptModel(NamedTuple):
    """A trained model: how it was made, its optimizer, and every number that training moves.

    Attributes:
        recipe: the call that made it.
        architecture: what it was; None where it does not give its settings, so that only its builder can
            make it.
        fingerprint: what tells it from others.
        optimizer, values: its optimizer and numbers.
    """

    recipe: Recipe
    architecture: Architecture | None
    fingerprint: list
    optimizer: KeptOptimizer
    values: list[np.ndarray]

    @classmethod
    def of(cls, model: keras.Model, recipe: Recipe, build: Any) -> "KeptModel":
        """Keep a model; its recipe's builder is not kept where it is ``build``, which is elsewhere."""
        values = [value for _, value in training.snapshot(model)]
        kept_recipe = recipe._replace(build=None if recipe.build is build else kept(recipe.build))
        architecture = _architecture(model, recipe)
        return cls(kept_recipe, architecture, fingerprint(model), KeptOptimizer.of(model.optimizer), values)

    def back(self, build: Any, loss: Any, metrics: Any = None) -> tuple[keras.Model, Recipe]:
        """Return the model again, compiled with this loss and the same optimizer, and the call that made it.

        Raises:
            ValueError: only its builder can make it, and the builder now makes another.
        """
        recipe = self.recipe._replace(build=back(self.recipe.build) or build)
        with random.seeded(0), borrowed.stock_draws(0):
            made = _made(recipe)
            changed = made is None or fingerprint(made) != self.fingerprint
            if self.architecture is not None:
                model = self.architecture.make(recipe.shape, None)
            elif changed:
                raise ValueError(
                    f"build={recipe.build!r} makes another model than the one that was saved, and that one's "
                    "layers do not give their settings: load it with the builder that it was saved with"
                )
            else:
                model = made
        if changed:
            warnings.warn(
                f"build={recipe.build!r} makes another model than the one that was saved: the saved one "
                "predicts, the next fit trains what the builder makes",
                UserWarning,
                stacklevel=5,
            )
        model.compile(self.optimizer.back(), loss, metrics=metrics)
        variables = [variable for variable, _ in training.snapshot(model)]
        training.restore(list(zip(variables, self.values, strict=True)))
        return model, recipe


KEPT = (KeptLoss, KeptOptimizer, KeptGiven)


def kept(value: Any) -> Any:
    """Return what stands for a loss, an optimizer or a model in a pickle; anything else is itself."""
    if isinstance(value, keras.losses.Loss):
        return KeptLoss.of(value)
    if isinstance(value, keras.optimizers.Optimizer):
        return KeptOptimizer.of(value)
    if isinstance(value, keras.Model):
        return KeptGiven.of(value)
    return value


def back(value: Any) -> Any:
    """Return what :func:`kept` was given."""
    return value.back() if isinstance(value, KEPT) else value


def _architecture(model: keras.Model, recipe: Recipe) -> Architecture | None:
    """Return the model's architecture, if it can be made from that again, in another process too."""
    try:
        architecture = Architecture.of(model)
        pickle.dumps(architecture)
        if type(model).__name__ not in ("Functional", "Sequential") or any(
            isinstance(layer, keras.layers.Lambda) for layer in borrowed.every_layer(model)
        ):
            with random.seeded(0), borrowed.stock_draws(0):
                again = architecture.make(recipe.shape, None)
            if fingerprint(again) != fingerprint(model):
                return None
    except Exception:  # noqa: BLE001  whatever keeps it from being made again, its builder can make it
        return None
    return architecture


def _made(recipe: Recipe) -> keras.Model | None:
    """Return what the call makes today, if it makes anything."""
    try:
        return recipe.make()
    except Exception:  # noqa: BLE001  a builder that fails today is one that has changed
        return None
