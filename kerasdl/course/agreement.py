"""Do a builder and the same model written out in Keras's own layers agree? Shown, and recorded as exact.

In go the chapter, both models and inputs; out comes whether the two have weights of the same shapes, with a
check of what they answer, or a line that says why there is none.
"""

from typing import Any


def agree(
    chapter: Any, builder: Any, written_out: Any, x: Any, x_written_out: Any = None, name: str = ""
) -> bool:
    """Show a written-out model's summary, give it the builder's weights, and hold the answers to be equal.

    A model that a reader has put in place of one of them has other weights: it is shown, and not compared.

    Args:
        chapter: records the exact check.
        builder: what a function of :mod:`kerasdl.models` returned.
        written_out: the same network in Keras's own layers, built.
        x: inputs for both.
        x_written_out: inputs for the written-out model, where they are not the builder's.
        name: of the check; default the builder's name.

    Returns:
        Whether their weights have the same shapes, so that the two were compared.

    Example:
        In a chapter, where ``chapter`` is its :class:`~kerasdl.course.Chapter`:

        >>> by_hand = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])  # doctest: +SKIP
        >>> agree(chapter, models.linear(3), by_hand, x)  # doctest: +SKIP
        True
    """
    import numpy as np
    from keras import ops, tree

    written_out.summary(line_length=79)
    weights = builder.get_weights()
    if [w.shape for w in weights] != [w.shape for w in written_out.get_weights()]:
        print("The two have weights of other shapes: networks of their own, so not compared.")
        return False
    written_out.set_weights(weights)
    one, other = (
        ops.convert_to_numpy(model(tree.map_structure(ops.convert_to_tensor, inputs)))
        for model, inputs in ((builder, x), (written_out, x if x_written_out is None else x_written_out))
    )
    apart = np.abs(one - other).max() / np.abs(one).max() if one.shape == other.shape else np.inf
    chapter.exact(f"{name or builder.name}: builder against Keras's own layers", apart, within=1e-5)
    return True
