"""What do the cells that Keras lacks share? A layer that runs the cell over time, and weights for gates.

:class:`CellLayer` is the base of their layers, which show what is their cell's by :func:`of_cell`;
:func:`add_gate_weights` makes a cell's weights.
"""

from typing import Any, ClassVar

import keras

from kerasdl.layers.recurrent import FastLoop


def of_cell(name: str) -> property:
    """Return an attribute of a layer that is its cell's."""
    return property(lambda layer: getattr(layer.cell, name), doc=f"The cell's ``{name}``.")


class CellLayer(FastLoop, keras.layers.RNN):
    """The layer of a cell that Keras lacks, with the arguments of its own recurrent layers.

    A subclass names its cell, and shows those of the cell's arguments that no other cell has.

    Args:
        units: size of the state, at least 1.
        return_sequences, return_state, go_backwards, stateful, unroll, zero_output_for_mask: as in
            :class:`keras.layers.RNN`.
        activity_regularizer, name, dtype, trainable: as in any Keras layer.
        use_cudnn: taken for likeness with Keras's layers: cuDNN has none of these cells.
        **cell_arguments: the cell's.

    Raises:
        ValueError: ``use_cudnn=True``.
    """

    cell_class: ClassVar[type[keras.layers.Layer]]
    cell_name: ClassVar[str]

    def __init__(
        self,
        units: int,
        *,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        activity_regularizer: Any = None,
        name: str | None = None,
        dtype: Any = None,
        trainable: bool = True,
        use_cudnn: bool | str = "auto",
        **cell_arguments: Any,
    ) -> None:
        if use_cudnn not in ("auto", False):
            raise ValueError(
                f"use_cudnn={use_cudnn!r}: cuDNN has no {type(self).__name__}; leave it at 'auto'"
            )
        cell = self.cell_class(units, dtype=dtype, trainable=trainable, name=self.cell_name, **cell_arguments)
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            zero_output_for_mask=zero_output_for_mask,
            activity_regularizer=activity_regularizer,
            name=name,
            dtype=dtype,
            trainable=trainable,
        )
        self.input_spec = keras.layers.InputSpec(ndim=3)

    units, use_bias = of_cell("units"), of_cell("use_bias")
    activation, recurrent_activation = of_cell("activation"), of_cell("recurrent_activation")
    dropout, recurrent_dropout = of_cell("dropout"), of_cell("recurrent_dropout")
    kernel_initializer, kernel_regularizer = of_cell("kernel_initializer"), of_cell("kernel_regularizer")
    recurrent_initializer = of_cell("recurrent_initializer")
    recurrent_regularizer = of_cell("recurrent_regularizer")
    bias_initializer, bias_regularizer = of_cell("bias_initializer"), of_cell("bias_regularizer")
    kernel_constraint, bias_constraint = of_cell("kernel_constraint"), of_cell("bias_constraint")
    recurrent_constraint = of_cell("recurrent_constraint")

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["cell"]
        return {**self.cell.get_config(), **config}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "CellLayer":
        return cls(**config)


def add_gate_weights(cell: keras.layers.Layer, features: int | None, gates: int) -> None:
    """Make a cell's kernel, recurrent kernel and bias, a block of columns for each gate, as Keras's cells do.

    Args:
        cell: with ``units``, ``use_bias``, and an initializer, a regularizer and a constraint for each.
        features: width of the input.
        gates: how many blocks.
    """
    wide = gates * cell.units
    shapes = {"kernel": (features, wide), "recurrent_kernel": (cell.units, wide), "bias": (wide,)}
    cell.bias = None
    for name, shape in shapes.items():
        if name == "bias" and not cell.use_bias:
            continue
        of = name.removesuffix("_kernel")
        weight = cell.add_weight(
            shape=shape,
            name=name,
            initializer=getattr(cell, f"{of}_initializer"),
            regularizer=getattr(cell, f"{of}_regularizer"),
            constraint=getattr(cell, f"{of}_constraint"),
        )
        setattr(cell, name, weight)
