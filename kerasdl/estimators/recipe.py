"""How is a model made? By the builder and its arguments, or as a copy of a model that is given.

In go an estimator's settings and the shape of a row; out comes a recipe, which makes the same model each
time, built and uncompiled.
"""

import inspect
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np

from kerasdl import borrowed, checks
from kerasdl.estimators.inputs import Shape


class Recipe(NamedTuple):
    """A call that makes a model.

    Attributes:
        build: the builder, or the model to copy.
        arguments: it is called with.
        shape: of a row.
    """

    build: Any
    arguments: dict[str, Any]
    shape: Shape

    def same(self, other: "Recipe") -> bool:
        """Return whether the other calls the same builder with the same arguments."""
        return self.build is other.build and _equal(self.arguments, other.arguments)

    def make(self) -> keras.Model:
        """Return a new model, all of its variables made.

        Raises:
            TypeError, ValueError: it is no uncompiled model, or has not one output.
        """
        if isinstance(self.build, keras.Model):
            return Architecture.of(self.build).make(self.shape, self.build.get_weights())
        model = self.build(**self.arguments)
        if not isinstance(model, keras.Model):
            raise TypeError(f"build={self.build!r} returned {model!r}: it must return a keras.Model")
        if model.compiled:
            raise ValueError(f"build={self.build!r} returned a compiled model: the estimator compiles it")
        return grown(model, self.shape)


def recipe(build: Any, parameters: dict[str, Any], shape: Shape, outputs: int) -> Recipe:
    """Return the call that makes a model for these rows and targets.

    Args:
        build: a builder, or a model.
        parameters: the user's, by their names in the estimator: ``build__…``.
        shape: of a row.
        outputs: how many are asked for.

    Raises:
        TypeError, ValueError: a parameter that the builder has not.
    """
    if isinstance(build, keras.Model):
        for name, value in parameters.items():
            raise ValueError(f"{name}={value!r}: build={build.name!r} is a model, which has no arguments")
        return Recipe(build, {}, shape)
    signature = inspect.signature(build).parameters
    open_ended = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in signature.values())
    # In a recurrent builder ``units`` is the width of the state.
    size = "outputs" if "outputs" in signature else "units"
    features = {name: own[-1] for name, own in shape.items()} if isinstance(shape, dict) else shape[-1]
    offered = {"features": features, "input_shape": shape, size: outputs}
    arguments = {name: value for name, value in offered.items() if name in signature}
    for name, value in parameters.items():
        own = checks.current_name(build, name.removeprefix("build__"))
        if not open_ended:
            checks.one_of("build__ name", own, signature)
        arguments[own] = value.item() if isinstance(value, np.generic) else value
    return Recipe(build, arguments, shape)


def _equal(one: Any, other: Any) -> bool:
    """Return whether two arguments are equal, arrays among them."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(one[name], other[name]) for name in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_equal, one, other))
    return one is other or bool(np.array_equal(one, other))


def grown(model: keras.Model, shape: Shape) -> keras.Model:
    """Return the model after it has made its variables, which some wait for their first rows to do.

    Raises:
        ValueError: the model can't take rows of this shape, or has several outputs.
    """
    if type(model).__name__ != "Functional":
        if isinstance(shape, dict):
            rows: Any = [np.zeros((1, *own), keras.config.floatx()) for own in shape.values()]
        else:
            rows = np.zeros((1, *shape), keras.config.floatx())
        if not (isinstance(model, keras.Sequential) and model.built):
            outputs = model(rows)
            if isinstance(outputs, (list, tuple, dict)):
                raise ValueError(
                    f"build returned a model with {len(outputs)} outputs: an estimator's has one"
                )
    elif len(model.outputs) > 1:
        raise ValueError(f"build returned a model with {len(model.outputs)} outputs: an estimator's has one")
    return model


class Architecture(NamedTuple):
    """A model without its numbers: its class, its settings, and what of them is not Keras's own."""

    kind: Any
    config: dict[str, Any]
    own: dict[str, Any]

    @classmethod
    def of(cls, model: keras.Model) -> "Architecture":
        """Read a model.

        Raises:
            NotImplementedError, TypeError, ValueError: a layer of the user's own does not give its settings.
        """
        return cls(type(model), model.get_config(), dict(_own(model)))

    def make(self, shape: Shape, weights: list[np.ndarray] | None) -> keras.Model:
        """Return a new model for rows of this shape, with these weights where there are any."""
        with keras.saving.custom_object_scope(self.own):
            model = self.kind.from_config(self.config)
        model = grown(model, shape)
        if weights is not None:
            model.set_weights(weights)
        return model


def _own(model: keras.Model) -> Iterator[tuple[str, Any]]:
    """Yield, by name, the classes and functions in a model's settings that are not Keras's own."""
    for layer in [model, *borrowed.every_layer(model)]:
        for part in (layer, *vars(layer).values()):
            has_settings = callable(part) or hasattr(part, "get_config")
            thing = part if inspect.isfunction(part) else type(part)
            module = getattr(thing, "__module__", "") or ""
            if has_settings and not module.startswith(("keras.", "builtins")):
                yield keras.saving.get_registered_name(thing), thing
                yield thing.__name__, thing


def fingerprint(model: keras.Model) -> list[tuple[str, str, list[tuple[int, ...]]]]:
    """Return what tells one architecture from another, whatever its layers are called."""
    found = []
    for layer in [model, *borrowed.every_layer(model)]:
        try:
            config = layer.get_config() if layer is not model and not isinstance(layer, keras.Model) else {}
        except NotImplementedError:
            config = {}
        shapes = [tuple(variable.shape) for variable in layer.variables]
        found.append((type(layer).__name__, repr(_unnamed(config)), shapes))
    return found


def _unnamed(config: Any) -> Any:
    """Return a config without the names that Keras counts up, and the seeds that it draws."""
    if isinstance(config, dict):
        left_out = ("name", "registered_name", "build_config")
        return {name: _unnamed(value) for name, value in config.items() if name not in left_out}
    if isinstance(config, (list, tuple)):
        return [_unnamed(value) for value in config]
    return config
