"""How does a compiled model start anew? Every variable that training moves, kept as NumPy and put back.

A compiled model goes in; a list of variables and values comes out, and goes back in.
"""

import keras


def snapshot(model: keras.Model) -> list[tuple]:
    """Return every variable that training moves, each with its present value.

    That is the model's weights, its random layers' states and its optimizer's. A model compiled once and
    put back with :func:`restore` trains again without a new trace, and without the memory that a fresh
    model for each run would leave behind.

    Args:
        model: compiled and built.

    Returns:
        (variable, its value as NumPy), one pair for each.

    Raises:
        ValueError: the model has no weights yet.

    Example:
        >>> import numpy as np
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> start, before = snapshot(model), model.get_weights()[0]
        >>> _ = model.fit(np.ones((8, 3)), np.ones((8, 1)), verbose=0)
        >>> restore(start)
        >>> np.array_equal(model.get_weights()[0], before)
        True
    """
    if not model.built:
        raise ValueError(f"model={model.name!r} has no weights yet: begin it with keras.Input, or build it")
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return [(v, keras.ops.convert_to_numpy(v)) for v in [*model.variables, *model.optimizer.variables]]


def restore(state: list[tuple]) -> None:
    """Put each variable of a :func:`snapshot` back to its value.

    Args:
        state: what :func:`snapshot` returned; it can be put back any number of times.

    Example:
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, bias_initializer="ones")])
        >>> model.compile("sgd", "mse")
        >>> start = snapshot(model)
        >>> _ = model.layers[0].bias.assign([5.0])
        >>> restore(start)
        >>> model.get_weights()[1].tolist()
        [1.0]
    """
    for variable, value in state:
        variable.assign(value)
