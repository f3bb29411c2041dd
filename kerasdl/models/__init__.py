"""Which network? One builder for each kind.

Sizes go in; each builder returns an uncompiled :class:`keras.Model` whose weights are drawn in NumPy, so that
they are the same on every backend.
"""

from kerasdl.models.convolutional import convnet
from kerasdl.models.dense import linear, mlp, polynomial
from kerasdl.models.language import generate, language_model
from kerasdl.models.output_recurrent import free_running, output_recurrent
from kerasdl.models.recurrent import many_to_many, many_to_one, one_to_many, recurrent_stack
from kerasdl.models.translation import encoder_decoder, translate

__all__ = [
    "convnet",
    "encoder_decoder",
    "free_running",
    "generate",
    "language_model",
    "linear",
    "many_to_many",
    "many_to_one",
    "mlp",
    "one_to_many",
    "output_recurrent",
    "polynomial",
    "recurrent_stack",
    "translate",
]
