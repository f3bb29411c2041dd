"""Do a builder and the same model written out in Keras's own layers agree? Shown, and recorded as exact.

In go the chapter, both models and inputs; a check comes out, or a line that says why there is none.
"""

from typing import Any


def agree(chapter: Any, builder: Any, written_out: Any, x: Any, name: str = "") -> None:
    """Show a written-out model's summary, give it the builder's weights, and hold the answers to be equal.

    A model that a reader has changed has other weights than the builder's: it is shown, and not compared.

    Args:
        chapter: records the exact check.
        builder: what a function of :mod:`kerasdl.models` returned.
        written_out: the same network in Keras's own layers, built.
        x: inputs for both.
        name: of the check; default the builder's name.
    """
    import numpy as np
    from keras import ops, tree

    written_out.summary(line_length=79)
    weights = builder.get_weights()
    if [w.shape for w in weights] != [w.shape for w in written_out.get_weights()]:
        print("its weights have other shapes than the builder's: a network of its own, so not compared")
        return
    written_out.set_weights(weights)
    inputs = tree.map_structure(ops.convert_to_tensor, x)
    one, other = (ops.convert_to_numpy(model(inputs)) for model in (builder, written_out))
    apart = np.abs(one - other).max() / np.abs(one).max() if one.shape == other.shape else np.inf
    chapter.exact(f"{name or builder.name}: builder against Keras's own layers", apart, within=1e-5)
