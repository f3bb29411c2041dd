"""How does a gate see the cell state itself? Through a peephole."""

import keras
from keras import ops

from kerasdl import checks

FORMS = ("per_unit", "full")


@keras.saving.register_keras_serializable("kerasdl")
class PeepholeLSTMCell(keras.layers.LSTMCell):
    """One step of :class:`PeepholeLSTM`: the arguments are the layer's, the states are ``[h, c]``.

    Weights, in this order: ``kernel`` ``(features, 4 · units)`` and ``recurrent_kernel``
    ``(units, 4 · units)``, columns i, f, c, o as in Keras; ``bias`` ``(4 · units,)``; ``peephole_kernel``,
    ``(3, units)`` with rows i, f, o, or in full ``(units, 3 · units)`` with columns i, f, o.
    """

    def __init__(
        self,
        units: int,
        form: str = "per_unit",
        peephole_initializer="zeros",
        peephole_regularizer=None,
        peephole_constraint=None,
        **kwargs,
    ):
        super().__init__(units, **kwargs)
        self.form = checks.one_of("form", form, FORMS)
        self.peephole_initializer = keras.initializers.get(peephole_initializer)
        self.peephole_regularizer = keras.regularizers.get(peephole_regularizer)
        self.peephole_constraint = keras.constraints.get(peephole_constraint)
        # Keras would draw one mask for each gate here; a state that is dropped is dropped for all of them.
        self.implementation, self.dropout_mask_count = 2, None

    def build(self, input_shape):
        super().build(input_shape)
        self.peephole_kernel = self.add_weight(
            shape=(3, self.units) if self.form == "per_unit" else (self.units, 3 * self.units),
            name="peephole_kernel",
            initializer=self.peephole_initializer,
            regularizer=self.peephole_regularizer,
            constraint=self.peephole_constraint,
        )

    def call(self, inputs, states, training: bool = False):
        h, c = states
        if training and self.dropout:
            inputs = inputs * self.get_dropout_mask(inputs)
        if training and self.recurrent_dropout:
            h = h * self.get_recurrent_dropout_mask(h)
        z = ops.matmul(inputs, self.kernel) + ops.matmul(h, self.recurrent_kernel)
        i, f, g, o = ops.split(z if self.bias is None else z + self.bias, 4, axis=1)
        if self.form == "per_unit":
            see_i, see_f, see_o = ops.unstack(ops.convert_to_tensor(self.peephole_kernel))
            see_i, see_f = see_i * c, see_f * c
        else:
            see_i, see_f, see_o = ops.split(ops.matmul(c, self.peephole_kernel), 3, axis=1)
        i, f = self.recurrent_activation(i + see_i), self.recurrent_activation(f + see_f)
        c = f * c + i * self.activation(g)
        o = self.recurrent_activation(o + (see_o * c if self.form == "per_unit" else see_o))
        h = o * self.activation(c)
        return h, [h, c]

    def get_config(self) -> dict:
        config = {
            "form": self.form,
            "peephole_initializer": keras.initializers.serialize(self.peephole_initializer),
            "peephole_regularizer": keras.regularizers.serialize(self.peephole_regularizer),
            "peephole_constraint": keras.constraints.serialize(self.peephole_constraint),
        }
        return {**super().get_config(), **config}
